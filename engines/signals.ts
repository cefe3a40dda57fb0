/** Turns Ctrl-C and similar signals into one request to stop. */

/** Copies of one Ctrl-C (terminal, npm and setup.mjs each send it) arrive within this time. */
const copiesMs = 1000;

/** The request to stop a program. */
export interface StopRequest {
  /** Resolves with the signal's name at the first SIGINT, SIGTERM or SIGHUP. */
  readonly requested: Promise<NodeJS.Signals>;
  /** Resolves at a second request, a second or more later: stop at once. */
  readonly insisted: Promise<void>;
}

/** Listens for SIGINT, SIGTERM and SIGHUP from now on; these signals then no longer end the process on their own. */
export function listenForStop(): StopRequest {
  const requested = Promise.withResolvers<NodeJS.Signals>();
  const insisted = Promise.withResolvers<void>();
  let firstAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      firstAt ??= Date.now();
      requested.resolve(signal);
      if (Date.now() - firstAt > copiesMs) insisted.resolve();
    });
  }
  return { requested: requested.promise, insisted: insisted.promise };
}
