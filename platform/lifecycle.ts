/** The life of a process: it ends by closing what it opened, in reverse order, never by exiting. */

/** Resolves at the first SIGTERM or SIGINT. */
export function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

/**
 * Gives up everything of a permission that the rest of the process's life does not need.
 * Call it when all modules are loaded and all threads run.
 * https://nodejs.org/api/permissions.html
 */
export function dropPermissions(scopes: readonly string[]): void {
  const permission = process.permission as { drop?: (scope: string) => void } | undefined;
  for (const scope of scopes) permission?.drop?.(scope);
}

/** Runs a job again and again with a pause between, until it is stopped; a failing run is reported and not the last. */
export function every(ms: number, job: () => Promise<void>, onError: (err: unknown) => void): AsyncDisposable {
  const stopped = new AbortController();
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await job().catch(onError);
      await pause(ms, stopped.signal);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await loop;
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
