/** The limits of codes: sends, by what they cost and by what they may annoy, and checks, by what can be guessed. */
import type { Limit, LimitOf, LimitState, LimitsState } from '../../adapters/redis/rate-limits.ts';
import type { LimitKeys } from '../../domain/identity.ts';
import { keysOfChannels, limitsOf } from '../../domain/limits.ts';
import type { Channel } from '../../domain/verification.ts';
import type { ApiDeps } from '../deps.ts';
import {
  type Consumed,
  consume,
  type LimitDeps,
  type Limited,
  limited,
  limitOf,
  orRefund,
  sourceOf,
} from './counting.ts';

/** The dependencies of the limits of sends, which include their cost. */
export type SendLimitDeps = LimitDeps & Pick<ApiDeps, 'smsBudget'>;

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
