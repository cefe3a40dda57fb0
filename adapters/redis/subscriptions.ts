/**
 * Subscriptions of a process to channels.
 *
 * Publications are not stored: one that is made while the connection is lost does not arrive. `onConnect` tells that
 * this may have happened. Every channel is subscribed again on a new connection.
 */
import type { Redis } from './connect.ts';
import { isRedisOutage } from './outages.ts';

/** The subscriptions of a process. */
export type Subscriptions = ReturnType<typeof createSubscriptions>;

/** Creates the subscriptions on a connection of their own. */
export function createSubscriptions(subscriber: Redis) {
  const receivers = new Map<string, (payload: string) => void>();
  subscriber.on('message', (channel: string, payload: string) => receivers.get(channel)?.(payload));

  return {
    /**
     * Calls `receive` with each publication in a channel from now on, instead of an earlier one. While Redis is unavailable,
     * the subscription is made at the next connection.
     */
    async subscribe(channel: string, receive: (payload: string) => void): Promise<void> {
      receivers.set(channel, receive);
      await subscriber.subscribe(channel).catch(ignoreOutage);
    },

    /** Ends a subscription. */
    async unsubscribe(channel: string): Promise<void> {
      receivers.delete(channel);
      await subscriber.unsubscribe(channel).catch(ignoreOutage);
    },

    /** Calls `react` each time when there is a new connection and every channel is subscribed on it. */
    onConnect(react: () => void): void {
      subscriber.on('ready', () => {
        const channels = [...receivers.keys()];
        // answered after what the connection subscribes by itself
        const subscribed = channels.length === 0 ? Promise.resolve() : subscriber.subscribe(...channels);
        void subscribed.then(react, () => undefined);
      });
    },
  };
}

/** What is missed meanwhile is made up for at the next connection. */
function ignoreOutage(err: unknown): void {
  if (!isRedisOutage(err)) throw err;
}
