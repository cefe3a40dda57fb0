/** The end of a client: it ends what waits, so that nothing is left behind. */
import { VyryError } from './errors.ts';

/** Tells everything in a client that it was closed. */
export interface Closing {
  /** Its reason is the error CLOSED. */
  signal: AbortSignal;
  /** Resolves after a time. @throws {VyryError} CLOSED, at once when the client is closed */
  delay(ms: number): Promise<void>;
  close(): void;
}

/** Creates the end of a client. */
export function createClosing(): Closing {
  const controller = new AbortController();
  const { signal } = controller;
  return {
    signal,
    close: () => controller.abort(new VyryError('CLOSED', 'The client was closed')),
    delay: (ms) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const stop = () => {
          clearTimeout(timer);
          reject(signal.reason);
        };
        const timer = setTimeout(() => {
          signal.removeEventListener('abort', stop);
          resolve();
        }, ms);
        signal.addEventListener('abort', stop, { once: true });
      }),
  };
}
