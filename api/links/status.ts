/** What the operations on links share: reading a link for a device, and the failures of a step that comes too early or late. */
import { keys } from '../../adapters/redis/keys.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { type DeviceLink, isOpen } from '../../domain/link.ts';
import type { DeviceSession } from '../authenticate.ts';
import type { ApiDeps } from '../deps.ts';

/** The dependencies of reading links. */
export type LinkReadDeps = Pick<ApiDeps, 'links'>;

/** A step, and the failure when the link is not ready for it or past it. */
const stepFailures = {
  claim: 'link-claimed',
  reveal: 'link-not-claimed',
  approve: 'link-not-revealed',
  complete: 'link-not-approved',
} as const satisfies Record<string, FailureCode>;

/** A step of a link. */
export type LinkStep = keyof typeof stepFailures;

/** Returns a link as it is now. @throws {Failure} not-found */
export async function readCurrent({ links }: LinkReadDeps, linkId: string): Promise<DeviceLink> {
  const link = /^[0-9a-f]{32}$/.test(linkId) ? await links.read(linkId, Date.now()) : undefined;
  if (link === undefined) throw new Failure('not-found');
  return link;
}

/**
 * Returns a link for a device: one that is meant for its user or, before a claim, one whose address it has scanned. Only
 * the QR code has the id, which is random.
 *
 * @throws {Failure} not-found
 */
export async function readFor(
  deps: LinkReadDeps,
  linkId: string,
  { userId }: Pick<DeviceSession, 'userId'>,
): Promise<DeviceLink> {
  const link = await readCurrent(deps, linkId);
  if (link.userId !== undefined && link.userId !== userId) throw new Failure('not-found');
  return link;
}

/** Returns why a link is in no state for a step. */
export function stateFailure({ state, kind }: Pick<DeviceLink, 'state' | 'kind'>, step: LinkStep): Failure {
  if (state === 'expired') return new Failure('link-expired');
  if (state === 'denied') return new Failure('link-denied');
  if (step === 'claim' || isOpen({ state })) return new Failure(stepFailures[step]);
  if (kind === 'approval' && step === 'complete') {
    return new Failure('link-used', { message: 'The device of an approved registration is added by the registration' });
  }
  return new Failure('link-used');
}

/**
 * Waits until a link is as wanted, has expired, or the time is over. Returns it as it is then.
 *
 * @throws {Failure} not-found
 */
export async function untilLink(
  deps: Pick<ApiDeps, 'links' | 'listener'>,
  link: DeviceLink,
  { waitSeconds = 0, isEnough }: { waitSeconds: number | undefined; isEnough: (link: DeviceLink) => boolean },
): Promise<DeviceLink> {
  if (waitSeconds === 0 || isEnough(link)) return link;
  // nothing publishes that it expires; a timer may be a millisecond early
  const waitMs = Math.min(waitSeconds * 1000, link.expiresAt - Date.now() + 5);
  await using listening = await deps.listener.listen(keys.link(link), waitMs);
  // read after listening has begun, so that no change is missed
  for (let isOver = false; ; isOver = !(await listening.changed())) {
    const current = await readCurrent(deps, link.linkId);
    if (isOver || isEnough(current)) return current;
  }
}
