/**
 * Subscriptions of a process to channels.
 *
 * Publications are not stored: one that is made while the connection is lost does not arrive. `onReconnect` tells that
 * this may have happened. The connection subscribes again by itself.
 */
import type { Redis } from './connect.ts';

/** The subscriptions of a process. */
export type Subscriptions = ReturnType<typeof createSubscriptions>;

/** Creates the subscriptions on a connection of their own. */
export function createSubscriptions(subscriber: Redis) {
  const receivers = new Map<string, (payload: string) => void>();
  subscriber.on('message', (channel: string, payload: string) => receivers.get(channel)?.(payload));

  return {
    /**
     * Calls `receive` with each publication in a channel from now on, instead of an earlier one. While Redis is
     * unavailable it rejects; the subscription is then made at the next connection.
     */
    async subscribe(channel: string, receive: (payload: string) => void): Promise<void> {
      receivers.set(channel, receive);
      await subscriber.subscribe(channel);
    },

    /** Ends a subscription. */
    async unsubscribe(channel: string): Promise<void> {
      receivers.delete(channel);
      await subscriber.unsubscribe(channel);
    },

    /** Calls `react` each time when the connection was lost and every channel is subscribed again. */
    onReconnect(react: () => void): void {
      let isFirst = subscriber.status !== 'ready';
      subscriber.on('ready', () => {
        if (isFirst) {
          isFirst = false;
          return;
        }
        const channels = [...receivers.keys()];
        // answered after those that the connection sends by itself
        void (channels.length === 0 ? Promise.resolve() : subscriber.subscribe(...channels)).then(
          react,
          () => undefined,
        );
      });
    },
  };
}
