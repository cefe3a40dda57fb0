/** `POST /device-links/{id}/claim`: a device has scanned the link. */
import type { linkOperations } from '../../contract/device-links.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { DeviceLink } from '../../domain/link.ts';
import type { DeviceSession } from '../authenticate.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { type LockDeps, requireApprover } from './locks.ts';
import { type LinkReadDeps, readCurrent, stateFailure } from './status.ts';
import { startLinkWorkflow } from './workflow.ts';

type Op = typeof linkOperations.claimLink;
type Body = HandlerInput<Op>['body'];

/**
 * Claims a link for the calling device; the first claim wins, on whichever process. Safe to repeat with the same body: the
 * workflow is started after the claim, and a repeat starts it if that failed.
 *
 * @throws {Failure} not-found, link-claimed, link-expired, link-denied, link-locked,
 *   account-disabled, unavailable
 */
export async function claimLink(
  deps: LinkReadDeps & LockDeps & Pick<ApiDeps, 'temporal' | 'events'>,
  { holder, params: { linkId }, body }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { userId, deviceId } = holder;
  const link = await readCurrent(deps, linkId);
  if (link.kind === 'approval' && link.userId !== userId) throw new Failure('not-found');
  if (link.state === 'pending') {
    const epoch = await requireApprover(deps, link, holder);
    const { encapsulation, nonce: claimNonce } = body;
    const claim = { userId, claimedBy: deviceId, claimedAt: Date.now(), epoch, encapsulation, claimNonce };
    if (await deps.links.claim(link, claim)) deps.events.linkClaimed({ linkId, userId, deviceId });
  }
  const current = link.state === 'pending' ? await readCurrent(deps, linkId) : link;
  if (!isClaimOf(current, holder, body)) throw stateFailure(current, 'claim');
  await startLinkWorkflow(deps, { ...current, userId });
  return { status: 204 };
}

/** Returns whether a device has made this claim, and the link is not over. */
function isClaimOf(link: DeviceLink, { userId, deviceId }: DeviceSession, { encapsulation, nonce }: Body): boolean {
  const { state, claimedBy, claimNonce } = link;
  if (state === 'pending' || state === 'denied' || state === 'expired') return false;
  const isOwn = link.userId === userId && claimedBy === deviceId;
  return isOwn && link.encapsulation === encapsulation && claimNonce === nonce;
}
