/**
 * Asserts instants and waits in responses against the clock of this machine so that slowness cannot fail a test: the
 * value must lie between the moment before the request and the moment after the response.
 */
import assert from 'node:assert/strict';
import { until } from './until.ts';

/** Asserts that an instant is `seconds` after some moment between `begunAt` and now. */
export function assertSince(instant: string, begunAt: number, seconds = 0): void {
  const from = Date.parse(instant) - seconds * 1000;
  assert.ok(from >= begunAt && from <= Date.now(), `${instant} is not ${seconds} s after the act`);
}

/** Asserts the rest, in whole seconds, of a period that began between `begunAt` and now. */
export function assertLeft(left: number | string, seconds: number, begunAt: number): void {
  const least = Math.floor(seconds - (Date.now() - begunAt) / 1000);
  assert.ok(Number(left) <= seconds && Number(left) >= least, `${left} of ${seconds} s, at least ${least}`);
}

/** Asserts that an instant is not in the future. */
export function assertReached(instant: string, what = `${instant} is still to come`): void {
  assert.ok(Date.parse(instant) <= Date.now(), what);
}

/** Waits until an announced instant. */
export function untilInstant(instant: string): Promise<void> {
  return until(() => Date.parse(instant) <= Date.now());
}

/**
 * Runs a job that must take at least `ms`; it may take longer on a slow machine.
 *
 * @throws {Error} it took less
 */
export async function takingAtLeast<T>(ms: number, job: () => Promise<T>): Promise<T> {
  const beganAt = performance.now();
  const result = await job();
  const tookMs = performance.now() - beganAt;
  // a timer may fire a millisecond early
  if (tookMs < ms - 2) throw new Error(`Took ${tookMs} ms, less than ${ms} ms`);
  return result;
}

/** Called by a job when the limited part begins and ends. */
export interface Stopwatch {
  /** Marks the begin. */
  begin(): void;
  /** Marks the end. */
  end(): void;
}

/**
 * Repeats a job until the part it times ends within a limit of the product. The product may cut off whatever takes
 * longer, so the result of a longer run on a starved machine proves nothing. Returns the result of the job.
 */
export async function unlessCut<T>(limitMs: number, job: (stopwatch: Stopwatch) => Promise<T>): Promise<T> {
  for (;;) {
    let [beganAt, endedAt] = [0, Number.POSITIVE_INFINITY];
    const result = await job({
      begin: () => {
        beganAt = performance.now();
      },
      end: () => {
        endedAt = performance.now();
      },
    });
    if (endedAt - beganAt < limitMs) return result;
  }
}
