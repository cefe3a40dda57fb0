/**
 * Notifications in delivery: `notification:{id}` HASH with the delivery attempts of each.
 *
 * Consistency: the order of providers is stored once; repeats use the stored one.
 * When Redis is unavailable: fails closed.
 */
import type { Redis } from './connect.ts';
import { type DeliveryAttempt, openAttempts, readAttempts } from './delivery-attempts.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of notifications. */
export type Notifications = ReturnType<typeof createNotifications>;

/** How long a notification is stored: longer than the longest wait for a provider. */
const lifeSeconds = keyFamilies.notification.life.seconds;

/** Creates the store of notifications. */
export function createNotifications(redis: Redis) {
  return {
    /** Starts a notification with an order of providers, unless it has one already. Safe to repeat: keyed by its id. */
    async start(id: string, providers: readonly string[]): Promise<{ attempts: DeliveryAttempt[]; isSent: boolean }> {
      const key = keys.notification({ notificationId: id });
      await redis
        .multi()
        .hsetnx(key, 'attempts', JSON.stringify(openAttempts(providers)))
        .expire(key, lifeSeconds)
        .exec();
      const { attempts, sent } = await redis.hgetall(key);
      return { attempts: readAttempts(attempts), isSent: sent !== undefined };
    },

    /** Stores the delivery attempts of a notification. */
    async recordAttempts(id: string, attempts: readonly DeliveryAttempt[]): Promise<void> {
      await redis.hset(keys.notification({ notificationId: id }), 'attempts', JSON.stringify(attempts));
    },

    /** Records that a provider has a notification. Safe to repeat. */
    async sent(id: string): Promise<void> {
      await redis.hset(keys.notification({ notificationId: id }), 'sent', '1');
    },
  };
}
