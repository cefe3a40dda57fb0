/**
 * Instants and waits that an answer tells, held against the clock of this machine in the one way that no slowness can break:
 * what is told lies between the moment before the question and the moment after the answer.
 */
import assert from 'node:assert/strict';
import { until } from './until.ts';

/** Asserts that an instant is so many seconds after some moment from another instant on until now. */
export function assertSince(instant: string, begunAt: number, seconds = 0): void {
  const from = Date.parse(instant) - seconds * 1000;
  assert.ok(from >= begunAt && from <= Date.now(), `${instant} is not ${seconds} s after the act`);
}

/** Asserts how much is left, in whole seconds, of a time that began at some moment from an instant on until now. */
export function assertLeft(left: number | string, seconds: number, begunAt: number): void {
  const least = Math.floor(seconds - (Date.now() - begunAt) / 1000);
  assert.ok(Number(left) <= seconds && Number(left) >= least, `${left} of ${seconds} s, at least ${least}`);
}

/** Asserts that an instant is not still to come. */
export function assertReached(instant: string, what = `${instant} is still to come`): void {
  assert.ok(Date.parse(instant) <= Date.now(), what);
}

/** Waits for an instant that was told: what it is told for has to be possible by then. */
export function untilInstant(instant: string): Promise<void> {
  return until(() => Date.parse(instant) <= Date.now());
}

/**
 * Does a job that has to take so long at least, and longer on a slow machine.
 *
 * @throws {Error} it was done earlier
 */
export async function takingAtLeast<T>(ms: number, job: () => Promise<T>): Promise<T> {
  const beganAt = performance.now();
  const result = await job();
  const tookMs = performance.now() - beganAt;
  // a timer may be a millisecond early
  if (tookMs < ms - 2) throw new Error(`Done after ${tookMs} ms, not ${ms}`);
  return result;
}

/** Told by a job when what is limited begins and ends. */
export interface Stopwatch {
  begin(): void;
  end(): void;
}

/**
 * Repeats a job until what it times has ended within a limit of the product, which may cut what takes longer: on a machine
 * that stood still for so long it was right to, and what came of it says nothing. Answers what the job came to.
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
