import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { routes } from '../../api/rest.ts';
import type { System } from '../../engines/system.ts';
import { call, codeFor, startFlow } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { startTestSystem } from '../support/engines.ts';
import {
  allMessages,
  type Behind,
  completedFlow,
  flowToCode,
  lookBehind,
  must,
  passCaptcha,
  passDirectory,
  phoneOf,
} from '../support/flows.ts';

let system: System;
let behind: Behind;
let url: string;

before(async () => {
  system = await startTestSystem({ env: { CAPTCHA_COST: '2', OTP_RESEND_WAITS: '1' } });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  await holdToContract(url);
});

after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

function start(key: string, body: unknown = {}) {
  return call(url, 'POST', '/api/v1/registrations', { body, headers: { 'Idempotency-Key': key } });
}

async function messagesOf(person: number): Promise<number> {
  return (await allMessages(system.ready.outboxUrl)).filter(({ to }) => to === phoneOf(person)).length;
}

describe('Idempotency-Key', () => {
  it('is honoured by every POST', () => {
    for (const { method, path, isIdempotent } of routes) {
      if (method === 'post') assert.equal(isIdempotent, true, path);
    }
  });

  it('must be 1 to 128 visible ASCII characters', async () => {
    const before = await behind.countWorkflows();
    for (const key of ['', 'x'.repeat(129), 'two words', 'schlüssel', 'tab\there']) {
      const { status, body } = await start(key);
      assert.equal(status, 400, JSON.stringify(key));
      assert.equal(body.details[0].path, 'Idempotency-Key');
    }
    assert.equal(await behind.countWorkflows(), before);
    assert.equal((await start(`!~${'x'.repeat(126)}`)).status, 201);
  });
});

describe('POST /api/v1/registrations with an Idempotency-Key', () => {
  it('answers the same key and body alike, also after a restart of the api', async () => {
    const before = await behind.countWorkflows();
    const body = { fullName: 'A', client: 'web' };
    const first = await start('start-1', body);
    const second = await start('start-1', { client: 'web', fullName: 'A' });
    assert.equal(second.status, 201);
    assert.deepEqual(second.body, first.body);
    assert.equal(second.headers.get('location'), first.headers.get('location'));
    await system.restart('api');
    const third = await start('start-1', body);
    assert.deepEqual(third.body, first.body);
    assert.equal(await behind.countWorkflows(), before + 1);
  });

  it('answers 409 to another body, and takes another key for another registration', async () => {
    const first = await start('start-2', { fullName: 'A' });
    const other = await start('start-2', { fullName: 'B' });
    assert.equal(other.status, 409);
    assert.equal(other.body.error_code, 'CONFLICT');
    const another = await start('start-3', { fullName: 'A' });
    assert.notEqual(another.body.registrationId, first.body.registrationId);
  });

  it('starts one registration when 20 of the same come at once', async () => {
    const before = await behind.countWorkflows();
    const answers = await Promise.all(Array.from({ length: 20 }, () => start('start-4')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
    assert.equal(await behind.countWorkflows(), before + 1);
  });
});

describe('POST /api/v1/registrations/{id}/codes with an Idempotency-Key', () => {
  it('sends once for one key, answers 409 to another channel, and sends again for another key', async () => {
    const flow = await flowToCode(url, 30);
    const send = (key: string, channel: string) => flow.call('POST', '/codes', { channel }, { 'Idempotency-Key': key });
    const answers = await Promise.all(Array.from({ length: 5 }, () => send('send-1', 'sms')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
    await codeFor(system.ready.outboxUrl, phoneOf(30));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal((await send('send-1', 'sms')).status, 202, 'no limit counts what is not sent');
    assert.equal((await send('send-1', 'email')).status, 409);
    assert.equal(await messagesOf(30), 1);
    assert.equal((await send('send-2', 'sms')).status, 202);
    await codeFor(system.ready.outboxUrl, phoneOf(30), 2);
    assert.equal(await messagesOf(30), 2);
  });

  it('does not keep a refusal, and knows the keys of each registration apart', async () => {
    const flow = await startFlow(url);
    const send = () => flow.call('POST', '/codes', { channel: 'sms' }, { 'Idempotency-Key': 'send-3' });
    assert.equal((await send()).status, 409);
    await Promise.all([passDirectory(flow, 31), passCaptcha(url, flow)]);
    assert.equal((await send()).status, 202);
    const other = await flowToCode(url, 32);
    const sent = await other.call('POST', '/codes', { channel: 'email' }, { 'Idempotency-Key': 'send-3' });
    assert.equal(sent.status, 202);
    await codeFor(system.ready.outboxUrl, 'person032@example.org');
  });
});

describe('POST /api/v1/registrations/{id}/session with an Idempotency-Key', () => {
  it('answers the same tokens for one key, also at once and after a restart, and 409 to another', async () => {
    const flow = await completedFlow(system, 33);
    const take = (key: string) => flow.call('POST', '/session', undefined, { 'Idempotency-Key': key });
    const answers = await Promise.all(Array.from({ length: 10 }, () => take('session-1')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    const tokens = new Set(answers.map(({ body }) => body.refreshToken));
    assert.equal(tokens.size, 1);
    await system.restart('api');
    const late = await must(take('session-1'), 201);
    assert.ok(tokens.has(late.body.refreshToken));
    for (const { body } of [...answers, late]) {
      await must(call(url, 'GET', '/api/v1/auth/session', { token: body.accessToken }));
    }
    assert.equal((await take('session-2')).status, 409);
    assert.equal((await flow.call('POST', '/session')).status, 409);
    const [userId = ''] = await behind.accountsOf('person033');
    assert.equal((await behind.sessionsOf(userId)).length, 1);
  });

  it('does not keep that the registration was not completed', async () => {
    const flow = await startFlow(url);
    const take = () => flow.call('POST', '/session', undefined, { 'Idempotency-Key': 'session-3' });
    assert.equal((await take()).status, 409);
    await must(flow.call('DELETE', ''), 204);
    assert.equal((await take()).status, 409);
  });
});
