import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ageRecords } from '../support/aging.ts';
import {
  type Answer,
  codeFor,
  messagesTo,
  type RegistrationHandle,
  solveCaptcha,
  startRegistration,
} from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { assertLeft, assertReached, assertSince, untilInstant } from '../support/instants.ts';
import {
  completedRegistration,
  must,
  phoneOf,
  registrationAtCode,
  registrationWithCode,
  startAnotherApi,
  wrongCode,
} from '../support/registrations.ts';
import { stopTime } from '../support/stopped-time.ts';
import { eventually } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

/** Lifetime of a code: long enough for any machine. Tests age the records of a code that must have expired. */
const codeSeconds = 3600;
/** Wait before the third send. The second is possible after a second. */
const waitSeconds = 3600;

const { system, behind, url, outboxUrl, api } = await withSystem({
  OTP_TTL: String(codeSeconds),
  OTP_RESEND_WAITS: `1,${waitSeconds}`,
  REGISTRATION_TTL: '86400',
});

/** Waits until a send is recorded as accepted by the provider, and returns its time in ms since the epoch. */
async function untilSent({ id }: RegistrationHandle, number: number): Promise<number> {
  return Number(await eventually(async () => (await behind.verificationOf(id))[`sentAt:${number}`]));
}

function send(registration: RegistrationHandle, channel: string) {
  return registration.call('POST', '/codes', { channel });
}

function assertTooEarly(status: number, body: Answer['body']): void {
  assert.deepEqual([status, body.error_code, body.limit], [429, 'RATE_LIMITED', 'code-resend']);
}

async function messagesOf(person: number): Promise<number> {
  return (await messagesTo(outboxUrl, phoneOf(person))).length;
}

describe('PUT /api/v1/registrations/{id}/code', () => {
  it('refuses even the right code after five wrong attempts, and accepts a new code', async () => {
    const { registration, code } = await registrationWithCode(system, 60);
    for (const left of [4, 3, 2, 1, 0]) {
      const { status, body } = await registration.call('PUT', '/code', { code: wrongCode(code, left + 1) });
      assert.equal(status, 400);
      assert.equal(body.error_code, 'INVALID_OTP');
      assert.equal(body.attemptsLeft, left);
      assert.equal(typeof body.nextCodeAt, left === 0 ? 'string' : 'undefined');
    }
    const askedAt = Date.now();
    const late = await registration.call('PUT', '/code', { code });
    assert.equal(late.status, 400);
    assert.equal(late.body.error_code, 'INVALID_OTP');
    assert.equal(late.body.attemptsLeft, 0);
    assertSince(late.body.nextCodeAt, askedAt);
    const seen = await registration.call('GET', '');
    assert.equal(seen.body.attemptsLeft, 0);
    assert.equal(seen.body.nextCheckAt, null);

    await untilInstant(seen.body.nextSmsAt);
    const sent = await must(send(registration, 'sms'), 202);
    assert.equal(sent.body.attemptsLeft, 5);
    const second = await codeFor(outboxUrl, phoneOf(60), 2);
    assert.notEqual(second, code);
    assert.equal((await registration.call('PUT', '/code', { code })).status, 400, 'the first code stays invalid');
    await must(registration.call('PUT', '/code', { code: second }));
  });

  it('accepts a code only in its own registration, and counts an attempt in the registration that made it', async () => {
    const [first, second] = await Promise.all([registrationWithCode(system, 61), registrationWithCode(system, 62)]);
    const same = await registrationWithCode(system, 61);
    const wrong = await second.registration.call('PUT', '/code', { code: first.code });
    assert.equal(wrong.status, 400, 'the code of another number');
    assert.equal(wrong.body.attemptsLeft, 4);
    const alike = await same.registration.call('PUT', '/code', { code: first.code });
    assert.equal(alike.status, 400, 'the code of another registration of the same number');
    assert.equal(alike.body.attemptsLeft, 4);
    assert.equal((await first.registration.call('GET', '')).body.attemptsLeft, 5);
    await must(first.registration.call('PUT', '/code', { code: first.code }));
    const used = await same.registration.call('PUT', '/code', { code: first.code });
    assert.equal(used.status, 400, 'a code that was used');
    await must(same.registration.call('PUT', '/code', { code: same.code }));
  });

  it('returns 410 for an expired code, with the time of the next send', async () => {
    const [punctual, late] = await Promise.all([registrationWithCode(system, 63), registrationWithCode(system, 64)]);
    await Promise.all([untilSent(punctual.registration, 1), untilSent(late.registration, 1)]);
    const age = ({ id }: RegistrationHandle, seconds: number) =>
      ageRecords(behind.redis, `*:{${id}}:register`, seconds);
    await age(punctual.registration, codeSeconds - 600);
    await must(punctual.registration.call('PUT', '/code', { code: punctual.code }));
    await age(late.registration, codeSeconds);
    const askedAt = Date.now();
    const { status, body } = await late.registration.call('PUT', '/code', { code: late.code });
    assert.equal(status, 410);
    assert.equal(body.error_code, 'GONE');
    assertSince(body.nextCodeAt, askedAt);
    const seen = await late.registration.call('GET', '');
    assert.equal(seen.body.nextCheckAt, null);
    await untilInstant(seen.body.nextSmsAt);
    await must(send(late.registration, 'sms'), 202);
    await must(late.registration.call('PUT', '/code', { code: await codeFor(outboxUrl, phoneOf(64), 2) }));
  });

  it('stores the code only as a keyed hash once it was sent', async () => {
    const { registration, code } = await registrationWithCode(system, 65);
    await untilSent(registration, 1);
    const stored =
      JSON.stringify(await behind.verificationOf(registration.id)) +
      (await behind.redis.get(`otp:{${registration.id}}:register`));
    assert.doesNotMatch(stored, new RegExp(`\\b${code}\\b`));
    assert.doesNotMatch(stored, /encrypted/);
    const { body } = await registration.call('GET', '');
    assert.ok(!JSON.stringify(body).includes(code));
  });
});

describe('POST /api/v1/registrations/{id}/codes', () => {
  it('sends only after each configured wait, however often it is called', async () => {
    const { apiUrl } = await startAnotherApi(system, { OTP_RESEND_WAITS: '1,1' });
    const registration = await registrationAtCode(apiUrl, 66);
    let nextSmsAt = (await registration.call('GET', '')).body.nextSmsAt;
    for (let [sends, refused] = [0, 0]; sends < 3; ) {
      const { status, body, headers } = await send(registration, 'sms');
      if (status === 202) {
        assertReached(nextSmsAt, 'sent before the announced time');
        ({ nextSmsAt } = body);
        sends++;
        continue;
      }
      assertTooEarly(status, body);
      assert.equal(headers.get('retry-after'), String(body.retry_after_seconds));
      if (++refused % 10 === 0) await untilInstant(nextSmsAt);
    }
    for (let tries = 0; tries < 20; tries++) {
      const { status, body, headers } = await send(registration, 'sms');
      assertTooEarly(status, body);
      assert.equal(body.retry_after_seconds, undefined, 'waiting does not help after the last send');
      assert.equal(headers.get('retry-after'), null);
    }
    await untilSent(registration, 3);
    assert.equal(await messagesOf(66), 3);
    const { body } = await registration.call('GET', '');
    assert.equal(body.nextSmsAt, null);
    assert.ok(body.nextEmailAt, 'the other channel has its own sends');
    await must(send(registration, 'email'), 202);
  });

  it('returns the time of the next send, and a refused attempt does not move it', async () => {
    const registration = await registrationAtCode(url, 67);
    await must(send(registration, 'sms'), 202);
    const toldFor = (handedAt: number, seconds: number) =>
      eventually(async () => {
        const { body } = await registration.call('GET', '');
        return Date.parse(body.nextSmsAt) === handedAt + seconds * 1000 ? (body.nextSmsAt as string) : undefined;
      });
    await untilInstant(await toldFor(await untilSent(registration, 1), 1));
    await must(send(registration, 'sms'), 202);
    const sentAt = await untilSent(registration, 2);
    const nextSmsAt = await toldFor(sentAt, waitSeconds);
    for (let number = 0; number < 5; number++) {
      const { status, body } = await send(registration, 'sms');
      assertTooEarly(status, body);
      assertLeft(body.retry_after_seconds, waitSeconds, sentAt);
      assert.equal((await registration.call('GET', '')).body.nextSmsAt, nextSmsAt);
    }
    assert.equal(await messagesOf(67), 2);
  });

  it('returns 409 with the available channels when a user has no number', async () => {
    const registration = await startRegistration(url);
    await must(registration.call('PUT', '/directory', { username: 'joan', password: 'bletchley-1944' }));
    const { body } = await must(registration.call('PUT', '/captcha', await solveCaptcha(url)));
    assert.equal(body.phone, undefined);
    assert.equal(body.nextSmsAt, null);
    const { status, body: problem } = await send(registration, 'sms');
    assert.equal(status, 409);
    assert.equal(problem.error_code, 'CONFLICT');
    assert.deepEqual(problem.channels, ['email']);
    await must(send(registration, 'email'), 202);
    await must(registration.call('PUT', '/code', { code: await codeFor(outboxUrl, 'joan@example.org') }));
  });

  it('returns 440 with the other channels when the provider refuses permanently, and does not call it again', async () => {
    const [sms, email] = await Promise.all([registrationAtCode(url, 68), registrationAtCode(url, 69)]);
    await setFault(outboxUrl, { channel: 'sms', mode: 'error400', providerCode: '21614' });
    await setFault(outboxUrl, { channel: 'email', mode: 'error400', providerCode: '5.1.1' });
    for (const [registration, channel, others] of [
      [sms, 'sms', ['voice', 'email']],
      [email, 'email', ['sms', 'voice']],
    ] as const) {
      // with stopped time, the api does not give up waiting for the provider
      using _time = stopTime();
      const refused = await send(registration, channel);
      assert.equal(refused.status, 440);
      assert.equal(refused.body.error_code, 'PROVIDER_REFUSED');
      assert.deepEqual(refused.body.otherChannels, others);
      assert.doesNotMatch(JSON.stringify(refused.body), /\+4477|example\.org|twilio|21614/i);
    }
    const seen = await sms.call('GET', '');
    assert.equal(seen.body.state, 'pending');
    assert.equal(seen.body.nextSmsAt, null);
    assert.equal(seen.body.attemptsLeft, 5, 'no attempt was counted');
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    await setFault(outboxUrl, { channel: 'email', mode: 'none' });
    assert.equal((await send(sms, 'sms')).status, 440, 'it stays refused');
    assert.equal(await messagesOf(68), 0);
    await must(send(sms, 'email'), 202);
    await must(sms.call('PUT', '/code', { code: await codeFor(outboxUrl, 'person068@example.org') }));
    await must(send(email, 'sms'), 202);
    await must(email.call('PUT', '/code', { code: await codeFor(outboxUrl, phoneOf(69)) }));
  });

  it('returns 202 while the provider fails, reports what it waits for, and sends when the provider recovers', async () => {
    const registration = await registrationAtCode(url, 70);
    await setFault(outboxUrl, { channel: 'sms', mode: 'error500' });
    const { body } = await (async () => {
      using _time = stopTime();
      return must(send(registration, 'sms'), 202);
    })();
    assert.equal(body.state, 'waiting');
    assert.equal(body.waitingFor, 'sms');
    assert.deepEqual(body.steps[2], { name: 'code', status: 'waiting', reason: 'sms-unavailable' });
    const again = await send(registration, 'sms');
    assert.equal(again.status, 429, 'a message is already being sent');
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    const code = await codeFor(outboxUrl, phoneOf(70));
    await must(registration.call('PUT', '/code', { code }));
    assert.equal(await messagesOf(70), 1);
  });
});

describe('a code of one registration', () => {
  it('is invalid after the registration was cancelled', async () => {
    const { registration, code } = await registrationWithCode(system, 71);
    await must(registration.call('DELETE', ''), 204);
    assert.equal((await registration.call('PUT', '/code', { code })).status, 409);
    const next = await registrationWithCode(system, 71);
    const old = await next.registration.call('PUT', '/code', { code });
    assert.equal(old.status, 400);
    const elsewhere = await api.verifyCode({
      registrationId: registration.id,
      token: next.registration.token,
      body: { code: next.code },
    });
    assert.equal(elsewhere.status, 404);
  });
});

/** Runs a job, and returns how often each script of Redis was called meanwhile, by its name. */
async function scriptsOf(job: () => Promise<unknown>): Promise<Record<string, number>> {
  const folder = new URL('../../adapters/redis/', import.meta.url);
  const names = new Map(
    readdirSync(folder)
      .filter((name) => name.endsWith('.lua'))
      .map((name) => [
        createHash('sha1')
          .update(readFileSync(new URL(name, folder)))
          .digest('hex'),
        name,
      ]),
  );
  const calls: Record<string, number> = {};
  const monitor = await behind.redis.monitor();
  monitor.on('monitor', (_time: string, [command = '', sha = '']: string[]) => {
    if (command.toLowerCase() !== 'evalsha') return;
    const name = names.get(sha) ?? sha;
    calls[name] = (calls[name] ?? 0) + 1;
  });
  await job();
  monitor.disconnect();
  return calls;
}

/**
 * Raise it only for a reason that is worth a round trip of each registration. Most are one for each audit event and one for
 * each request, which counts against the limit of its source.
 */
const scriptsMax = 54;

describe('a registration by code', () => {
  it(`calls at most ${scriptsMax} scripts of Redis`, async () => {
    const calls = await scriptsOf(async () => {
      const { call } = await completedRegistration(system, 69);
      await must(call('POST', '/session'), 201);
    });
    const sum = Object.values(calls).reduce((one, other) => one + other, 0);
    assert.ok(sum > 0 && sum <= scriptsMax, `${sum}: ${JSON.stringify(calls)}`);
  });
});
