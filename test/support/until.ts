/** Waiting in tests: for an event, as long as it takes. The limits here end a run that hangs; they judge nothing. */

/** Longest wait for something that is going to happen, far beyond what it takes on a starved machine. */
export const hangMs = 120_000;

/** The real timer, also while a test has stopped the time of its process. */
const { setTimeout: setRealTimeout } = globalThis;

/** Resolves when something is so, asked again and again; a question that throws is asked again. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(async () => (await isSo()) || undefined);
}

/**
 * Resolves with the first answer that is not undefined.
 *
 * @throws {Error} there is none before `hangMs`; names the question, and what it threw last
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
    if (performance.now() > deadline) throw new Error(`Not so within ${hangMs} ms: ${ask}`, { cause });
    await new Promise((resolve) => setRealTimeout(resolve, 20));
  }
}
