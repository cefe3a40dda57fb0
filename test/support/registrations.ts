/** Registrations brought to where a test begins, and what is behind them. */
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
  type OutboxMessage,
  type RegistrationHandle,
  solveCaptcha,
  startRegistration,
} from './client.ts';
import { testBundle, testEngines } from './engines.ts';
import { patiently } from './patience.ts';
import { connectStores, type Stores } from './stores.ts';

/** A password nobody guesses. */
export const goodPassword = 'correct-horse-battery-61';

/** The number of `person000` to `person999`. */
export function phoneOf(person: number): string {
  return `+447700900${String(person).padStart(3, '0')}`;
}

/** Does a step that has to succeed. */
export async function must(answering: Promise<Answer>, status = 200): Promise<Answer> {
  const answer = await answering;
  if (answer.status !== status) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return answer;
}

/** Proves the directory step as one of the numbered people. */
export async function passDirectory(registration: RegistrationHandle, person: number): Promise<Answer> {
  const { username, password } = numberedPerson(person);
  return must(patiently(() => registration.call('PUT', '/directory', { username, password })));
}

/** Solves and proves a captcha. */
export async function passCaptcha(url: string, registration: RegistrationHandle): Promise<Answer> {
  const proof = await solveCaptcha(url);
  return must(patiently(() => registration.call('PUT', '/captcha', proof)));
}

/** A registration of one of the numbered people whose next step is the code. */
export async function registrationAtCode(url: string, person: number): Promise<RegistrationHandle> {
  const registration = await startRegistration(url);
  await Promise.all([passDirectory(registration, person), passCaptcha(url, registration)]);
  return registration;
}

/** A registration of one of the numbered people, and the code that was sent to them. */
export async function registrationWithCode(
  { ready }: Pick<System, 'ready'>,
  person: number,
): Promise<{ registration: RegistrationHandle; code: string }> {
  const registration = await registrationAtCode(ready.apiUrl, person);
  const before = (await allMessages(ready.outboxUrl)).filter(({ to }) => to === phoneOf(person)).length;
  const key = { 'Idempotency-Key': randomUUID() };
  await must(
    patiently(() => registration.call('POST', '/codes', { channel: 'sms' }, key)),
    202,
  );
  return { registration, code: await codeFor(ready.outboxUrl, phoneOf(person), before + 1) };
}

/** A completed registration of one of the numbered people, whose session was not taken. */
export async function completedRegistration(system: System, person: number): Promise<RegistrationHandle> {
  const { registration, code } = await registrationWithCode(system, person);
  await must(patiently(() => registration.call('PUT', '/code', { code })));
  await must(patiently(() => registration.call('PUT', '/credentials', { password: goodPassword })));
  return registration;
}

/** A refusal by a limit: named, with the time in the body and in both headers (rule R7 of the abuse catalogue). */
export function assertLimited({ status, body, headers }: Answer, limit: string, secondsMax = 300): void {
  assert.deepEqual([status, body.error_code, body.limit], [429, 'RATE_LIMITED', limit], JSON.stringify(body));
  assert.ok(body.retry_after_seconds > 0 && body.retry_after_seconds <= secondsMax);
  assert.equal(headers.get('retry-after'), String(body.retry_after_seconds));
  assert.equal(headers.get('ratelimit-remaining'), '0');
  assert.equal(headers.get('ratelimit-reset'), String(body.retry_after_seconds));
}

/** A code that is not the given one. */
export function wrongCode(code: string, difference = 1): string {
  return String((Number(code) + difference) % 1_000_000).padStart(6, '0');
}

/** Every message that somebody asked for, oldest first; notifications come later, by themselves, and are left out. */
export async function allMessages(outboxUrl: string): Promise<OutboxMessage[]> {
  const all = (await (await fetch(`${outboxUrl}/messages`)).json()) as OutboxMessage[];
  return all.filter((message) => !isNotification(message));
}

/** What stands behind a system, for tests that prove that something did not happen. */
export interface Behind extends Stores {
  /** Registrations that were ever started: each is stored, and has a workflow from its first step on. */
  countRegistrations(): Promise<number>;
  /** Workflows that were ever started, those of schedules and notifications aside; Temporal lists a new one with some delay. */
  countWorkflows(): Promise<number>;
  /** The version of a registration's status, which grows with every change. */
  versionOf(registrationId: string): Promise<number>;
  /** Events in the history of a registration's workflow. */
  historyLengthOf(registrationId: string): Promise<number>;
  /** What the codes of a registration went through, as the store holds it. */
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

/** Starts one more api of a system within this process, configured differently; it ends with the system. */
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
