/** The life of a process: it ends by closing what it opened, in reverse order, never by exiting. */
import { flushCompileCache } from 'node:module';

/** Resolves at the first SIGTERM or SIGINT. */
export function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

/**
 * Gives up what only the start of a process needed: scopes of the permission model, and reads of single files. Code stays
 * readable, since packages load parts of themselves when they first need them. Call it when all threads run.
 * https://nodejs.org/api/permissions.html
 */
export function dropPermissions(scopes: readonly string[], files: readonly string[]): void {
  // the cache is written at the exit otherwise, when it may not be any more; does nothing without one
  flushCompileCache();
  const permission = process.permission as { drop?: (scope: string, reference?: string) => void } | undefined;
  for (const scope of scopes) permission?.drop?.(scope);
  for (const file of files) permission?.drop?.('fs.read', file);
}

/** Runs a job again and again with a pause between, until it is stopped; a failing run is reported and not the last. */
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

/** One dependency as a process sees it. */
export interface DependencyHealth {
  name: string;
  status: 'up' | 'down' | 'off';
  latencyMs?: number;
}

/** Longest a dependency may take to answer whether it is there. */
const checkMs = 2000;

/** Examines one dependency; a check that takes longer than 2 s counts as down. */
export async function checkHealth(name: string, check: () => Promise<unknown>): Promise<DependencyHealth> {
  const begin = performance.now();
  try {
    await withTimeout(check());
    return { name, status: 'up', latencyMs: Math.round(performance.now() - begin) };
  } catch {
    return { name, status: 'down' };
  }
}

/** What a promise comes to within a time. @throws {Error} what it rejects with, or `timeout`; it goes on unheard */
export async function withTimeout<T>(job: Promise<T>, ms = checkMs): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error('timeout')), ms);
  try {
    return await Promise.race([job, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after a while, or at once when the signal comes. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** The time as a process measures it, and how it waits. */
export interface Clock {
  /** Milliseconds since some instant of its own. */
  now(): number;
  /** Resolves after a while. */
  sleep(ms: number): Promise<void>;
}

/** The clock of the process; its instants are those of `performance.now()`. */
export const processClock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** Answers that must not tell by their time what was found out leave at whole steps of this, from where they began. */
const stepMs = 100;

/** Waits for the next whole tenth of a second since an instant of the clock. */
export async function padResponseTime(beganAt: number, clock: Clock = processClock): Promise<void> {
  await clock.sleep(stepMs - ((clock.now() - beganAt) % stepMs));
}
