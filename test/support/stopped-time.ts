/** Time that stands still in this process until a test lets it pass; input and output go on. */
import { mock } from 'node:test';
import { setImmediate as otherWork } from 'node:timers/promises';

const { clearTimeout: clearReal } = globalThis;

/** A time that a test moves; at disposal it goes on as everywhere, and timers that were left never end. */
export interface StoppedTime extends Disposable {
  /** Lets time pass, at once: ends the timers on the way, and resolves when what waited for them has gone on. */
  pass(ms: number): Promise<void>;
}

/**
 * Stops the time of timers that are begun from now on, or what else is named of it. `until` and `eventually` still wait by
 * the real one.
 */
export function stopTime(apis: ('setTimeout' | 'Date')[] = ['setTimeout']): StoppedTime {
  mock.timers.enable({ apis, now: Date.now() });
  const { clearTimeout: clearStopped } = globalThis;
  // the mock clears its own timers alone: one that was begun before, such as that of a connection kept open, would go off
  globalThis.clearTimeout = (timer) => {
    clearReal(timer);
    clearStopped(timer);
  };
  return {
    async pass(ms) {
      mock.timers.tick(ms);
      await otherWork();
    },
    [Symbol.dispose]() {
      mock.timers.reset();
      globalThis.clearTimeout = clearReal;
    },
  };
}
