/**
 * Waiting for changes: each change of a record is published in the channel of its key. Publications are not stored, so a
 * reader listens first and reads the record afterwards.
 */
import { outsideBudget } from '../../platform/budget.ts';
import type { Redis } from './connect.ts';

/** A subscription to the changes of one key. */
export interface Listening extends AsyncDisposable {
  /** Resolves to true at the first change since the last call, or to false at the timeout. Outside the budget of a request. */
  changed(): Promise<boolean>;
}

/** Listens to the changes of keys. */
export type ChangeListener = ReturnType<typeof createChangeListener>;

/** Creates the listener for changes. It needs its own connection. */
export function createChangeListener(subscriber: Redis) {
  const waiting = new Map<string, Set<() => void>>();
  subscriber.on('message', (channel: string) => {
    for (const wake of waiting.get(channel) ?? []) wake();
  });

  return {
    /** Subscribes to the changes of a key for at most `timeoutMs`. Read it afterwards, so that no change is missed. */
    async listen(channel: string, timeoutMs: number): Promise<Listening> {
      const deadline = Date.now() + timeoutMs;
      let announced = Promise.withResolvers<boolean>();
      const wake = () => announced.resolve(true);
      const wakes = waiting.get(channel) ?? new Set();
      waiting.set(channel, wakes.add(wake));
      await subscriber.subscribe(channel);
      return {
        async changed() {
          const timer = setTimeout(() => announced.resolve(false), Math.max(0, deadline - Date.now()));
          const isNew = await outsideBudget(() => announced.promise);
          clearTimeout(timer);
          announced = Promise.withResolvers<boolean>();
          return isNew;
        },
        async [Symbol.asyncDispose]() {
          wakes.delete(wake);
          if (wakes.size > 0 || waiting.get(channel) !== wakes) return;
          waiting.delete(channel);
          await subscriber.unsubscribe(channel);
        },
      };
    },
  };
}
