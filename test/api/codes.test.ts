import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { call, codeFor, type Flow, messagesTo, solveCaptcha, startFlow } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { startTestSystem } from '../support/engines.ts';
import { setFault } from '../support/faults.ts';
import { type Behind, flowToCode, flowWithCode, lookBehind, must, phoneOf, wrongCode } from '../support/flows.ts';

let system: System;
let behind: Behind;
let url: string;
let outboxUrl: string;

/** Life of a code here. */
const codeSeconds = 6;

before(async () => {
  system = await startTestSystem({
    env: { CAPTCHA_COST: '2', OTP_TTL: String(codeSeconds), OTP_RESEND_WAITS: '1,2' },
  });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  outboxUrl = system.ready.outboxUrl;
  await holdToContract(url);
});

after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function send(flow: Flow, channel: string) {
  return flow.call('POST', '/codes', { channel });
}

async function messagesOf(person: number): Promise<number> {
  return (await messagesTo(outboxUrl, phoneOf(person))).length;
}

describe('PUT /api/v1/registrations/{id}/code', () => {
  it('gives a code five tries, then not even the right one counts, and a new code does', async () => {
    const { flow, code } = await flowWithCode(system, 60);
    for (const left of [4, 3, 2, 1, 0]) {
      const { status, body } = await flow.call('PUT', '/code', { code: wrongCode(code, left + 1) });
      assert.equal(status, 400);
      assert.equal(body.error_code, 'INVALID_OTP');
      assert.equal(body.attemptsLeft, left);
      assert.equal(typeof body.nextCodeAt, left === 0 ? 'string' : 'undefined');
    }
    const late = await flow.call('PUT', '/code', { code });
    assert.equal(late.status, 400);
    assert.equal(late.body.error_code, 'INVALID_OTP');
    assert.equal(late.body.attemptsLeft, 0);
    assert.ok(Math.abs(Date.parse(late.body.nextCodeAt) - Date.now()) < 5000);
    const seen = await flow.call('GET', '');
    assert.equal(seen.body.attemptsLeft, 0);
    assert.equal(seen.body.nextCheckAt, null);

    await pause(Math.max(0, Date.parse(seen.body.nextSmsAt) - Date.now()) + 50);
    const sent = await must(send(flow, 'sms'), 202);
    assert.equal(sent.body.attemptsLeft, 5);
    const second = await codeFor(outboxUrl, phoneOf(60), 2);
    assert.notEqual(second, code);
    assert.equal((await flow.call('PUT', '/code', { code })).status, 400, 'the first code stays worthless');
    await must(flow.call('PUT', '/code', { code: second }));
  });

  it('takes a code in its own registration alone, and counts the try there', async () => {
    const [first, second] = await Promise.all([flowWithCode(system, 61), flowWithCode(system, 62)]);
    const same = await flowWithCode(system, 61);
    const wrong = await second.flow.call('PUT', '/code', { code: first.code });
    assert.equal(wrong.status, 400, 'the code of another number');
    assert.equal(wrong.body.attemptsLeft, 4);
    const alike = await same.flow.call('PUT', '/code', { code: first.code });
    assert.equal(alike.status, 400, 'the code of another registration of the same number');
    assert.equal(alike.body.attemptsLeft, 4);
    assert.equal((await first.flow.call('GET', '')).body.attemptsLeft, 5);
    await must(first.flow.call('PUT', '/code', { code: first.code }));
    const used = await same.flow.call('PUT', '/code', { code: first.code });
    assert.equal(used.status, 400, 'a code that was used');
    await must(same.flow.call('PUT', '/code', { code: same.code }));
  });

  it('answers 410 to a code whose life is over, with the way to a new one', async () => {
    const [punctual, late] = await Promise.all([flowWithCode(system, 63), flowWithCode(system, 64)]);
    const sentAt = Number((await behind.verificationOf(late.flow.id))['sentAt:1']);
    await pause(sentAt + codeSeconds * 1000 - 2000 - Date.now());
    await must(punctual.flow.call('PUT', '/code', { code: punctual.code }));
    await pause(sentAt + codeSeconds * 1000 + 100 - Date.now());
    const { status, body } = await late.flow.call('PUT', '/code', { code: late.code });
    assert.equal(status, 410);
    assert.equal(body.error_code, 'GONE');
    assert.ok(Math.abs(Date.parse(body.nextCodeAt) - Date.now()) < 5000);
    assert.equal((await late.flow.call('GET', '')).body.nextCheckAt, null);
    await must(send(late.flow, 'sms'), 202);
    await must(late.flow.call('PUT', '/code', { code: await codeFor(outboxUrl, phoneOf(64), 2) }));
  });

  it('keeps the code only as a keyed hash once it was sent', async () => {
    const { flow, code } = await flowWithCode(system, 65);
    const stored =
      JSON.stringify(await behind.verificationOf(flow.id)) + (await behind.redis.get(`otp:{${flow.id}}:register`));
    assert.doesNotMatch(stored, new RegExp(`\\b${code}\\b`));
    assert.doesNotMatch(stored, /sealed/);
    const { body } = await flow.call('GET', '');
    assert.ok(!JSON.stringify(body).includes(code));
  });
});

describe('POST /api/v1/registrations/{id}/codes', () => {
  it('sends at its steps only, however often it is asked', async () => {
    const flow = await flowToCode(url, 66);
    let sends = 0;
    let refused = 0;
    for (let number = 0; number < 100; number++) {
      const { status, body, headers } = await send(flow, 'sms');
      if (status === 202) {
        sends++;
        continue;
      }
      refused++;
      assert.equal(status, 429);
      assert.equal(body.error_code, 'RATE_LIMITED');
      assert.equal(body.limit, 'code-resend');
      assert.equal(headers.get('retry-after'), sends < 3 ? String(body.retry_after_seconds) : null);
      assert.equal(body.retry_after_seconds === undefined, sends === 3, 'after the last send waiting does not help');
      await pause(40);
    }
    assert.equal(sends, 3);
    assert.equal(refused, 97);
    assert.equal(await messagesOf(66), 3);
    const { body } = await flow.call('GET', '');
    assert.equal(body.nextSmsAt, null);
    assert.ok(body.nextEmailAt, 'the other channel has its own sends');
    await must(send(flow, 'email'), 202);
  });

  it('tells the time of the next send, and a refused try does not move it', async () => {
    const flow = await flowToCode(url, 67);
    const { body } = await must(send(flow, 'sms'), 202);
    for (let number = 0; number < 5; number++) {
      const refused = await send(flow, 'sms');
      assert.equal(refused.status, 429);
      assert.equal(refused.body.retry_after_seconds, 1);
      assert.equal((await flow.call('GET', '')).body.nextSmsAt, body.nextSmsAt);
    }
    await pause(Date.parse(body.nextSmsAt) - Date.now() + 20);
    await must(send(flow, 'sms'), 202);
  });

  it('answers 409 with the channels there are when a person has no number', async () => {
    const flow = await startFlow(url);
    await must(flow.call('PUT', '/directory', { username: 'joan', password: 'bletchley-1944' }));
    const { body } = await must(flow.call('PUT', '/captcha', await solveCaptcha(url)));
    assert.equal(body.phone, undefined);
    assert.equal(body.nextSmsAt, null);
    const { status, body: problem } = await send(flow, 'sms');
    assert.equal(status, 409);
    assert.equal(problem.error_code, 'CONFLICT');
    assert.deepEqual(problem.channels, ['email']);
    await must(send(flow, 'email'), 202);
    await must(flow.call('PUT', '/code', { code: await codeFor(outboxUrl, 'joan@example.org') }));
  });

  it('answers 440 with the other channels when the provider refuses for good, and does not ask it again', async () => {
    const [sms, email] = await Promise.all([flowToCode(url, 68), flowToCode(url, 69)]);
    await setFault(outboxUrl, { channel: 'sms', mode: 'error400', providerCode: '21614' });
    await setFault(outboxUrl, { channel: 'email', mode: 'error400', providerCode: '5.1.1' });
    for (const [flow, channel, others] of [
      [sms, 'sms', ['voice', 'email']],
      [email, 'email', ['sms', 'voice']],
    ] as const) {
      const refused = await send(flow, channel);
      assert.equal(refused.status, 440);
      assert.equal(refused.body.error_code, 'PROVIDER_REFUSED');
      assert.deepEqual(refused.body.otherChannels, others);
      assert.doesNotMatch(JSON.stringify(refused.body), /\+4477|example\.org|twilio|21614/i);
    }
    const seen = await sms.call('GET', '');
    assert.equal(seen.body.state, 'pending');
    assert.equal(seen.body.nextSmsAt, null);
    assert.equal(seen.body.attemptsLeft, 5, 'nobody is charged a try');
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    await setFault(outboxUrl, { channel: 'email', mode: 'none' });
    assert.equal((await send(sms, 'sms')).status, 440, 'it stays refused');
    assert.equal(await messagesOf(68), 0);
    await must(send(sms, 'email'), 202);
    await must(sms.call('PUT', '/code', { code: await codeFor(outboxUrl, 'person068@example.org') }));
    await must(send(email, 'sms'), 202);
    await must(email.call('PUT', '/code', { code: await codeFor(outboxUrl, phoneOf(69)) }));
  });

  it('answers 202 while the provider is broken, says what it waits for, and sends when it is back', async () => {
    const flow = await flowToCode(url, 70);
    await setFault(outboxUrl, { channel: 'sms', mode: 'error500' });
    const { body } = await must(send(flow, 'sms'), 202);
    assert.equal(body.state, 'waiting');
    assert.equal(body.waitingFor, 'sms');
    assert.deepEqual(body.steps[2], { name: 'code', status: 'waiting', reason: 'sms-unavailable' });
    const again = await send(flow, 'sms');
    assert.equal(again.status, 429, 'one message is on its way already');
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    const code = await codeFor(outboxUrl, phoneOf(70));
    await must(flow.call('PUT', '/code', { code }));
    assert.equal(await messagesOf(70), 1);
  });
});

describe('a code of one registration', () => {
  it('is worth nothing after the registration was cancelled', async () => {
    const { flow, code } = await flowWithCode(system, 71);
    await must(flow.call('DELETE', ''), 204);
    assert.equal((await flow.call('PUT', '/code', { code })).status, 409);
    const next = await flowWithCode(system, 71);
    const old = await next.flow.call('PUT', '/code', { code });
    assert.equal(old.status, 400);
    const elsewhere = await call(url, 'PUT', `/api/v1/registrations/${flow.id}/code`, {
      token: next.flow.token,
      body: { code: next.code },
    });
    assert.equal(elsewhere.status, 404);
  });
});
