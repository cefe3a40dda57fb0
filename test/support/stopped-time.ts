/** Stops time in this process until a test lets it pass; I/O continues. */
import { mock } from 'node:test';
import { setImmediate as otherWork } from 'node:timers/promises';

const { clearTimeout: clearReal } = globalThis;

/** A clock that a test moves. Disposal restores real time; timers that are still pending never fire. */
export interface StoppedTime extends Disposable {
  /** Advances time at once: fires the timers on the way, and resolves when the code waiting for them has continued. */
  pass(ms: number): Promise<void>;
}

/**
 * Stops timers that are started from now on, or the given APIs. `until` and `eventually` still use real time.
 *
 * @param options.aheadMs how far the stopped clock is ahead of the real one; negative: behind it
 */
export function stopTime(
  apis: ('setTimeout' | 'Date')[] = ['setTimeout'],
  { aheadMs = 0 }: { aheadMs?: number } = {},
): StoppedTime {
  mock.timers.enable({ apis, now: Date.now() + aheadMs });
  const { clearTimeout: clearStopped } = globalThis;
  // the mock clears only its own timers: a timer started earlier, such as that of a keep-alive connection, would fire
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
