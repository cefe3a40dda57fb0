/**
 * Notifications on their way: `notification:{id}` HASH, how far each is with the providers that may have it.
 *
 * Consistency: the order of providers is decided once, whoever repeats it. Away: fails closed.
 */
import type { Redis } from './connect.ts';
import { type DeliveryAttempt, openAttempts, readAttempts } from './delivery-attempts.ts';

export type Notifications = ReturnType<typeof createNotifications>;

/** How long a notification is remembered: beyond the longest stay for a provider. */
const lifeSeconds = 4 * 86_400;

/** Creates the store of notifications. */
export function createNotifications(redis: Redis) {
  return {
    /** Begins a notification, with an order of providers if it has none yet. Safe to repeat: keyed by its id. */
    async start(id: string, providers: readonly string[]): Promise<{ attempts: DeliveryAttempt[]; isSent: boolean }> {
      const key = keyOf(id);
      await redis
        .multi()
        .hsetnx(key, 'attempts', JSON.stringify(openAttempts(providers)))
        .expire(key, lifeSeconds)
        .exec();
      const { attempts, sent } = await redis.hgetall(key);
      return { attempts: readAttempts(attempts), isSent: sent !== undefined };
    },

    /** Notes how far a notification is on its way. */
    async recordAttempts(id: string, attempts: readonly DeliveryAttempt[]): Promise<void> {
      await redis.hset(keyOf(id), 'attempts', JSON.stringify(attempts));
    },

    /** Records that a provider has a notification. Safe to repeat. */
    async sent(id: string): Promise<void> {
      await redis.hset(keyOf(id), 'sent', '1');
    },
  };
}

function keyOf(id: string): string {
  return `notification:{${id}}`;
}
