/** The connection of a worker to Temporal, which follows its certificates and its API key. */
import { isDeepStrictEqual } from 'node:util';
import { NativeConnection, type Worker } from '@temporalio/worker';
import { nativeOptionsOf, type TemporalPlace } from '../adapters/temporal/place.ts';
import { runEvery } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';

/** How often a worker compares the files with what it connected with, in milliseconds. */
const lookMs = 5000;

/** Connects to Temporal, and retries until it succeeds. */
export async function connectWorker(place: TemporalPlace, log: Logger): Promise<NativeConnection> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2000)) {
    try {
      return await NativeConnection.connect(nativeOptionsOf(place));
    } catch (err) {
      log.warn({ event: 'temporal.away', reason: (err as Error).message });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

/**
 * Gives a worker a new connection whenever the certificates or the API key have changed, until it is disposed; the SDK reads
 * them only when it connects. The worker keeps its tasks. While the new ones do not work, it keeps its connection.
 *
 * @param everyMs how often it looks
 */
export function renewConnection(
  worker: Pick<Worker, 'connection'>,
  place: TemporalPlace,
  log: Logger,
  everyMs = lookMs,
): AsyncDisposable {
  let current = nativeOptionsOf(place);
  // the first connection belongs to the caller
  let own: NativeConnection | undefined;
  const look = async () => {
    const next = nativeOptionsOf(place);
    if (isDeepStrictEqual(next, current)) return;
    const before = own;
    own = await NativeConnection.connect(next);
    current = next;
    worker.connection = own;
    log.info({ event: 'temporal.renewed' });
    await before?.close();
  };
  if (place.tls === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const looks = runEvery(everyMs, look, (err) =>
    log.warn({ event: 'temporal.not-renewed', reason: (err as Error).message }),
  );
  return {
    async [Symbol.asyncDispose]() {
      await looks[Symbol.asyncDispose]();
      await own?.close();
    },
  };
}
