// @rerun never
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { Operation } from '../../contract/operation.ts';
import { operations } from '../../contract/operations.ts';
import {
  type Answer,
  call,
  codeFor,
  type RegistrationHandle,
  solveCaptcha,
  startRegistration,
} from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { untilInstant } from '../support/instants.ts';
import { patiently } from '../support/patience.ts';
import {
  allMessages,
  completedRegistration,
  goodPassword,
  must,
  passCaptcha,
  passDirectory,
  phoneOf,
  registrationAtCode,
  registrationWithCode,
  startAnotherApi,
  wrongCode,
} from '../support/registrations.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const routes = Object.values(operations) as Operation[];

const { system, behind, url, api } = await withSystem({ OTP_TTL: '3600', OTP_RESEND_WAITS: '600' });

/** Makes calls at the same time, and counts their responses by status. */
async function atOnce(
  count: number,
  make: (index: number) => Promise<Answer>,
): Promise<{ answers: Answer[]; statuses: Record<number, number> }> {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => make(index)));
  const statuses: Record<number, number> = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  return { answers, statuses };
}

/** The outcomes of the code checks of a registration in the log of the api. */
async function checksLogged({ id }: RegistrationHandle): Promise<string[]> {
  const lines = (await readFile(system.processes.logFile('api'), 'utf8')).split('\n');
  return lines
    .filter((line) => line.includes('"event":"code.checked"') && line.includes(id))
    .map((line) => JSON.parse(line).outcome);
}

describe('PUT /api/v1/registrations/{id}/code', () => {
  it('compares at most five of 100 concurrent wrong codes', async () => {
    const { registration, code } = await registrationWithCode(system, 20);
    const { answers, statuses } = await atOnce(100, (index) =>
      registration.call('PUT', '/code', { code: wrongCode(code, index + 1) }),
    );
    assert.deepEqual(statuses, { 400: 100 });
    assert.deepEqual([...new Set(answers.map(({ body }) => body.error_code))], ['INVALID_OTP']);
    const left = answers.map(({ body }) => body.attemptsLeft).sort((a, b) => b - a);
    assert.deepEqual(left.slice(0, 5), [4, 3, 2, 1, 0]);
    assert.equal(left[5], 0);
    assert.equal((await behind.verificationOf(registration.id))['checks:1'], '5');
    await until(async () => (await checksLogged(registration)).length >= 100);
    const outcomes = await checksLogged(registration);
    assert.equal(outcomes.filter((outcome) => outcome === 'wrong').length, 5);
    assert.equal(outcomes.filter((outcome) => outcome === 'exhausted').length, 95);
    const right = await registration.call('PUT', '/code', { code });
    assert.equal(right.status, 400, 'the right code comes too late');
    assert.equal((await behind.verificationOf(registration.id)).verified, undefined);
  });

  it('accepts 50 concurrent right codes for one account and one session', async () => {
    const { registration, code } = await registrationWithCode(system, 21);
    await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    const proofs = await atOnce(50, () => patiently(() => registration.call('PUT', '/code', { code })));
    assert.deepEqual(proofs.statuses, { 200: 50 });
    const userIds = new Set(proofs.answers.map(({ body }) => body.userId));
    assert.equal(userIds.size, 1);
    const sessions = await atOnce(50, () => registration.call('POST', '/session'));
    assert.deepEqual(sessions.statuses, { 201: 1, 409: 49 });
    const [userId = ''] = await behind.accountsOf('person021');
    assert.deepEqual([...userIds], [userId]);
    assert.equal((await behind.accountsOf('person021')).length, 1);
    assert.equal((await behind.sessionsOf(userId)).length, 1);
    assert.equal((await behind.keys('refresh:*')).length, 1);
    assert.ok((await behind.historyLengthOf(registration.id)) < 400, 'the history stays small');
  });
});

describe('POST /api/v1/registrations/{id}/codes', () => {
  it('sends one message for two concurrent sends, with and without a key', async () => {
    const [bare, keyed] = await Promise.all([registrationAtCode(url, 22), registrationAtCode(url, 23)]);
    const [without, withKey] = await Promise.all([
      atOnce(2, () => bare.call('POST', '/codes', { channel: 'sms' })),
      atOnce(2, () => patiently(() => keyed.call('POST', '/codes', { channel: 'sms' }, { 'Idempotency-Key': 'one' }))),
    ]);
    assert.deepEqual(without.statuses, { 202: 1, 429: 1 });
    assert.equal(without.answers.find(({ status }) => status === 429)?.body.limit, 'code-resend');
    assert.deepEqual(withKey.statuses, { 202: 2 });
    await Promise.all([codeFor(system.ready.outboxUrl, phoneOf(22)), codeFor(system.ready.outboxUrl, phoneOf(23))]);
    const recipients = (await allMessages(system.ready.outboxUrl)).map(({ to }) => to);
    assert.equal(recipients.filter((to) => to === phoneOf(22)).length, 1);
    assert.equal(recipients.filter((to) => to === phoneOf(23)).length, 1);
  });
});

describe('PUT /api/v1/registrations/{id}/captcha', () => {
  it('accepts one solved captcha in one of 20 registrations that use it at once', async () => {
    const [proof, registrations] = await Promise.all([
      solveCaptcha(url),
      Promise.all(Array.from({ length: 20 }, () => startRegistration(url))),
    ]);
    const { answers, statuses } = await atOnce(20, async (index) =>
      (registrations[index] as RegistrationHandle).call('PUT', '/captcha', proof),
    );
    assert.deepEqual(statuses, { 200: 1, 400: 19 });
    const winner = answers.findIndex(({ status }) => status === 200);
    const passed = await Promise.all(
      registrations.map(async (registration) => (await registration.call('GET', '')).body.steps[1].status === 'done'),
    );
    assert.deepEqual(
      passed,
      registrations.map((_, index) => index === winner),
    );
    await must((registrations[winner] as RegistrationHandle).call('PUT', '/captcha', proof));
  });
});

describe('20 concurrent registrations of one user', () => {
  it('create one account; the others are refused because the identity is taken', async () => {
    const { apiUrl } = await startAnotherApi(system, { REGISTRATION_STEPS: 'code' });
    await holdToContract(apiUrl);
    const spellings = ['One.Person@example.net', 'one.person@EXAMPLE.net'];
    const registrations = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        startRegistration(apiUrl, { email: spellings[index % 2], username: 'one' }),
      ),
    );
    const key = { 'Idempotency-Key': 'the-code' };
    const sends = await atOnce(20, (index) =>
      patiently(() => (registrations[index] as RegistrationHandle).call('POST', '/codes', { channel: 'email' }, key)),
    );
    assert.deepEqual(sends.statuses, { 202: 20 });
    await codeFor(system.ready.outboxUrl, 'one.person@example.net', 20);
    const mails = (await allMessages(system.ready.outboxUrl)) as { messageId?: string; code?: string }[];
    const { answers, statuses } = await atOnce(20, async (index) => {
      const registration = registrations[index] as RegistrationHandle;
      const code = mails.find(({ messageId }) => messageId?.includes(registration.id))?.code;
      return patiently(() => registration.call('PUT', '/code', { code }));
    });
    assert.deepEqual(statuses, { 200: 1, 409: 19 });
    const winner = answers.find(({ status }) => status === 200)?.body;
    assert.equal(winner.state, 'completed');
    // the second message is for a caller who repeats the request after a deadline of the api
    const told = ['This name, number or address already has an account', 'The registration is rejected'];
    for (const { status, body } of answers) {
      if (status === 409) assert.ok(told.includes(body.error), body.error);
    }
    assert.deepEqual(await behind.accountsOf('one'), [winner.userId]);
    assert.equal(await behind.database.collection('users').countDocuments({ _id: winner.userId }), 1);
    const owners = await behind.database.collection('claims').distinct('userId');
    assert.ok(owners.filter((owner) => owner === winner.userId).length === 1);
    const ends = await Promise.all(
      registrations.map(async (registration) => (await registration.call('GET', '')).body),
    );
    assert.equal(ends.filter(({ state, reason }) => `${state} ${reason}` === 'rejected identity-taken').length, 19);
  });
});

/** Starts a registration with an idempotency key. */
function startUnder(key: string, body: unknown = {}) {
  const headers = { 'Idempotency-Key': key };
  return patiently(() => call(url, 'POST', '/api/v1/registrations', { body, headers }));
}

async function messagesOf(person: number): Promise<number> {
  return (await allMessages(system.ready.outboxUrl)).filter(({ to }) => to === phoneOf(person)).length;
}

describe('Idempotency-Key', () => {
  it('is supported by every POST that creates or sends', () => {
    const others = [
      // the text of a call, requested by a provider: nothing changes
      '/api/v1/voice/twilio',
      // idempotent without a key: one delivery report per message, one use per token or code, a permanent end
      ...[
        '/api/v1/delivery-reports/twilio',
        '/api/v1/delivery-reports/infobip',
        '/api/v1/auth/logout',
        '/api/v1/auth/pin/verify',
      ],
      ...['/api/v1/auth/password/reset', '/api/v1/auth/password/stop', '/api/v1/auth/pin/reset'],
      '/api/v1/registrations/stop',
      '/api/v1/messages/ack',
      ...['/api/v1/auth/step-up', '/api/v1/users/me/deletion/cancel', '/api/v1/users/me/changes/:changeId/verify'],
      '/api/v1/admin/users/:userId/disable',
      // a repeated request must look like the theft that it may be
      '/api/v1/auth/refresh-token',
    ];
    for (const { method, path, idempotent } of routes) {
      if (method === 'post') assert.equal(idempotent !== undefined, !others.includes(path), path);
    }
  });

  it('must be 1 to 128 visible ASCII characters', async () => {
    const before = await behind.countRegistrations();
    for (const key of ['', 'x'.repeat(129), 'two words', 'schlüssel', 'tab\there']) {
      const { status, body } = await startUnder(key);
      assert.equal(status, 400, JSON.stringify(key));
      assert.equal(body.details[0].path, 'Idempotency-Key');
    }
    assert.equal(await behind.countRegistrations(), before);
    assert.equal((await startUnder(`!~${'x'.repeat(126)}`)).status, 201);
  });
});

describe('POST /api/v1/registrations with an Idempotency-Key', () => {
  it('returns the same response for the same key and body, also after a restart of the api', async () => {
    const before = await behind.countRegistrations();
    const body = { fullName: 'A', client: 'web' };
    const first = await startUnder('start-1', body);
    const second = await startUnder('start-1', { client: 'web', fullName: 'A' });
    assert.equal(second.status, 201);
    assert.deepEqual(second.body, first.body);
    assert.equal(second.headers.get('location'), first.headers.get('location'));
    await system.restart('api');
    const third = await startUnder('start-1', body);
    assert.deepEqual(third.body, first.body);
    assert.equal(await behind.countRegistrations(), before + 1);
  });

  it('returns 409 for another body, and starts another registration for another key', async () => {
    const first = await startUnder('start-2', { fullName: 'A' });
    const other = await startUnder('start-2', { fullName: 'B' });
    assert.equal(other.status, 409);
    assert.equal(other.body.error_code, 'CONFLICT');
    const another = await startUnder('start-3', { fullName: 'A' });
    assert.notEqual(another.body.registrationId, first.body.registrationId);
  });

  it('starts one registration for 20 identical concurrent requests', async () => {
    const before = await behind.countRegistrations();
    const answers = await Promise.all(Array.from({ length: 20 }, () => startUnder('start-4')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
    assert.equal(await behind.countRegistrations(), before + 1);
  });
});

describe('The first step of a registration', () => {
  it('starts the workflow once when several steps arrive at once, and each gets a response', async () => {
    const registration = await startRegistration(url);
    const steps = Array.from({ length: 7 }, () =>
      patiently(() => registration.call('PUT', '/credentials', { pin: '739182' })),
    );
    const answers = await Promise.all([...steps, passDirectory(registration, 34)]);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const handle = behind.temporal.workflow.getHandle(`registration:${registration.id}`);
    const { events } = await handle.fetchHistory();
    assert.equal(events?.filter(({ workflowExecutionStartedEventAttributes: began }) => began).length, 1);
    const runs = `WorkflowId = "registration:${registration.id}"`;
    await until(async () => (await behind.temporal.workflow.count(runs)).count > 0);
    assert.equal((await behind.temporal.workflow.count(runs)).count, 1);
  });

  it('runs in the same workflow as a concurrent cancel, which ends the registration permanently', async () => {
    const registration = await startRegistration(url);
    const [step, end] = await Promise.all([
      registration.call('PUT', '/credentials', { pin: '739182' }),
      registration.call('DELETE', ''),
    ]);
    assert.ok([200, 409].includes(step.status), String(step.status));
    assert.equal(end.status, 204);
    assert.equal((await registration.call('GET', '')).body.state, 'cancelled');
    assert.equal((await registration.call('PUT', '/credentials', { pin: '739182' })).status, 409);
    const runs = `WorkflowId = "registration:${registration.id}"`;
    await until(async () => (await behind.temporal.workflow.count(runs)).count > 0);
    assert.equal((await behind.temporal.workflow.count(runs)).count, 1);
  });
});

describe('POST /api/v1/registrations/{id}/codes with an Idempotency-Key', () => {
  it('sends once for one key, returns 409 for another channel, and sends again for another key', async () => {
    const { apiUrl } = await startAnotherApi(system, { OTP_RESEND_WAITS: '1' });
    const registration = await registrationAtCode(apiUrl, 30);
    const send = (key: string, channel: string) =>
      patiently(() => registration.call('POST', '/codes', { channel }, { 'Idempotency-Key': key }));
    const answers = await Promise.all(Array.from({ length: 5 }, () => send('send-1', 'sms')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
    await codeFor(system.ready.outboxUrl, phoneOf(30));
    const sentAt = Number(await eventually(async () => (await behind.verificationOf(registration.id))['sentAt:1']));
    const nextSmsAt = new Date(sentAt + 1000).toISOString();
    await until(async () => (await registration.call('GET', '')).body.nextSmsAt === nextSmsAt);
    await untilInstant(nextSmsAt);
    assert.equal((await send('send-1', 'sms')).status, 202, 'no limit counts a repeat');
    assert.equal((await send('send-1', 'email')).status, 409);
    assert.equal(await messagesOf(30), 1);
    assert.equal((await send('send-2', 'sms')).status, 202);
    await codeFor(system.ready.outboxUrl, phoneOf(30), 2);
    assert.equal(await messagesOf(30), 2);
  });

  it('does not store a refusal, and keeps the keys of registrations separate', async () => {
    const registration = await startRegistration(url);
    const send = () =>
      patiently(() => registration.call('POST', '/codes', { channel: 'sms' }, { 'Idempotency-Key': 'send-3' }));
    assert.equal((await send()).status, 409);
    await Promise.all([passDirectory(registration, 31), passCaptcha(url, registration)]);
    assert.equal((await send()).status, 202);
    const other = await registrationAtCode(url, 32);
    const sent = await other.call('POST', '/codes', { channel: 'email' }, { 'Idempotency-Key': 'send-3' });
    assert.equal(sent.status, 202);
    await codeFor(system.ready.outboxUrl, 'person032@example.org');
  });
});

describe('POST /api/v1/registrations/{id}/session with an Idempotency-Key', () => {
  it('returns the same tokens for one key, also concurrently and after a restart, and 409 for another', async () => {
    const registration = await completedRegistration(system, 33);
    const take = (key: string) =>
      patiently(() => registration.call('POST', '/session', undefined, { 'Idempotency-Key': key }));
    const answers = await Promise.all(Array.from({ length: 10 }, () => take('session-1')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    const tokens = new Set(answers.map(({ body }) => body.refreshToken));
    assert.equal(tokens.size, 1);
    await system.restart('api');
    const late = await must(take('session-1'), 201);
    assert.ok(tokens.has(late.body.refreshToken));
    for (const { body } of [...answers, late]) {
      await must(api.readSession({ token: body.accessToken }));
    }
    assert.equal((await take('session-2')).status, 409);
    assert.equal((await registration.call('POST', '/session')).status, 409);
    const [userId = ''] = await behind.accountsOf('person033');
    assert.equal((await behind.sessionsOf(userId)).length, 1);
  });

  it('does not store the refusal of an incomplete registration', async () => {
    const registration = await startRegistration(url);
    const take = () => registration.call('POST', '/session', undefined, { 'Idempotency-Key': 'session-3' });
    assert.equal((await take()).status, 409);
    await must(registration.call('DELETE', ''), 204);
    assert.equal((await take()).status, 409);
  });
});
