/** `PUT /device-links/{id}/device`: the new device of an approved link. */

import type { linkOperations } from '../../contract/device-links.ts';
import type { Device } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { Tokens } from '../../contract/schemas.ts';
import { type Account, epochOf } from '../../domain/account.ts';
import { deviceIn, probationMs, type StoredDevice } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import type { DeviceLink } from '../../domain/link.ts';
import { sha256 } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { type DeviceAddDeps, requireAddedBy, withDevice } from '../new-devices.ts';
import type { HandlerInput, Minted } from '../serve.ts';
import { beginSession, requireEnabled, type SessionBeginDeps } from '../sessions.ts';
import { lockFailure } from './locks.ts';
import { type LinkReadDeps, readCurrent, stateFailure } from './status.ts';
import { closeLink } from './workflow.ts';

type Op = typeof linkOperations.completeLink;
type CompleteDeps = LinkReadDeps &
  DeviceAddDeps &
  SessionBeginDeps &
  Pick<ApiDeps, 'temporal' | 'config' | 'rateLimits' | 'limitHash' | 'devices'>;

/** A link that a device of an account has approved. */
interface Approved extends DeviceLink {
  userId: string;
  claimedBy: string;
}

/** One request to complete a link. */
interface Completing {
  link: Approved;
  account: Account;
  minted: Minted;
  caller: Caller;
  /** SHA-256 of the device. */
  taker: string;
}

/**
 * Adds the device of an approved link, once, and begins its session. The account and the device that approved it are
 * checked again. Until the link expires, a repeat with the same device returns it with new tokens, if its session is still
 * alive.
 *
 * @throws {Failure} link-not-approved, link-used, link-expired, link-denied, link-locked, account-disabled, device-limit,
 *   malformed
 */
export async function completeLink(
  deps: CompleteDeps,
  { holder, body, minted, caller }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const link = requireApproved(holder);
  const taker = sha256(JSON.stringify(body)).toString('base64url');
  const completing = { link, account: await requireApproval(deps, link), minted, caller, taker };
  const tokens = link.state === 'completed' ? await repeat(deps, completing) : await complete(deps, completing, body);
  // before the answer: without word of it, the workflow would remove the device when the link expires
  await closeLink(deps, link, { state: 'completed', ...(tokens.device && { deviceId: tokens.device.deviceId }) });
  return { status: 201, body: tokens };
}

/** @throws {Failure} link-not-approved, link-used, link-expired, link-denied */
function requireApproved(link: DeviceLink): Approved {
  const { state, kind, userId, claimedBy, expiresAt } = link;
  const isOver = state === 'completed' && Date.now() >= expiresAt;
  if (isOver) throw new Failure('link-expired');
  const isApproved = state === 'completed' || (state === 'approved' && kind === 'link');
  if (!isApproved || userId === undefined || claimedBy === undefined) throw stateFailure(link, 'complete');
  return { ...link, userId, claimedBy };
}

/** Requires that what the approval was based on is still there. @throws {Failure} link-locked, account-disabled */
async function requireApproval(
  { accounts, devices }: Pick<ApiDeps, 'accounts' | 'devices'>,
  { userId, claimedBy, claimedAt = 0, epoch }: Approved,
): Promise<Account> {
  const [account, set] = await Promise.all([accounts.read(userId), devices.read(userId)]);
  if (account === undefined) throw new Failure('not-found');
  requireEnabled(account);
  if (epochOf(account) !== epoch) throw lockFailure('account-changed');
  const approver = deviceIn(set, claimedBy);
  // an id is used again
  if (approver === undefined || approver.createdAt > claimedAt) throw lockFailure('device-revoked');
  return account;
}

async function complete(deps: CompleteDeps, completing: Completing, body: Device): Promise<Tokens> {
  const { link, taker } = completing;
  const { linkId, userId, claimedBy: linkedBy } = link;
  const at = Date.now();
  const reservation = { taker, takenAt: at };
  const taken = await deps.links.take(linkId, reservation);
  if (taken.outcome === 'busy') {
    throw new Failure('link-used', { retryAfterSeconds: Math.ceil(taken.busyMs / 1000) });
  }
  if (taken.outcome === 'refused') throw stateFailure(await readCurrent(deps, linkId), 'complete');
  const origin = { addedBy: linkId, linkedBy, probationUntil: at + probationMs, at };
  try {
    return await withDevice(deps, { userId, body, origin }, (device) => begin(deps, completing, device));
  } catch (err) {
    if (err instanceof Failure) await deps.links.release(linkId, reservation);
    throw err;
  }
}

/** Begins the session of a device that the link has added, and completes the link. */
async function begin(deps: CompleteDeps, completing: Completing, device: StoredDevice): Promise<Tokens> {
  const { link, account, minted, caller, taker } = completing;
  const { linkId, userId, epoch = 0 } = link;
  requireAddedBy(device, linkId);
  const proof = { epoch, outdated: 'link-locked', isCodeAlone: true } as const;
  const tokens = await beginSession(deps, account, minted, { ...caller, proof, device });
  const completion = { taker, deviceId: device.deviceId, sessionId: minted.id };
  if (await deps.links.complete(link, completion, Date.now())) return tokens;
  await deps.sessions.end(userId, minted.id);
  throw stateFailure(await readCurrent(deps, linkId), 'complete');
}

/** Returns new tokens of the device that a completed link has added. */
async function repeat(deps: CompleteDeps, completing: Completing): Promise<Tokens> {
  const { link, taker } = completing;
  const { userId, sessionId = '', deviceId = '' } = link;
  if (link.taker !== taker) throw new Failure('link-used');
  const [session, set] = await Promise.all([deps.sessions.read({ sessionId, userId }), deps.devices.read(userId)]);
  const device = deviceIn(set, deviceId);
  if (session === undefined || device === undefined) throw new Failure('link-used');
  return begin(deps, completing, device);
}
