/** `POST /device-links/{id}/reveal`: the nonce that the new device committed to. */
import type { linkOperations } from '../../contract/device-links.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { type DeviceLink, linkNonceLabel } from '../../domain/link.ts';
import { sha256 } from '../../platform/crypto.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { type LinkReadDeps, readCurrent, stateFailure } from './status.ts';

type Op = typeof linkOperations.revealLink;

/**
 * Reveals the nonce of the new device, after a device has claimed the link: the nonce of that device cannot depend on it.
 * Safe to repeat.
 *
 * @throws {Failure} malformed, link-not-claimed, link-denied, link-expired
 */
export async function revealLink(
  deps: LinkReadDeps,
  { holder: link, body: { nonce } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  requireClaimed(link);
  if (sha256(linkNonceLabel, Buffer.from(nonce, 'base64')).toString('base64') !== link.nonceHash) {
    throw malformed('nonce', 'must be the nonce whose hash was sent as nonceHash');
  }
  if (link.state === 'claimed' && !(await deps.links.reveal(link, nonce, Date.now()))) {
    // revealed by a parallel request, which had the same nonce, or ended
    requireClaimed(await readCurrent(deps, link.linkId));
  }
  return { status: 204 };
}

/** @throws {Failure} link-not-claimed, link-denied, link-expired */
function requireClaimed(link: DeviceLink): void {
  if (['pending', 'denied', 'expired'].includes(link.state)) throw stateFailure(link, 'reveal');
}
