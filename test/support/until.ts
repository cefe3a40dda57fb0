/** Waiting for events in tests. The time limit only ends runs that hang. */

/** Maximum wait, far longer than anything takes on a starved machine. */
export const hangMs = 120_000;

/** The real timers, even while a test has stopped time. */
const { setTimeout: setRealTimeout, clearTimeout: clearRealTimeout } = globalThis;

/** Polls until the condition is true; a condition that throws is polled again. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(async () => (await isSo()) || undefined);
}

/**
 * Polls until `ask` returns something other than undefined, and resolves with it.
 *
 * @throws {Error} that does not happen within `hangMs`; contains the source of `ask` and its last error
 */
export async function eventually<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  let cause: unknown;
  for (const deadline = performance.now() + hangMs; ; ) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (err) {
      cause = err;
    }
    if (performance.now() > deadline) throw new Error(`Condition not met within ${hangMs} ms: ${ask}`, { cause });
    await new Promise((resolve) => setRealTimeout(resolve, 20));
  }
}

/**
 * Returns what a promise resolves with.
 *
 * @param what names it in the error
 * @throws {Error} that does not happen within `hangMs`
 */
export async function unlessHung<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setRealTimeout(() => late.reject(new Error(`Nothing came within ${hangMs} ms: ${what}`)), hangMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearRealTimeout(timer);
  }
}
