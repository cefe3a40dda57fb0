/**
 * Limits: `ratelimit:{key}:{name}` ZSET, the instants of what was counted. One script a key: limits of different keys may
 * be on different nodes of a Redis Cluster. Away: what is asked here throws, and whoever asks decides; domain/limits.ts
 * says for each limit whether it fails open or closed.
 */
import type { Window } from '../../domain/limits.ts';
import { loadScript, type Redis } from './connect.ts';

/** A bound on how often something may happen. */
export interface Limit {
  /** The name a refused caller is told. */
  name: string;
  /** All of them hold. */
  windows: readonly Window[];
}

/** Where a caller stands with a limit: with that of its windows that is nearest to refusing, or refuses longest. */
export interface LimitState {
  allowed: boolean;
  max: number;
  remaining: number;
  /** Seconds until a try leaves the window; of a refusal, until the next is possible. */
  resetSeconds: number;
}

/** Where a caller stands with several limits: with the one that refuses, or the one that is nearest to it. */
export interface LimitsState extends LimitState {
  limit: string;
}

/** A limit and whose it is. */
export interface LimitOf {
  limit: Limit;
  key: string;
}

export type RateLimits = ReturnType<typeof createRateLimits>;

/** Creates the limiter. */
export function createRateLimits(redis: Redis) {
  const one = createTaking(redis);

  /** Gives a try of several limits back. */
  async function refundAll(of: readonly LimitOf[], tryId: string): Promise<void> {
    await Promise.all(of.map(({ limit, key }) => one.refund(limit, key, tryId)));
  }

  return {
    ...one,

    /**
     * Takes a try of several limits, one after the other, up to the first that refuses; then all of them are given back,
     * so that a refused try costs nothing anywhere. `counted` are those to give back when it turns out not to count: not
     * those that counted the same try before.
     */
    async consumeAll(
      of: readonly LimitOf[],
      tryId: string,
      now: number,
    ): Promise<{ state: LimitsState; counted: LimitOf[] }> {
      const counted: LimitOf[] = [];
      const states: LimitsState[] = [];
      for (const single of of) {
        const { state, taken } = await one.consumeSome(single, tryId, now);
        if (taken > 0) counted.push(single);
        states.push({ ...state, limit: single.limit.name });
        if (state.allowed) continue;
        await refundAll(counted, tryId);
        return { state: { ...state, limit: single.limit.name }, counted: [] };
      }
      return { state: states.reduce(tighter), counted };
    },

    refundAll,

    /** Tells whether a key has used up every window of a limit. */
    isUsedUp: (limit: Limit, key: string, now: number) => isUsedUp(redis, { limit, key }, now),

    /** Forgets all that was counted for a key. */
    async clear(limit: Limit, key: string): Promise<void> {
      await redis.del(keyOf(limit, key));
    },
  };
}

/** What is done with one limit. */
function createTaking(redis: Redis) {
  const script = loadScript(redis, 'rate-limit');

  /** Takes one try of `key` if there is one. One atomic step, so parallel tries never exceed the limit. */
  async function consume(limit: Limit, key: string, tryId: string, now: number): Promise<LimitState> {
    return (await consumeSome({ limit, key }, tryId, now)).state;
  }

  /**
   * As `take`, up to `most` tries at once, to be used within `usableMs`: their instant is its end, so that no window holds
   * more than its limit whenever they are used. Says how many were taken now: none when the try was counted before.
   */
  async function consumeSome(
    { limit, key }: LimitOf,
    tryId: string,
    now: number,
    { most, usableMs } = { most: 1, usableMs: 0 },
  ): Promise<{ state: LimitState; taken: number }> {
    const windows = limit.windows.flatMap(({ max, windowSeconds }) => [max, windowSeconds * 1000]);
    const [allowed, taken, ...counted] = (await script(
      [keyOf(limit, key)],
      [now, tryId, most, usableMs, ...windows],
    )) as [number, number, ...unknown[]];
    const states = limit.windows.map(({ max, windowSeconds }, index) => ({
      allowed: allowed !== 0,
      max,
      remaining: Math.max(0, max - Number(counted[2 * index])),
      resetSeconds: Math.max(1, Math.ceil((Number(counted[2 * index + 1]) - now) / 1000 + windowSeconds)),
    }));
    return { state: states.reduce(tighter), taken };
  }

  /** Gives a try back, for one that turned out not to count. */
  async function refund(limit: Limit, key: string, tryId: string): Promise<void> {
    await redis.zrem(keyOf(limit, key), tryId);
  }

  /** Gives back what was not used of the tries that were taken at once. Safe to repeat. */
  async function refundRest(
    { limit, key }: LimitOf,
    tryId: string,
    { used, taken }: { used: number; taken: number },
  ): Promise<void> {
    const names = Array.from({ length: taken - used }, (_, index) => `${tryId}:${used + index + 1}`);
    await redis.zrem(keyOf(limit, key), ...names);
  }

  return { consume, consumeSome, refund, refundRest };
}

async function isUsedUp(redis: Redis, { limit, key }: LimitOf, now: number): Promise<boolean> {
  const used = await Promise.all(
    limit.windows.map(({ windowSeconds }) => redis.zcount(keyOf(limit, key), `(${now - windowSeconds * 1000}`, '+inf')),
  );
  return limit.windows.every(({ max }, index) => (used[index] ?? 0) >= max);
}

function keyOf(limit: Limit, key: string): string {
  return `ratelimit:{${key}}:${limit.name}`;
}

function tighter<S extends LimitState>(one: S, other: S): S {
  if (one.remaining !== other.remaining) return one.remaining < other.remaining ? one : other;
  return one.resetSeconds >= other.resetSeconds ? one : other;
}
