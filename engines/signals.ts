/** Ctrl-C and its relatives, as one request to stop. */

/** Copies of one Ctrl-C (terminal, npm and setup.mjs each deliver it) arrive within this time. */
const copiesMs = 1000;

/** The request to stop that a program got. */
export interface StopRequest {
  /** Settles with the signal's name when SIGINT, SIGTERM or SIGHUP comes. */
  readonly requested: Promise<NodeJS.Signals>;
  /** Settles when the person asks again, a second or more later: stop at once. */
  readonly insisted: Promise<void>;
}

/** Listens for SIGINT, SIGTERM and SIGHUP from now on; the process no longer ends by itself on them. */
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
