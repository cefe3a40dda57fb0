/** The limits of registrations, log-ins, passwords, PINs and recoveries. */

import { setTimeout as wait } from 'node:timers/promises';
import { type Limit, undecided } from '../../adapters/redis/rate-limits.ts';
import { directoryNameKey } from '../../domain/directory.ts';
import { directoryTries } from '../../domain/limits.ts';
import { keyedHash, newId } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import {
  type Act,
  andConsume,
  type Consumed,
  consume,
  type LimitDeps,
  type Limited,
  limited,
  limitOf,
  limitsOfAct,
  requireAllowed,
} from './counting.ts';

/** The dependencies of the limit of directory names. */
export type DirectoryLimitDeps = Pick<ApiDeps, 'config' | 'hashKey' | 'rateLimits'>;

/** A typed secret, counted as wrong until its result is known. Either `refund` or `settle` ends it. */
export interface ConsumedGuess extends Consumed {
  /** Records that the secret was wrong. Safe to repeat. */
  settle(): Promise<void>;
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
