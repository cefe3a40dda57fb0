/** The limits of what a user does with devices, keys, links and the own data. */
import type { LimitOf } from '../../adapters/redis/rate-limits.ts';
import type { DeviceLink } from '../../domain/link.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import {
  accountKeyOf,
  type Consumed,
  consume,
  type LimitDeps,
  type Limited,
  limitOf,
  limitsOfAct,
} from './counting.ts';

/**
 * Counts a code to a new number or address, by the user who requests it. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export function limitContactChange(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'contact-change', keys: { name } }, tryId);
}

/** Counts an export, by user. Fails closed. @throws {Failure} rate-limited */
export function limitExport(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'export', keys: { name } }, tryId);
}

/** Counts an upload of keys, by device. Fails closed. @throws {Failure} rate-limited */
export function limitKeyUpload(deps: LimitDeps, { noteLimit }: Limited, session: DeviceName): Promise<Consumed> {
  const device = deps.limitHash('device', `${session.userId}/${session.deviceId}`);
  return consume(deps, { ...(noteLimit && { noteLimit }) }, { act: 'key-upload', keys: { device } }, newId());
}

/** A device of an account. */
interface DeviceName {
  userId: string;
  deviceId: string;
}

/**
 * Counts a fetch of the keys of a user, by caller and user together and by caller, whether there is such a user or not.
 * Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export function limitKeyFetch(
  deps: LimitDeps,
  { noteLimit }: Limited,
  { callerId, targetId }: { callerId: string; targetId: string },
): Promise<Consumed> {
  const keys = { name: accountKeyOf(deps, callerId), pair: deps.limitHash('pair', `${callerId} ${targetId}`) };
  return consume(deps, { ...(noteLimit && { noteLimit }) }, { act: 'key-fetch', keys }, newId());
}

/**
 * Counts a fetch of the keys of a user by anybody. False beyond the limit: then no one-time keys are handed out. The
 * caller does not learn the state of the limit, which tells how often others fetch these keys. Fails closed.
 */
export async function allowsHandOut(deps: LimitDeps, targetId: string): Promise<boolean> {
  const of = limitsOfAct(deps, {}, { act: 'key-hand-out', keys: { name: accountKeyOf(deps, targetId) } });
  return (await deps.rateLimits.consumeAll(of, newId())).state.allowed;
}

/** Counts an open link by source. Fails closed. @throws {Failure} rate-limited */
export function limitLink(deps: LimitDeps, caller: Limited, linkId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'link', keys: {} }, linkId);
}

/** Counts an open request for approval, by user. Fails closed. @throws {Failure} rate-limited */
export function limitApproval(deps: LimitDeps, caller: Limited, name: string, linkId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'approval', keys: { name } }, linkId);
}

/** Refunds a link that is not open any more. Safe to repeat. */
export async function refundLink(
  deps: Pick<ApiDeps, 'config' | 'rateLimits' | 'limitHash'>,
  { linkId, source, kind, userId }: Pick<DeviceLink, 'linkId' | 'source' | 'kind' | 'userId'>,
): Promise<void> {
  const name = kind === 'approval' && userId !== undefined ? accountKeyOf(deps, userId) : undefined;
  const asked = name === undefined ? [] : [{ limit: limitOf(deps, 'approvals-per-person'), key: name }];
  await deps.rateLimits.refundAll([linkLimit(deps, source), ...asked], linkId);
}

/** Returns the ids of the open links of a source. */
export function openLinksOf(deps: Pick<ApiDeps, 'config' | 'rateLimits'>, source: string): Promise<string[]> {
  return deps.rateLimits.attempts(linkLimit(deps, source));
}

function linkLimit(deps: Pick<ApiDeps, 'config'>, source: string): LimitOf {
  return { limit: limitOf(deps, 'links-per-address'), key: source };
}

/** Counts a test of push, by device. Fails closed. @throws {Failure} rate-limited */
export function limitPushTest(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'push-test', keys: { name } }, tryId);
}
