/**
 * Rate limits, which every transport consumes before Temporal is called: how an act is counted by its keys and refunded, and
 * the limit of requests. What is counted is in the files beside this one, the table in domain/limits.ts.
 */
import { networkOf } from '../../adapters/ip-addresses.ts';
import { isRedisOutage } from '../../adapters/redis/outages.ts';
import type { Limit, LimitOf, LimitState, LimitsState } from '../../adapters/redis/rate-limits.ts';
import { Failure } from '../../domain/failures.ts';
import type { LimitKeys } from '../../domain/identity.ts';
import {
  type LimitedAct,
  type LimitName,
  type LimitRow,
  limits,
  limitsOf,
  refusalSentence,
  requestLimit,
} from '../../domain/limits.ts';
import type { ApiDeps, Caller } from '../deps.ts';

/** The dependencies of the limits. */
export type LimitDeps = Pick<ApiDeps, 'config' | 'rateLimits' | 'limitHash' | 'events'>;

/** The source that is counted. A server that acts for many users is not counted as a source: it has no address here. */
export type Limited = Partial<Pick<Caller, 'address' | 'noteLimit'>>;

/** An attempt that was counted. */
export interface Consumed {
  /** Refunds an attempt that does not count. Safe to repeat. */
  refund(): Promise<void>;
}

/**
 * Runs an action whose attempt was counted, and refunds the attempt if the action fails.
 *
 * @param isRefunded whether an error means that the attempt does not count; every error by default
 */
export async function orRefund<T>(
  consumed: Consumed,
  action: () => Promise<T>,
  isRefunded: (err: unknown) => boolean = () => true,
): Promise<T> {
  try {
    return await action();
  } catch (err) {
    if (isRefunded(err)) await consumed.refund();
    throw err;
  }
}

/** Consumes a second limit, and refunds the first if the second refuses. Returns both as one. */
export async function andConsume(first: Consumed, consumeSecond: () => Promise<Consumed>): Promise<Consumed> {
  const second = await orRefund(first, consumeSecond);
  return {
    async refund() {
      await Promise.all([first.refund(), second.refund()]);
    },
  };
}

/** Returns the limit key of an account, by which its passwords and PINs are counted at every operation. */
export function accountKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, userId: string): string {
  return limitHash('name', `user ${userId}`);
}

/** Returns the limit key of a device. */
export function deviceKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, userId: string, deviceId: string): string {
  return limitHash('device', `${userId} ${deviceId}`);
}

/** Counts a request of any operation, by source. Fails open. @throws {Failure} rate-limited */
export async function limitRequest(
  { requestLeases }: Pick<ApiDeps, 'requestLeases'>,
  { address, noteLimit }: Limited,
): Promise<void> {
  if (address === undefined) return;
  let state: LimitState;
  try {
    state = await requestLeases.consume(networkOf(address));
  } catch (err) {
    if (limits[requestLimit].away === 'open' && isRedisOutage(err)) return;
    throw err;
  }
  noteLimit?.({ ...state, limit: requestLimit });
  if (!state.allowed) throw limited(requestLimit, state.resetSeconds);
}

/** Returns the key of a source, if there is one. */
export function sourceOf(deps: Pick<ApiDeps, 'limitHash'>, address: string | undefined): { address?: string } {
  return address === undefined ? {} : { address: sourceKeyOf(deps, address) };
}

/** Returns the key that an address is counted by as a source. */
export function sourceKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, address: string): string {
  return limitHash('address', networkOf(address));
}

/**
 * The failure of a limit, with its name and the seconds until the next attempt; undefined when waiting does not help.
 */
export function limited(limit: string, retryAfterSeconds?: number, fields: Record<string, string[]> = {}): Failure {
  return new Failure('rate-limited', {
    message: refusalSentence(limit, retryAfterSeconds),
    fields: { limit, ...fields },
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

/** An action and the keys that it is counted by. */
export interface Act {
  act: LimitedAct;
  keys: LimitKeys & { device?: string; pair?: string };
  /** What a refusal tells the caller in addition. */
  fields?: Record<string, string[]>;
}

/** Counts an act in all limits of it, or in none. @throws {Failure} rate-limited */
export async function consume(deps: LimitDeps, caller: Limited, act: Act, tryId: string): Promise<Consumed> {
  const { state, counted } = await deps.rateLimits.consumeAll(limitsOfAct(deps, caller, act), tryId);
  requireAllowed(deps, caller, act, state);
  return { refund: () => deps.rateLimits.refundAll(counted, tryId) };
}

/** Returns the limits of an act with the keys that they count it by. */
export function limitsOfAct(deps: LimitDeps, { address }: Limited, { act, keys }: Act): LimitOf[] {
  return limitsOf(act, { ...keys, ...sourceOf(deps, address), all: 'all' }).map(({ name, key }) => ({
    limit: limitOf(deps, name),
    key,
  }));
}

/** @throws {Failure} rate-limited */
export function requireAllowed(
  deps: LimitDeps,
  { noteLimit }: Limited,
  { keys, fields }: Act,
  state: LimitsState,
): void {
  noteLimit?.(state);
  if (state.allowed) return;
  tellRefusal(deps, state, keys);
  throw limited(state.limit, state.resetSeconds, fields);
}

/** Reports refusals that many users notice, because they indicate an attack. */
function tellRefusal(
  { events }: Pick<ApiDeps, 'events'>,
  { limit, resetSeconds }: LimitsState,
  { prefix, country }: LimitKeys,
): void {
  const until = Date.now() + resetSeconds * 1000;
  if (limit === 'unproven-sends-per-prefix') events.prefixPaused({ prefix: prefix ?? '', country, until });
  if (limit === 'sends' || limit === 'wrong-codes') events.sendingStopped(limit, until);
}

/** Returns a limit with its configured windows. */
export function limitOf({ config }: Pick<ApiDeps, 'config'>, name: LimitName): Limit {
  const row: LimitRow = limits[name];
  return { name, windows: config[limits[name].variable], ...(row.isGradual && { isGradual: true }) };
}
