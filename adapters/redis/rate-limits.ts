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

export type RateLimits = ReturnType<typeof createRateLimits>;

/** Creates the limiter. */
export function createRateLimits(redis: Redis) {
  const script = loadScript(redis, 'rate-limit');
  const keyOf = (limit: Limit, key: string) => `ratelimit:{${key}}:${limit.name}`;

  /** Takes one try of `key` if there is one. One atomic step, so parallel tries never exceed the limit. */
  async function take(limit: Limit, key: string, tryId: string, now: number): Promise<LimitState> {
    const windows = limit.windows.flatMap(({ max, windowSeconds }) => [max, windowSeconds * 1000]);
    const [allowed, ...counted] = (await script([keyOf(limit, key)], [now, tryId, ...windows])) as [
      number,
      ...unknown[],
    ];
    const states = limit.windows.map(({ max, windowSeconds }, index) => ({
      allowed: allowed === 1,
      max,
      remaining: Math.max(0, max - Number(counted[2 * index])),
      resetSeconds: Math.max(1, Math.ceil((Number(counted[2 * index + 1]) - now) / 1000 + windowSeconds)),
    }));
    return states.reduce(tighter);
  }

  /** Gives a try back, for one that turned out not to count. */
  async function giveBack(limit: Limit, key: string, tryId: string): Promise<void> {
    await redis.zrem(keyOf(limit, key), tryId);
  }

  return {
    take,
    giveBack,

    /**
     * Takes a try of several limits, one after the other, up to the first that refuses; then all of them are given back,
     * so that a refused try costs nothing anywhere.
     */
    async takeAll(of: readonly { limit: Limit; key: string }[], tryId: string, now: number): Promise<LimitsState> {
      const states: LimitsState[] = [];
      for (const { limit, key } of of) {
        const state = { ...(await take(limit, key, tryId, now)), limit: limit.name };
        if (!state.allowed) {
          await Promise.all(of.slice(0, states.length).map((known) => giveBack(known.limit, known.key, tryId)));
          return state;
        }
        states.push(state);
      }
      return states.reduce(tighter);
    },

    /** Gives a try of several limits back. */
    async giveAllBack(of: readonly { limit: Limit; key: string }[], tryId: string): Promise<void> {
      await Promise.all(of.map(({ limit, key }) => giveBack(limit, key, tryId)));
    },

    /** Forgets all that was counted for a key. */
    async clear(limit: Limit, key: string): Promise<void> {
      await redis.del(keyOf(limit, key));
    },
  };
}

function tighter<S extends LimitState>(one: S, other: S): S {
  if (one.remaining !== other.remaining) return one.remaining < other.remaining ? one : other;
  return one.resetSeconds >= other.resetSeconds ? one : other;
}
