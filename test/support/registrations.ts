/** Registrations prepared for a test, and access to the stores behind them. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { numberedPerson } from '../../engines/demo-people.ts';
import { type Processes, startProcesses } from '../../engines/processes.ts';
import type { System } from '../../engines/system.ts';
import { openApiHere } from './api.ts';
import {
  type Answer,
  codeFor,
  isNotification,
  messagesTo,
  type OutboxMessage,
  type RegistrationHandle,
  solveCaptcha,
  startRegistration,
} from './client.ts';
import { makeDevice, makeIdentity } from './device-keys.ts';
import { testBundle, testEngines } from './engines.ts';
import { patiently } from './patience.ts';
import { connectStores, type Stores } from './stores.ts';

/** A password that passes every check. */
export const goodPassword = 'correct-horse-battery-61';
/** Another one, for those who change theirs. */
export const newPassword = 'violet-harbour-engraves-93';

/** Returns the number of `person000` to `person999`. */
export function phoneOf(person: number): string {
  return `+447700900${String(person).padStart(3, '0')}`;
}

/**
 * Returns the response of a call that must have this status.
 * @throws {Error} it has another status
 */
export async function must<A extends Answer>(answering: Promise<A>, status = 200): Promise<A> {
  const answer = await answering;
  if (answer.status !== status) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return answer;
}

/** Completes the directory step as one of the numbered people. */
export async function passDirectory(registration: RegistrationHandle, person: number): Promise<Answer> {
  const { username, password } = numberedPerson(person);
  return must(patiently(() => registration.call('PUT', '/directory', { username, password })));
}

/** Solves and submits a captcha. */
export async function passCaptcha(url: string, registration: RegistrationHandle): Promise<Answer> {
  const proof = await solveCaptcha(url);
  return must(patiently(() => registration.call('PUT', '/captcha', proof)));
}

/** Starts a registration of one of the numbered people whose next step is the code. */
export async function registrationAtCode(url: string, person: number): Promise<RegistrationHandle> {
  const registration = await startRegistration(url);
  await Promise.all([passDirectory(registration, person), passCaptcha(url, registration)]);
  return registration;
}

/** Starts a registration of one of the numbered people, and returns the code that was sent. */
export async function registrationWithCode(
  { ready }: Pick<System, 'ready'>,
  person: number,
): Promise<{ registration: RegistrationHandle; code: string }> {
  const registration = await registrationAtCode(ready.apiUrl, person);
  const key = { 'Idempotency-Key': randomUUID() };
  const { code } = await codeBy({ outboxUrl: ready.outboxUrl, to: phoneOf(person) }, () =>
    patiently(() => registration.call('POST', '/codes', { channel: 'sms' }, key)),
  );
  return { registration, code };
}

/** Completes a registration of one of the numbered people, without taking its session. */
export async function completedRegistration(system: System, person: number): Promise<RegistrationHandle> {
  const { registration, code } = await registrationWithCode(system, person);
  await must(patiently(() => registration.call('PUT', '/code', { code })));
  const { body } = await must(patiently(() => registration.call('PUT', '/credentials', { password: goodPassword })));
  const hasDevice = body.steps.some(({ name }: { name: string }) => name === 'device');
  if (hasDevice) await must(registration.call('PUT', '/device', makeDevice(makeIdentity())));
  return registration;
}

/**
 * Makes a call that sends a code. Returns the body of its response, with the code once it has arrived.
 * @throws {Error} the status is not 202
 */
export async function codeBy<A extends Answer>(
  { outboxUrl, to }: { outboxUrl: string; to: string },
  sending: () => Promise<A>,
): Promise<A['body'] & { code: string }> {
  const before = (await messagesTo(outboxUrl, to)).length;
  const { body } = await must(sending(), 202);
  return { ...body, code: await codeFor(outboxUrl, to, before + 1) };
}

/** Asserts a refusal by a limit: its name, and the time in body and headers (rule R7 of the abuse catalogue). */
export function assertLimited({ status, body, headers }: Answer, limit: string, secondsMax = 300): void {
  assert.deepEqual([status, body.error_code, body.limit], [429, 'RATE_LIMITED', limit], JSON.stringify(body));
  assert.ok(body.retry_after_seconds > 0 && body.retry_after_seconds <= secondsMax);
  assert.equal(headers.get('retry-after'), String(body.retry_after_seconds));
  assert.equal(headers.get('ratelimit-remaining'), '0');
  assert.equal(headers.get('ratelimit-reset'), String(body.retry_after_seconds));
}

/** Returns a code that differs from the given one. */
export function wrongCode(code: string, difference = 1): string {
  return String((Number(code) + difference) % 1_000_000).padStart(6, '0');
}

/** Returns all messages, oldest first, without notifications, which arrive later on their own. */
export async function allMessages(outboxUrl: string): Promise<OutboxMessage[]> {
  const all = (await (await fetch(`${outboxUrl}/messages`)).json()) as OutboxMessage[];
  return all.filter((message) => !isNotification(message));
}

/** The stores of a system, for tests that prove that something did not happen. */
export interface Behind extends Stores {
  /** Number of registrations ever started: each is stored, and has a workflow from its first step on. */
  countRegistrations(): Promise<number>;
  /** Number of workflows ever started, except schedules and notifications. Temporal lists a new one with some delay. */
  countWorkflows(): Promise<number>;
  /** Version of a registration's status, which grows with every change. */
  versionOf(registrationId: string): Promise<number>;
  /** Number of events in the history of a registration's workflow. */
  historyLengthOf(registrationId: string): Promise<number>;
  /** The stored verification of a registration. */
  verificationOf(registrationId: string): Promise<Record<string, string>>;
}

/** Connects to the stores of a system. */
export async function lookBehind(system: System): Promise<Behind> {
  const stores = await connectStores(system);
  const { redis, temporal } = stores;
  return {
    ...stores,
    countRegistrations: async () => (await stores.keys('registration:*')).length,
    countWorkflows: async () =>
      (await temporal.workflow.count("WorkflowType NOT IN ('purge', 'directorySync', 'notification')")).count,
    versionOf: async (id) => Number(await redis.hget(`registration:{${id}}`, 'version')),
    historyLengthOf: async (id) => (await temporal.workflow.getHandle(`registration:${id}`).describe()).historyLength,
    verificationOf: (id) => redis.hgetall(`verification:{${id}}:register`),
  };
}

/** Starts another api of a system inside this process, with other variables; it stops with the system. */
export async function startAnotherApi(system: System, env: NodeJS.ProcessEnv): Promise<Processes> {
  const name = `${randomBytes(3).toString('hex')}-api`;
  return startProcesses(system.folder, {
    urls: testEngines(),
    secrets: system.secrets,
    bundle: testBundle(),
    roles: ['api'],
    env: { ...system.processes.env('api'), ...env },
    borrow: (_role, apiEnv) => openApiHere(system.folder, name, apiEnv),
  });
}
