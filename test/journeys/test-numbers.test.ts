/** Test numbers, and the last digits as code: no message is sent, and all else is as for other numbers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { startRegistration } from '../support/client.ts';
import { allMessages, assertLimited, must, wrongCode } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const tester = '+15550100001';
const called = '+15550100002';
const another = '+4915212345678';
const code = '482915';

const scene = await withSystem({
  REGISTRATION_STEPS: 'code',
  TEST_NUMBERS: `${tester}=${code},${called}=${code},${another}=${code}`,
  LIMIT_SENDS_PER_NUMBER: '2/3600',
  OTP_CHECKS_MAX: '3',
});
const bySuffix = await withSystem({ REGISTRATION_STEPS: 'code', SMS_PROVIDERS: 'last-digits' });

describe('A number of TEST_NUMBERS', () => {
  it('is verified by its code and no other, by SMS and by call, and no message is sent', async () => {
    const { apiUrl, outboxUrl } = scene.system.ready;
    for (const [channel, phone] of [
      ['sms', tester],
      ['voice', called],
    ]) {
      const registration = await startRegistration(apiUrl, { phone });
      await must(registration.call('POST', '/codes', { channel }), 202);
      assert.equal((await registration.call('PUT', '/code', { code: wrongCode(code) })).status, 400);
      await must(registration.call('PUT', '/code', { code }));
    }
    assert.deepEqual(await allMessages(outboxUrl), []);
    await until(async () => (await scene.behind.auditEvents('message-send')).length === 2);
    for (const { status, vyry } of await scene.behind.auditEvents('message-send')) {
      assert.deepEqual([status, vyry.messaging?.provider], ['success', 'test']);
    }
  });

  it('has the limits of other numbers', async () => {
    const send = async () => {
      const registration = await startRegistration(scene.system.ready.apiUrl, { phone: another });
      return { registration, answer: await registration.call('POST', '/codes', { channel: 'sms' }) };
    };
    const [{ registration: guessed }] = [await send(), await send()];
    assertLimited((await send()).answer, 'sends-per-number', 3600);
    for (let guess = 1; guess <= 3; guess++) await guessed.call('PUT', '/code', { code: wrongCode(code, guess) });
    assert.notEqual((await guessed.call('PUT', '/code', { code })).status, 200);
  });

  it('is counted but not named in a warning at startup, and its code is in no log', () => {
    const { processes } = scene.system;
    const log = readFileSync(processes.logFile('delivery'), 'utf8');
    assert.match(log, /"event":"test-numbers\.on","numbers":3,"realLooking":1/);
    const logs = log + readFileSync(processes.logFile('api'), 'utf8');
    for (const secret of [code, tester.slice(1), another.slice(1)]) assert.equal(logs.includes(secret), false);
  });
});

describe('SMS_PROVIDERS=last-digits', () => {
  it('accepts the last six digits of any number as its code, and sends nothing', async () => {
    const registration = await startRegistration(bySuffix.url, { phone: '+12025550147' });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    await must(registration.call('PUT', '/code', { code: '550147' }));
    assert.deepEqual(await allMessages(bySuffix.outboxUrl), []);
    assert.match(readFileSync(bySuffix.system.processes.logFile('delivery'), 'utf8'), /"event":"last-digits\.on"/);
  });
});
