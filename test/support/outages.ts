/** What tests of unavailable dependencies share. */
import assert from 'node:assert/strict';
import type { Engine, EngineProcess } from '../../engines/engine.ts';
import type { Answer } from './client.ts';
import type { Journey } from './journey.ts';

/** The process of an engine that the test started. */
export function processOf(engine: Engine | undefined): EngineProcess {
  if (engine?.process === undefined) throw new Error('This engine was not started by the test');
  return engine.process;
}

/** The registration of a journey that has started. */
export function registrationOf(journey: Journey): NonNullable<Journey['registration']> {
  if (journey.registration === undefined) throw new Error('Not started');
  return journey.registration;
}

/** Reads the status of a registration. */
export async function statusOf(journey: Journey): Promise<Answer['body']> {
  const answer = await registrationOf(journey).call('GET', '');
  assert.equal(answer.status, 200);
  return answer.body;
}

/** Asserts a 503 that says when to retry. */
export function assertUnavailable(answer: Answer): void {
  assert.equal(answer.status, 503, JSON.stringify(answer.body));
  assert.equal(answer.body.error_code, 'UNAVAILABLE');
  assert.equal(answer.headers.get('retry-after'), String(answer.body.retry_after_seconds));
}

/** Asserts that a registration waits for a dependency, and which step of it. */
export async function assertWaits(journey: Journey, waitingFor: string, step?: string): Promise<void> {
  const status = await statusOf(journey);
  assert.equal(status.state, 'waiting');
  assert.equal(status.waitingFor, waitingFor);
  const waiting = status.steps.filter((known: { status: string }) => known.status === 'waiting');
  const expected = step === undefined ? [] : [{ name: step, status: 'waiting', reason: `${waitingFor}-unavailable` }];
  assert.deepEqual(waiting, expected);
}
