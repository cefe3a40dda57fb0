/** The lifecycle of a process. It ends by closing what it opened, in reverse order, never by calling `process.exit`. */
import { flushCompileCache } from 'node:module';
import timers from 'node:timers/promises';
import { Failure } from '../domain/failures.ts';
import { notedOutage } from './outages.ts';

/** Resolves to the name of the first SIGTERM or SIGINT. */
export function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

/**
 * Drops permissions that only the start of a process needs: scopes of the permission model, and reads of single files.
 * Code stays readable, because packages load some modules on first use. Call it when all threads are running.
 * https://nodejs.org/api/permissions.html
 */
export function dropPermissions(scopes: readonly string[], files: readonly string[]): void {
  // Node otherwise writes the compile cache at exit, without the permission; does nothing without a cache
  flushCompileCache();
  const permission = process.permission as { drop?: (scope: string, reference?: string) => void } | undefined;
  for (const scope of scopes) permission?.drop?.(scope);
  for (const file of files) permission?.drop?.('fs.read', file);
}

/**
 * Runs a job repeatedly, with a pause in between, until it is disposed. A failed run is reported and does not end it.
 */
export function runEvery(ms: number, job: () => Promise<void>, onError: (err: unknown) => void): AsyncDisposable {
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

/** The health of one dependency, as seen by a process. */
export interface DependencyHealth {
  name: string;
  status: 'up' | 'down' | 'off';
  latencyMs?: number;
  /** Why it is down, in kebab-case, if its client knows. */
  reason?: string;
}

/** Timeout of a health check. */
const checkMs = 2000;

/** Checks one dependency. A check that fails or takes longer than 2 s counts as down. */
export async function checkHealth(name: string, check: () => Promise<unknown>): Promise<DependencyHealth> {
  const begin = performance.now();
  try {
    await withTimeout(check());
    return { name, status: 'up', latencyMs: Math.round(performance.now() - begin) };
  } catch (err) {
    const reason = err instanceof Failure ? err.context.reason : notedOutage(err)?.reason;
    return { name, status: 'down', ...(reason !== undefined && { reason }) };
  }
}

/** Waits for a promise for at most `ms`. @throws {Error} the rejection, or `timeout`; the job itself is not stopped */
export async function withTimeout<T>(job: Promise<T>, ms = checkMs): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error('timeout')), ms);
  try {
    return await Promise.race([job, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after `ms`, or as soon as the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // it rejects only when the signal aborts
  await timers.setTimeout(ms, undefined, { signal }).catch(() => undefined);
}

/** A monotonic clock and a way to wait. */
export interface Clock {
  /** Returns milliseconds since an arbitrary instant. */
  now(): number;
  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void>;
}

/** The clock of the process, based on `performance.now()`. */
export const processClock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** Responses whose duration must not reveal a result are sent at multiples of this time after they began. */
const stepMs = 100;

/** Waits until a multiple of 100 ms has passed since `beganAt`, to prevent timing attacks. */
export async function padResponseTime(beganAt: number, clock: Clock = processClock): Promise<void> {
  await clock.sleep(stepMs - ((clock.now() - beganAt) % stepMs));
}
