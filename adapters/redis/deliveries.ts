/**
 * Deliveries: `delivery:{subject}:kind` HASH, by send number the attempts to deliver the message. It contains no
 * recipient and no text.
 *
 * Consistency: the order of providers is stored once; repeats use the stored one. Only one activity at a time delivers a
 * message. Every write renews the lifetime. When Redis is unavailable: fails closed.
 */
import type { DeliveryAttempt, DeliveryId } from '../../domain/providers.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of deliveries. */
export type Deliveries = ReturnType<typeof createDeliveries>;

/** How long a delivery is stored: longer than the longest wait for a provider. */
const lifeSeconds = keyFamilies.delivery.life.seconds;

/** Creates the store of deliveries. */
export function createDeliveries(redis: Redis) {
  return {
    /**
     * Starts a delivery with providers in failover order, and returns its attempts. A repeat returns the stored ones.
     */
    async start(id: DeliveryId, providers: readonly string[]): Promise<DeliveryAttempt[]> {
      const [key, field] = [keys.delivery(id), String(id.send)];
      const opened: DeliveryAttempt[] = providers.map((provider) => ({ provider, state: 'open' }));
      await redis.multi().hsetnx(key, field, JSON.stringify(opened)).expire(key, lifeSeconds).exec();
      return attemptsIn(await redis.hget(key, field));
    },

    /** Stores the attempts of a delivery: before a provider is called, and after each result. */
    async record(id: DeliveryId, attempts: readonly DeliveryAttempt[]): Promise<void> {
      const key = keys.delivery(id);
      const replies = await redis
        .multi()
        .hset(key, String(id.send), JSON.stringify(attempts))
        .expire(key, lifeSeconds)
        .exec();
      for (const [err] of replies ?? []) if (err) throw err;
    },

    /** Returns the providers that failed in any send of a subject. */
    async failedProviders(of: Omit<DeliveryId, 'send'>): Promise<Set<string>> {
      const attempts = Object.values(await redis.hgetall(keys.delivery(of))).flatMap(attemptsIn);
      return new Set(
        attempts.filter(({ state }) => state === 'failed' || state === 'unknown').map(({ provider }) => provider),
      );
    },
  };
}

function attemptsIn(stored: string | null): DeliveryAttempt[] {
  return JSON.parse(stored ?? '[]') as DeliveryAttempt[];
}
