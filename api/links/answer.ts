/** The answers of the person whom a link is meant for: approve it, or deny it. */
import type { linkOperations } from '../../contract/device-links.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { type DenialReason, type DeviceLink, isRunning } from '../../domain/link.ts';
import type { DeviceSession } from '../authenticate.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { openLinksOf, refundLink } from '../limits/persons.ts';
import type { HandlerInput } from '../serve.ts';
import { type LockDeps, lockFailure, requireApprover, requireShownLongEnough } from './locks.ts';
import { type LinkReadDeps, readCurrent, readFor, stateFailure } from './status.ts';
import { closeLink, startLinkWorkflow, tellLinkWorkflow } from './workflow.ts';

type Ops = typeof linkOperations;
type CloseDeps = LinkReadDeps & Pick<ApiDeps, 'temporal' | 'events' | 'config' | 'rateLimits' | 'limitHash'>;
type ApproveDeps = CloseDeps & LockDeps & Pick<ApiDeps, 'sessions'>;

/**
 * Approves a link by the device that claimed it. What is approved was fixed when the link was created. Device, account and
 * session are checked before the approval counts, and device and session again after it: what ended them in between is
 * seen by one of the two. Safe to repeat with the same body.
 *
 * @throws {Failure} not-found, link-not-revealed, link-used, link-expired, link-denied, link-locked,
 *   account-disabled, unavailable
 */
export async function approveLink(
  deps: ApproveDeps,
  { holder, params: { linkId }, body: { sealedProvision }, caller }: HandlerInput<Ops['approveLink']>,
): Promise<AnswerOf<Ops['approveLink']>> {
  const { userId, deviceId } = holder;
  const link = await readFor(deps, linkId, holder);
  if (link.userId !== userId || link.claimedBy !== deviceId) throw new Failure('not-found');
  if (link.state === 'revealed') await approve(deps, { link, holder, caller, sealedProvision });
  const { state, ...current } = link.state === 'revealed' ? await readCurrent(deps, linkId) : link;
  const isApproved = state === 'approved' || state === 'completed';
  if (!isApproved || current.sealedProvision !== sealedProvision) throw stateFailure({ ...current, state }, 'approve');
  if (link.kind === 'approval') await refundLink(deps, link);
  await tellLinkWorkflow(deps, linkId, { state: 'approved', deviceId });
  return { status: 204 };
}

interface Approving {
  link: DeviceLink;
  holder: DeviceSession;
  caller: Caller;
  sealedProvision: string;
}

/** Approves a revealed link, unless a parallel request has ended it. @throws {Failure} as `approveLink` */
async function approve(deps: ApproveDeps, { link, holder, caller, sealedProvision }: Approving): Promise<void> {
  const { userId, deviceId } = holder;
  const { linkId, kind } = link;
  if ((await requireApprover(deps, link, holder)) !== link.epoch) throw lockFailure('account-changed');
  requireShownLongEnough(link, caller.address);
  // before the approval counts, because the workflow undoes what is never completed
  await startLinkWorkflow(deps, { ...link, userId });
  if (!(await deps.links.approve(link, { sealedProvision, claimedBy: deviceId }, Date.now()))) return;
  await requireStillThere(deps, link, holder);
  deps.events.linkApproved({ linkId, userId, deviceId, kind });
}

/** Denies a link again whose approver was removed or logged out at that moment. @throws {Failure} link-locked */
async function requireStillThere(
  deps: ApproveDeps,
  link: DeviceLink,
  { userId, deviceId, sessionId }: DeviceSession,
): Promise<void> {
  const [set, session] = await Promise.all([deps.devices.read(userId), deps.sessions.read({ sessionId, userId })]);
  if (session !== undefined && set?.devices.some((device) => device.deviceId === deviceId)) return;
  await deps.links.withdraw(link);
  throw lockFailure('device-revoked');
}

/**
 * Denies a link by any device of the user whom it is meant for, or by one that has scanned it before a claim. With
 * `report` every open link of its source is denied, and the source waits. Safe to repeat.
 *
 * @throws {Failure} not-found, link-used, link-expired, unavailable
 */
export async function denyLink(
  deps: CloseDeps,
  { holder, params: { linkId }, body: { report = false, wrongCode = false } = {} }: HandlerInput<Ops['denyLink']>,
): Promise<AnswerOf<Ops['denyLink']>> {
  const { userId, deviceId } = holder;
  const link = await readFor(deps, linkId, holder);
  const reason = reasonOf(report, wrongCode);
  if (isRunning(link) && (await deps.links.deny(link, reason, Date.now()))) {
    deps.events.linkDenied({ linkId, userId, deviceId, kind: link.kind, reason });
  }
  const current = await readFor(deps, linkId, holder);
  if (current.state !== 'denied') throw denialFailure(current);
  if (report) await reportSource(deps, current);
  await closeLink(deps, current, { state: 'denied', deviceId, reason });
  return { status: 204 };
}

function reasonOf(report: boolean, wrongCode: boolean): DenialReason {
  if (report) return 'reported';
  return wrongCode ? 'wrong-code' : 'denied';
}

function denialFailure(link: DeviceLink): Failure {
  if (link.state === 'expired') return new Failure('link-expired');
  // a claim at the same moment
  if (isRunning(link)) return new Failure('unavailable');
  return new Failure('link-used', { message: 'The device was approved already; revoke it' });
}

/** Makes the source of a link wait, then denies its open links: none can follow. Safe to repeat. */
async function reportSource(deps: CloseDeps, { source, linkId: reported }: DeviceLink): Promise<void> {
  await deps.links.report(source);
  const now = Date.now();
  const ids = (await openLinksOf(deps, source)).filter((linkId) => linkId !== reported);
  // twice, for those that are claimed between the read and the denial
  for (const linkId of [...ids, ...ids]) {
    const link = await deps.links.read(linkId, now);
    if (link === undefined || !isRunning(link) || !(await deps.links.deny(link, 'reported', now))) continue;
    await closeLink(deps, link, { state: 'denied', reason: 'reported' });
  }
}
