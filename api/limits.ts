/**
 * Rate limits, which every transport consumes before Temporal is called: what is counted, under which keys, and how it
 * is refunded. The table is in domain/limits.ts.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { networkOf } from '../adapters/ip-addresses.ts';
import { isRedisOutage } from '../adapters/redis/connect.ts';
import {
  type Limit,
  type LimitOf,
  type LimitState,
  type LimitsState,
  undecided,
} from '../adapters/redis/rate-limits.ts';
import { directoryNameKey } from '../domain/directory.ts';
import { Failure } from '../domain/failures.ts';
import type { LimitKeys } from '../domain/identity.ts';
import {
  directoryTries,
  keysOfChannels,
  type LimitedAct,
  type LimitName,
  type LimitRow,
  limits,
  limitsOf,
  refusalSentence,
  requestLimit,
} from '../domain/limits.ts';
import type { DeviceLink } from '../domain/link.ts';
import type { Channel } from '../domain/verification.ts';
import { keyedHash, newId } from '../platform/crypto.ts';
import type { ApiDeps, Caller } from './deps.ts';

/** The dependencies of the limits. */
export type LimitDeps = Pick<ApiDeps, 'config' | 'rateLimits' | 'limitHash' | 'events'>;
/** The dependencies of the limits of sends, which include their cost. */
export type SendLimitDeps = LimitDeps & Pick<ApiDeps, 'smsBudget'>;
/** The dependencies of the limit of directory names. */
export type DirectoryLimitDeps = Pick<ApiDeps, 'config' | 'hashKey' | 'rateLimits'>;

/** The source that is counted. A server that acts for many users is not counted as a source: it has no address here. */
export type Limited = Partial<Pick<Caller, 'address' | 'noteLimit'>>;

/** An attempt that was counted. */
export interface Consumed {
  /** Refunds an attempt that does not count. Safe to repeat. */
  refund(): Promise<void>;
}

/** A typed secret, counted as wrong until its result is known. Either `refund` or `settle` ends it. */
export interface ConsumedGuess extends Consumed {
  /** Records that the secret was wrong. Safe to repeat. */
  settle(): Promise<void>;
}

/** A check of a code, counted as wrong until its result is known. */
export interface ConsumedCheck extends Consumed {
  /** Refunds the check of a correct code, which also proves that people use its block of numbers. */
  refundProven(): Promise<void>;
}

/** An act on an identity: the keys of its limits and the channels that it uses. */
export interface IdentityAct {
  limitKeys: LimitKeys | undefined;
  channels: readonly (Channel | 'voice')[];
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

/**
 * Counts a send: by number or mailbox, block of numbers, source address, country, in total, and by its cost. Fails
 * closed. The same `tryId` is counted once.
 *
 * @throws {Failure} rate-limited
 */
export async function limitSend(
  deps: SendLimitDeps,
  caller: Limited,
  { limitKeys = {}, channels }: IdentityAct,
  tryId: string,
): Promise<Consumed> {
  const keys = keysOfChannels(limitKeys, channels);
  const consumed = await consume(deps, caller, { act: 'send', keys }, tryId);
  if (!channels.some((channel) => channel !== 'email')) return consumed;
  const { COST_PER_SMS: prices, COST_LIMIT_PER_DAY: maxOfDay } = deps.config;
  const amount = prices.byCountry.get(keys.country ?? '') ?? prices.usual;
  const { allowed, resetSeconds, at: spentAt } = await deps.smsBudget.spend(amount, maxOfDay);
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
 * Counts a send to a block of numbers for which no correct code has been entered: beyond a few, each send needs its own
 * captcha. Fails closed. The same `tryId` is counted once.
 *
 * @throws {Failure} rate-limited, with `otherWays`
 */
export async function limitUnprovenSends(
  deps: Pick<ApiDeps, 'config' | 'rateLimits'>,
  caller: Limited,
  { limitKeys = {}, channels }: IdentityAct,
  tryId: string,
): Promise<Consumed> {
  const { prefix } = keysOfChannels(limitKeys, channels);
  if (prefix === undefined) return { refund: async () => {} };
  const named = limitsOf('captcha-gate', { prefix }).map(({ name, key }) => ({ limit: limitOf(deps, name), key }));
  const { state, counted } = await deps.rateLimits.consumeAll(named, tryId);
  if (!state.allowed) {
    caller.noteLimit?.(state);
    throw limited(state.limit, state.resetSeconds, { otherWays: ['captcha'] });
  }
  return { refund: () => deps.rateLimits.refundAll(counted, tryId) };
}

/**
 * Counts a wrong code before the comparison, so that parallel guesses never exceed the limits: by number or mailbox,
 * block of numbers, source address, in total, and in relation to the correct codes of the source and of all users. The
 * caller refunds it unless the code was wrong. Fails closed.
 *
 * @param tryId a keyed hash of the typed code and of the send that it is compared with: the same guess is counted once
 * @throws {Failure} rate-limited
 */
export async function limitCheck(
  deps: LimitDeps,
  caller: Limited,
  { limitKeys = {}, channels }: IdentityAct,
  tryId: string,
): Promise<ConsumedCheck> {
  const keys = keysOfChannels(limitKeys, channels);
  const counted = await consume(deps, caller, { act: 'check', keys }, tryId);
  const ratio = await orRefund(counted, () => limitWrongCodeRatio(deps, caller, tryId));
  const refund = async () => {
    await Promise.all([counted.refund(), ratio.refund()]);
  };
  return {
    refund,
    async refundProven() {
      await Promise.all([refund(), ratio.countRight()]);
      if (keys.prefix === undefined) return;
      for (const name of ['unproven-sends-per-prefix', 'sends-without-captcha-per-prefix'] as const) {
        await deps.rateLimits.clear(limitOf(deps, name), keys.prefix);
      }
    },
  };
}

/** Counts the start of a registration. Fails closed. @throws {Failure} rate-limited */
export function limitRegistration(deps: LimitDeps, caller: Limited, tryId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'registration', keys: {} }, tryId);
}

/**
 * Counts a log-in by code, by the typed identifier, if one is given, and by source. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export function limitLogIn(
  deps: LimitDeps,
  caller: Limited,
  name: string | undefined,
  tryId: string,
): Promise<Consumed> {
  return consume(deps, caller, { act: 'login', keys: { ...(name !== undefined && { name }) } }, tryId);
}

/**
 * Counts a code of a log-in as a send to the typed number, known or not, so that its owner can be told when the number
 * has had its codes. The send with the same `tryId` is not counted again. Fails closed.
 */
export async function countTypedNumber(
  deps: Pick<ApiDeps, 'config' | 'rateLimits'>,
  number: string,
  tryId: string,
): Promise<Consumed & Pick<LimitState, 'allowed' | 'resetSeconds'>> {
  const limit = limitOf(deps, 'sends-per-number');
  const { allowed, resetSeconds } = await deps.rateLimits.consume(limit, number, tryId);
  return { allowed, resetSeconds, refund: () => deps.rateLimits.refund(limit, number, tryId) };
}

/**
 * Counts a log-in by code without a captcha, by the typed identifier: beyond a few, each needs a captcha, so that nobody
 * sends codes in the name of others at no cost. Fails closed.
 *
 * @throws {Failure} rate-limited, with `otherWays`
 */
export function limitLogInWithoutCaptcha(
  deps: LimitDeps,
  { noteLimit }: Limited,
  name: string,
  tryId: string,
): Promise<Consumed> {
  const fields = { otherWays: ['captcha'] };
  return consume(
    deps,
    { ...(noteLimit && { noteLimit }) },
    { act: 'login-captcha-gate', keys: { name }, fields },
    tryId,
  );
}

/** Clears the log-ins without a captcha of an identifier, because its owner has logged in. */
export async function clearLogInsWithoutCaptcha(
  deps: Pick<ApiDeps, 'config' | 'rateLimits'>,
  name: string,
): Promise<void> {
  await deps.rateLimits.clear(limitOf(deps, 'logins-without-captcha-per-name'), name);
}

/**
 * Counts a wrong password before the comparison, by the account, whichever identifier was typed. The caller refunds it
 * if the password was correct and settles it otherwise. An attempt waits for others in progress instead of being refused
 * because of them, since they may turn out to be right. Fails closed.
 *
 * @param name the limit key of the account or, without one, of the typed identifier
 * @throws {Failure} rate-limited
 */
export function limitPassword(deps: LimitDeps, caller: Limited, name: string): Promise<ConsumedGuess> {
  return consumeInTurn(deps, caller, { act: 'password', keys: { name } });
}

/**
 * Counts a wrong PIN before the comparison, as `limitPassword`, by user only. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export function limitPin(deps: LimitDeps, caller: Limited, name: string): Promise<ConsumedGuess> {
  return consumeInTurn(deps, caller, { act: 'pin', keys: { name } });
}

/** Returns the limit key of an account, by which its passwords and PINs are counted at every operation. */
export function accountKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, userId: string): string {
  return limitHash('name', `user ${userId}`);
}

/** Returns the limit key of a device. */
export function deviceKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, userId: string, deviceId: string): string {
  return limitHash('device', `${userId} ${deviceId}`);
}

/** More than a person needs for a password that is strong enough. */
const resetTriesMax = 20;

/** Counts a new password that is typed for a recovery, before it is judged. Fails closed. @throws {Failure} rate-limited */
export async function limitReset(
  { rateLimits, config }: Pick<ApiDeps, 'config' | 'rateLimits'>,
  { noteLimit }: Limited,
  recoveryId: string,
): Promise<void> {
  const windows = [{ max: resetTriesMax, windowSeconds: config.RECOVERY_TTL }];
  const limit: Limit = { name: 'passwords-of-recovery', windows };
  const state = await rateLimits.consume(limit, recoveryId, newId());
  noteLimit?.({ ...state, limit: limit.name });
  if (!state.allowed) throw limited(limit.name, state.resetSeconds);
}

/**
 * Counts a password recovery, by the typed identifier and by source; one by number also as a send to that number, known
 * or not, so that it is spaced from other codes. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export async function limitRecovery(
  deps: LimitDeps,
  caller: Limited,
  { name, number }: { name: string; number: string | undefined },
  tryId: string,
): Promise<Consumed> {
  const counted = await consume(deps, caller, { act: 'recovery', keys: { name } }, tryId);
  if (number === undefined) return counted;
  return andConsume(counted, () => consume(deps, caller, { act: 'send', keys: { number } }, tryId));
}

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

/**
 * Counts a wrong password of the directory by source and in total, with the wrong passwords of log-ins: they are the
 * same secrets. The caller refunds it if the password was correct. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export function limitDirectorySource(deps: LimitDeps, caller: Limited, tryId: string): Promise<Consumed> {
  return consume(deps, caller, { act: 'password', keys: {} }, tryId);
}

/**
 * Counts an attempt of a directory name, in every spelling that the directory takes for the same, whichever operation it
 * comes through. The role `directory` counts it again by the entry that it finds. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export async function limitDirectory(
  deps: DirectoryLimitDeps,
  { noteLimit }: Limited,
  username: string,
): Promise<Consumed> {
  const limit = directoryTries(deps.config);
  const key = keyedHash(deps.hashKey, 'directory', directoryNameKey(username));
  const tryId = newId();
  const state = await deps.rateLimits.consume(limit, key, tryId);
  noteLimit?.({ ...state, limit: limit.name });
  if (!state.allowed) throw limited(limit.name, state.resetSeconds);
  return { refund: () => deps.rateLimits.refund(limit, key, tryId) };
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

interface ConsumedRatio extends Consumed {
  /** Counts a correct code. */
  countRight(): Promise<void>;
}

/**
 * Counts a wrong code in relation to the correct ones. A source with mostly wrong codes is refused. When most codes of
 * all users are wrong, somebody guesses from many sources, and each source is throttled.
 *
 * @throws {Failure} rate-limited
 */
async function limitWrongCodeRatio(
  deps: LimitDeps,
  { address, noteLimit }: Limited,
  tryId: string,
): Promise<ConsumedRatio> {
  const source = sourceOf(deps, address);
  const ratios = limitsOf('wrong-code-ratio', { ...source, all: 'all' }).map(({ name, key }) => ({
    limit: limitOf(deps, name),
    key,
  }));
  const counted: LimitOf[] = [];
  const refund = () => deps.rateLimits.refundAll(counted, tryId);
  const take = async (one: LimitOf): Promise<LimitsState> => {
    const taken = await deps.rateLimits.consumeAll([one], tryId);
    counted.push(...taken.counted);
    return taken.state;
  };
  // each decides alone, so they are counted together
  const states = await Promise.all(ratios.map(take));
  for (const [index, ratio] of ratios.entries()) {
    let state = states[index] as LimitsState;
    if (state.allowed || (await deps.rateLimits.isUsedUp(rightOnes(ratio.limit), ratio.key))) continue;
    if (ratio.key === 'all') {
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
      await Promise.all(ratios.map(({ limit, key }) => deps.rateLimits.consume(rightOnes(limit), key, tryId)));
    },
  };
}

/** The correct codes that lift a limit: as many as the wrong ones that it allows. */
function rightOnes({ name, windows }: Limit): Limit {
  return { name: `${name}:right`, windows };
}

function sourceOf(deps: Pick<ApiDeps, 'limitHash'>, address: string | undefined): { address?: string } {
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
interface Act {
  act: LimitedAct;
  keys: LimitKeys & { device?: string; pair?: string };
  /** What a refusal tells the caller in addition. */
  fields?: Record<string, string[]>;
}

async function consume(deps: LimitDeps, caller: Limited, act: Act, tryId: string): Promise<Consumed> {
  const { state, counted } = await deps.rateLimits.consumeAll(limitsOfAct(deps, caller, act), tryId);
  requireAllowed(deps, caller, act, state);
  return { refund: () => deps.rateLimits.refundAll(counted, tryId) };
}

/** Longest wait for attempts in progress. */
const turnMs = 10_000;
const turnStepMs = 50;

async function consumeInTurn(deps: LimitDeps, caller: Limited, act: Act): Promise<ConsumedGuess> {
  const { rateLimits } = deps;
  const tryId = undecided(newId());
  const all = limitsOfAct(deps, caller, act);
  const tooLateAt = performance.now() + turnMs;
  let taken = await rateLimits.consumeAll(all, tryId);
  while (!taken.state.allowed && performance.now() < tooLateAt) {
    const refusing = all.find(({ limit }) => limit.name === taken.state.limit);
    if (refusing === undefined || !(await rateLimits.hasUndecided(refusing))) {
      // an attempt may have been decided in between
      taken = await rateLimits.consumeAll(all, tryId);
      break;
    }
    await wait(turnStepMs);
    taken = await rateLimits.consumeAll(all, tryId);
  }
  requireAllowed(deps, caller, act, taken.state);
  const { counted } = taken;
  return {
    refund: () => rateLimits.refundAll(counted, tryId),
    settle: () => rateLimits.settleAll(counted, tryId),
  };
}

function limitsOfAct(deps: LimitDeps, { address }: Limited, { act, keys }: Act): LimitOf[] {
  return limitsOf(act, { ...keys, ...sourceOf(deps, address), all: 'all' }).map(({ name, key }) => ({
    limit: limitOf(deps, name),
    key,
  }));
}

/** @throws {Failure} rate-limited */
function requireAllowed(deps: LimitDeps, { noteLimit }: Limited, { keys, fields }: Act, state: LimitsState): void {
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
function limitOf({ config }: Pick<ApiDeps, 'config'>, name: LimitName): Limit {
  const row: LimitRow = limits[name];
  return { name, windows: config[limits[name].variable], ...(row.isGradual && { isGradual: true }) };
}
