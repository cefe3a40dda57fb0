/** The end of a client: it ends what waits, so that nothing is left behind. */
import { VyryError } from './errors.ts';

/** Tells everything in a client that it was closed. */
export interface Closing {
  /** Its reason is the error CLOSED. */
  signal: AbortSignal;
  /**
   * Resolves after a time, or as soon as `early` is aborted.
   *
   * @throws {VyryError} CLOSED, at once when the client is closed
   */
  delay(ms: number, early?: AbortSignal): Promise<void>;
  close(): void;
}

/** Creates the end of a client. */
export function createClosing(): Closing {
  const controller = new AbortController();
  const { signal } = controller;
  return {
    signal,
    close: () => controller.abort(new VyryError('CLOSED', 'The client was closed')),
    delay: (ms, early) =>
      new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          early?.removeEventListener('abort', end);
          if (signal.aborted) reject(signal.reason);
          else resolve();
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener('abort', end);
        early?.addEventListener('abort', end);
        if (signal.aborted || early?.aborted) end();
      }),
  };
}
