/**
 * Limits: `ratelimit:{key}:{action}` ZSET, a sliding window. Every limit here guards a secret and fails closed: with Redis
 * away nothing is tried.
 */
import { loadScript, type Redis } from './connect.ts';

/** A bound on how often something may happen. */
export interface Limit {
  /** The name a refused caller is told. */
  name: string;
  max: number;
  windowSeconds: number;
}

/** Where a caller stands with a limit. */
export interface LimitState {
  allowed: boolean;
  remaining: number;
  /** Seconds until the oldest counted try leaves the window. */
  resetSeconds: number;
}

export type RateLimits = ReturnType<typeof createRateLimits>;

/** Creates the limiter. */
export function createRateLimits(redis: Redis) {
  const take = loadScript(redis, 'rate-limit');
  const keyOf = (limit: Limit, key: string) => `ratelimit:{${key}}:${limit.name}`;
  return {
    /** Takes one try of `key` if there is one. One atomic step, so parallel tries never exceed the limit. */
    async take(limit: Limit, key: string, tryId: string, now: number): Promise<LimitState> {
      const windowMs = limit.windowSeconds * 1000;
      const reply = await take([keyOf(limit, key)], [now, windowMs, limit.max, tryId]);
      const [allowed, used, oldest] = reply as [number, number, string];
      return {
        allowed: allowed === 1,
        remaining: Math.max(0, limit.max - used),
        resetSeconds: Math.max(1, Math.ceil((Number(oldest) + windowMs - now) / 1000)),
      };
    },

    /** Gives a try back, for one that turned out not to count. */
    async giveBack(limit: Limit, key: string, tryId: string): Promise<void> {
      await redis.zrem(keyOf(limit, key), tryId);
    },
  };
}
