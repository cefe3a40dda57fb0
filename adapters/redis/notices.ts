/**
 * Notices on their way: `notice:{id}` HASH, how far each is with the providers that may have it.
 *
 * Consistency: the order of providers is decided once, whoever repeats it. Away: fails closed.
 */
import type { Redis } from './connect.ts';
import { type Hop, hopsIn, openHops } from './hops.ts';

export type Notices = ReturnType<typeof createNotices>;

/** How long a notice is remembered: beyond the longest stay for a provider. */
const lifeSeconds = 4 * 86_400;

/** Creates the store of notices. */
export function createNotices(redis: Redis) {
  return {
    /** Begins a notice, with an order of providers if it has none yet. Safe to repeat: keyed by its id. */
    async start(id: string, providers: readonly string[]): Promise<{ hops: Hop[]; isSent: boolean }> {
      const key = keyOf(id);
      await redis
        .multi()
        .hsetnx(key, 'hops', JSON.stringify(openHops(providers)))
        .expire(key, lifeSeconds)
        .exec();
      const { hops, sent } = await redis.hgetall(key);
      return { hops: hopsIn(hops), isSent: sent !== undefined };
    },

    /** Notes how far a notice is on its way. */
    async noteHops(id: string, hops: readonly Hop[]): Promise<void> {
      await redis.hset(keyOf(id), 'hops', JSON.stringify(hops));
    },

    /** Records that a provider has a notice. Safe to repeat. */
    async sent(id: string): Promise<void> {
      await redis.hset(keyOf(id), 'sent', '1');
    },
  };
}

function keyOf(id: string): string {
  return `notice:{${id}}`;
}
