/**
 * The limits before Temporal is touched, the same for every door: what is counted, for whom, and how it is given back.
 * domain/limits.ts has the table.
 */
import { isRedisOutage } from '../adapters/redis/connect.ts';
import type { Limit, LimitOf, LimitState, LimitsState } from '../adapters/redis/rate-limits.ts';
import { Failure } from '../domain/failures.ts';
import {
  keysOfChannels,
  type LimitedAct,
  type LimitName,
  limits,
  limitsOf,
  networkOf,
  requestLimit,
} from '../domain/limits.ts';
import { type LimitKeys, usernameKey } from '../domain/registration.ts';
import type { Channel } from '../domain/verification.ts';
import { keyedHash, newId } from '../platform/crypto.ts';
import type { ApiDeps, Caller } from './deps.ts';

type LimitDeps = Pick<ApiDeps, 'config' | 'rateLimits' | 'smsBudget' | 'limitHash' | 'events'>;
/** Who is counted. A server that asks for many people is no source of its own: it gives no address. */
type Limited = Partial<Pick<Caller, 'address' | 'noteLimit'>>;

/** What was counted. */
export interface Consumed {
  /** For an act that turned out not to count. Safe to repeat. */
  refund(): Promise<void>;
}

/** A code that is about to be compared: counted as a wrong one until it is known. */
export interface ConsumedCheck extends Consumed {
  /** For the right code: it does not count, and its block of numbers is proven to be used by people. */
  refundProven(): Promise<void>;
}

/** An act on an identity: what it is counted under, and the channels that it uses. */
export interface IdentityAct {
  limitKeys: LimitKeys | undefined;
  channels: readonly (Channel | 'voice')[];
}

/**
 * Counts a send: by number or mailbox, block, address, country, in all, and its cost. Fails closed. The same `tryId` is
 * counted once.
 *
 * @throws {Failure} rate-limited
 */
export async function limitSend(
  deps: LimitDeps,
  caller: Limited,
  { limitKeys = {}, channels }: IdentityAct,
  tryId: string,
): Promise<Consumed> {
  const keys = keysOfChannels(limitKeys, channels);
  const consumed = await guard(deps, caller, { act: 'send', keys }, tryId);
  if (!channels.some((channel) => channel !== 'email')) return consumed;
  const { COST_PER_SMS: prices, COST_LIMIT_PER_DAY: maxOfDay } = deps.config;
  const amount = prices.byCountry.get(keys.country ?? '') ?? prices.usual;
  const spentAt = Date.now();
  const { allowed, resetSeconds } = await deps.smsBudget.spend(amount, maxOfDay, spentAt);
  if (!allowed) {
    await consumed.refund();
    const max = Math.floor(maxOfDay / amount);
    caller.noteLimit?.({ limit: 'cost-per-day', allowed, max, remaining: 0, resetSeconds });
    deps.events.sendingStopped('cost-per-day', spentAt + resetSeconds * 1000);
    throw limited('cost-per-day', resetSeconds);
  }
  let isSpent = true;
  return {
    async refund() {
      await consumed.refund();
      if (isSpent) await deps.smsBudget.refund(amount, spentAt);
      isSpent = false;
    },
  };
}

/**
 * Counts a send to a block of numbers that nobody has typed a code of: beyond a few, each needs a captcha of its own. Fails
 * closed. The same `tryId` is counted once.
 *
 * @throws {Failure} rate-limited, with `otherWays`
 */
export async function limitUnprovenSends(
  deps: LimitDeps,
  caller: Limited,
  { limitKeys = {}, channels }: IdentityAct,
  tryId: string,
): Promise<Consumed> {
  const { prefix } = keysOfChannels(limitKeys, channels);
  if (prefix === undefined) return { refund: async () => {} };
  const named = limitsOf('captcha-gate', { prefix }).map(({ name, key }) => ({ limit: limitOf(deps, name), key }));
  const { state, counted } = await deps.rateLimits.consumeAll(named, tryId, Date.now());
  if (!state.allowed) {
    caller.noteLimit?.(state);
    throw limited(state.limit, state.resetSeconds, { otherWays: ['captcha'] });
  }
  return { refund: () => deps.rateLimits.refundAll(counted, tryId) };
}

/**
 * Counts a wrong code before it is compared, so that parallel guesses never exceed the limits: by number or mailbox,
 * block, address, in all, and against the right ones of the address and of all. Whoever compares gives it back unless it
 * was wrong. Fails closed.
 *
 * @param tryId a keyed hash of what is typed and what it is compared with: the same guess again is no new one
 * @throws {Failure} rate-limited
 */
export async function limitCheck(
  deps: LimitDeps,
  caller: Limited,
  { limitKeys = {}, channels }: IdentityAct,
  tryId: string,
): Promise<ConsumedCheck> {
  const keys = keysOfChannels(limitKeys, channels);
  const counted = await guard(deps, caller, { act: 'check', keys }, tryId);
  const share = await limitWrongCodeRatio(deps, caller, tryId).catch(async (err: unknown) => {
    await counted.refund();
    throw err;
  });
  const refund = async () => {
    await Promise.all([counted.refund(), share.refund()]);
  };
  return {
    refund,
    async refundProven() {
      await Promise.all([refund(), share.countRight()]);
      if (keys.prefix === undefined) return;
      for (const name of ['unproven-sends-per-prefix', 'sends-without-captcha-per-prefix'] as const) {
        await deps.rateLimits.clear(limitOf(deps, name), keys.prefix);
      }
    },
  };
}

/** Counts the start of a registration. Fails closed. @throws {Failure} rate-limited */
export function limitRegistration(deps: LimitDeps, caller: Limited, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'registration', keys: {} }, tryId);
}

/** Counts a log-in by code, by what was typed to name the person and by source. Fails closed. @throws {Failure} rate-limited */
export function limitLogIn(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'login', keys: { name } }, tryId);
}

/**
 * Counts a wrong password before it is compared. Whoever compares gives it back when it was right. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export function limitPassword(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'password', keys: { name } }, tryId);
}

/** Counts a wrong PIN before it is compared, as `limitPassword`; by person alone. Fails closed. @throws {Failure} rate-limited */
export function limitPin(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'pin', keys: { name } }, tryId);
}

/** Counts a recovery of a password, by what was typed to name the person and by source. Fails closed. @throws {Failure} rate-limited */
export function limitRecovery(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'recovery', keys: { name } }, tryId);
}

/** Counts a code to a new number or address, by who has it sent. Fails closed. @throws {Failure} rate-limited */
export function limitContactChange(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'contact-change', keys: { name } }, tryId);
}

/** Counts an export, by whose it is. Fails closed. @throws {Failure} rate-limited */
export function limitExport(deps: LimitDeps, caller: Limited, name: string, tryId: string): Promise<Consumed> {
  return guard(deps, caller, { act: 'export', keys: { name } }, tryId);
}

/**
 * Consumes one of a directory name's attempts, whichever operation they come through. Returns how to refund it. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export async function limitDirectory(
  deps: Pick<ApiDeps, 'config' | 'hashKey' | 'rateLimits'>,
  { noteLimit }: Pick<Caller, 'noteLimit'>,
  username: string,
): Promise<() => Promise<void>> {
  const { DIRECTORY_TRIES: max, DIRECTORY_WINDOW: windowSeconds } = deps.config;
  const limit: Limit = { name: 'directory-tries', windows: [{ max, windowSeconds }] };
  const key = keyedHash(deps.hashKey, 'directory', usernameKey(username));
  const tryId = newId();
  const state = await deps.rateLimits.consume(limit, key, tryId, Date.now());
  noteLimit?.({ ...state, limit: limit.name });
  if (!state.allowed) throw limited(limit.name, state.resetSeconds);
  return () => deps.rateLimits.refund(limit, key, tryId);
}

/** Counts a request, whatever it asks for. Fails open. @throws {Failure} rate-limited */
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

interface ConsumedRatio extends Consumed {
  /** For the right code. */
  countRight(): Promise<void>;
}

/**
 * Counts a wrong code against the right ones. A source that mostly types wrong ones is refused; when all people together
 * do, somebody guesses from many sources, and each source is slowed.
 *
 * @throws {Failure} rate-limited
 */
async function limitWrongCodeRatio(
  deps: LimitDeps,
  { address, noteLimit }: Limited,
  tryId: string,
): Promise<ConsumedRatio> {
  const source = sourceOf(deps, address);
  const shares = limitsOf('wrong-code-ratio', { ...source, all: 'all' }).map(({ name, key }) => ({
    limit: limitOf(deps, name),
    key,
  }));
  const counted: LimitOf[] = [];
  const refund = () => deps.rateLimits.refundAll(counted, tryId);
  const take = async (one: LimitOf): Promise<LimitsState> => {
    const taken = await deps.rateLimits.consumeAll([one], tryId, Date.now());
    counted.push(...taken.counted);
    return taken.state;
  };
  for (const share of shares) {
    let state = await take(share);
    if (state.allowed || (await deps.rateLimits.isUsedUp(rightOnes(share.limit), share.key, Date.now()))) continue;
    if (share.key === 'all') {
      deps.events.sendingStopped(state.limit, Date.now() + state.resetSeconds * 1000);
      const slow = limitsOf('throttle', source)[0];
      if (slow === undefined) continue;
      state = await take({ limit: limitOf(deps, slow.name), key: slow.key });
      if (state.allowed) continue;
    }
    await refund();
    noteLimit?.(state);
    throw limited(state.limit, state.resetSeconds);
  }
  return {
    refund,
    async countRight() {
      await Promise.all(
        shares.map(({ limit, key }) => deps.rateLimits.consume(rightOnes(limit), key, tryId, Date.now())),
      );
    },
  };
}

/** The right codes that spare from a limit: as many as it has wrong ones. */
function rightOnes({ name, windows }: Limit): Limit {
  return { name: `${name}:right`, windows };
}

function sourceOf(deps: LimitDeps, address: string | undefined): { address?: string } {
  return address === undefined ? {} : { address: deps.limitHash('address', networkOf(address)) };
}

/** A refusal by a limit: named, with the next time there is one. */
export function limited(limit: string, retryAfterSeconds?: number, fields: Record<string, string[]> = {}): Failure {
  const when =
    retryAfterSeconds === undefined ? '; no more are possible' : `; the next is possible in ${retryAfterSeconds} s`;
  return new Failure('rate-limited', {
    message: `Too many tries (${limit})${when}`,
    fields: { limit, ...fields },
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

async function guard(
  deps: LimitDeps,
  { address, noteLimit }: Limited,
  { act, keys }: { act: LimitedAct; keys: LimitKeys & { name?: string } },
  tryId: string,
): Promise<Consumed> {
  const all = limitsOf(act, { ...keys, ...sourceOf(deps, address), all: 'all' }).map(({ name, key }) => ({
    limit: limitOf(deps, name),
    key,
  }));
  const { state, counted } = await deps.rateLimits.consumeAll(all, tryId, Date.now());
  noteLimit?.(state);
  if (!state.allowed) {
    tellRefusal(deps, state, keys);
    throw limited(state.limit, state.resetSeconds);
  }
  return { refund: () => deps.rateLimits.refundAll(counted, tryId) };
}

/** What an operator has to know at once: an attack that many people feel. */
function tellRefusal(
  { events }: LimitDeps,
  { limit, resetSeconds }: LimitsState,
  { prefix, country }: LimitKeys,
): void {
  const until = Date.now() + resetSeconds * 1000;
  if (limit === 'unproven-sends-per-prefix') events.prefixPaused({ prefix: prefix ?? '', country, until });
  if (limit === 'sends' || limit === 'wrong-codes') events.sendingStopped(limit, until);
}

/** A limit with its windows as they are configured. */
export function limitOf({ config }: Pick<ApiDeps, 'config'>, name: LimitName): Limit {
  return { name, windows: config[limits[name].variable] };
}
