/** `POST /device-links`: a new device asks to be linked. */
import type { linkOperations } from '../../contract/device-links.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { linkLifeMs } from '../../domain/link.ts';
import { sha256, tokenHash } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { type LimitDeps, limited, orRefund, sourceKeyOf } from '../limits/counting.ts';
import { limitLink } from '../limits/persons.ts';
import type { HandlerInput, Minted } from '../serve.ts';

type Op = typeof linkOperations.createLink;

/** The dependencies of starting a link. */
export type LinkStartDeps = LimitDeps & Pick<ApiDeps, 'links' | 'events'>;

/**
 * Stores what a new device asks for, and returns the address for its QR code. Nobody is asked before a device claims it,
 * so no workflow is started. Safe to repeat with the same minted values.
 *
 * @throws {Failure} malformed, rate-limited, unavailable
 */
export async function createLink(
  deps: LinkStartDeps,
  { body: offer, caller, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { id: linkId, token: linkToken } = minted;
  await requireNotReported(deps, caller);
  const consumed = await limitLink(deps, caller, linkId);
  const record = recordOf(deps, caller, minted);
  await orRefund(consumed, () => deps.links.create({ ...offer, ...record, kind: 'link' }));
  deps.events.linkRequested({ linkId });
  const expiresAt = new Date(record.expiresAt).toISOString();
  return { status: 201, body: { linkId, linkToken, uri: uriOf(deps, caller, linkId, offer.publicKey), expiresAt } };
}

/** Refuses a source that waits after a report. @throws {Failure} rate-limited */
export async function requireNotReported(
  deps: Pick<ApiDeps, 'links' | 'limitHash'>,
  { address, noteLimit }: Caller,
): Promise<void> {
  const limit = 'links-after-report';
  const resetSeconds = await deps.links.reportedSeconds(sourceKeyOf(deps, address));
  if (resetSeconds === 0) return;
  noteLimit?.({ limit, allowed: false, max: 1, remaining: 0, resetSeconds });
  throw limited(limit, resetSeconds);
}

const userAgentMax = 256;

/** What the server knows of a new link. */
export function recordOf(
  deps: Pick<ApiDeps, 'limitHash'>,
  { address, userAgent }: Caller,
  { id: linkId, token, at: createdAt }: Minted,
) {
  return {
    linkId,
    tokenHash: tokenHash(token),
    createdAt,
    expiresAt: createdAt + linkLifeMs,
    ip: address,
    userAgent: userAgent.slice(0, userAgentMax),
    source: sourceKeyOf(deps, address),
  };
}

/**
 * Returns the address for the QR code. Its fragment never reaches a server (RFC 9110 section 7.1); it has the version of
 * the protocol, the link and the hash of the public key, by which the scanning device notices another key.
 */
function uriOf(
  { config }: Pick<ApiDeps, 'config'>,
  { origin = '' }: Caller,
  linkId: string,
  publicKey: string,
): string {
  const keyHash = sha256(Buffer.from(publicKey, 'base64')).toString('base64url');
  return `${config.PUBLIC_URL ?? origin}/app/link#1.${linkId}.${keyHash}`;
}
