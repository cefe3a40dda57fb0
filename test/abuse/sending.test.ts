// @rerun never
/** Sending codes under abuse: the cases B of the abuse catalogue that concern limits, with their ids. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Answer,
  call,
  codeFor,
  messagesTo,
  type RegistrationHandle,
  solveCaptcha,
  startRegistration,
} from '../support/client.ts';
import { atOnce } from '../support/redis.ts';
import { allMessages, assertLimited, must, startAnotherApi } from '../support/registrations.ts';
import { connectSignal, numbers } from '../support/signal-client.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

/** Window of every limit, and wait between the codes of a registration: long enough for any machine. */
const windowSeconds = 3600;
const sendsPerNumber = 5;
const unprovenPerPrefix = 8;

const { system, behind, url, outboxUrl, api } = await withSystem({
  REGISTRATION_STEPS: 'code',
  OTP_RESEND_WAITS: '3600,3600',
  LIMIT_SENDS_PER_NUMBER: `${sendsPerNumber}/${windowSeconds}`,
  LIMIT_UNPROVEN_SENDS_PER_PREFIX: `${unprovenPerPrefix}/${windowSeconds}`,
});

const send = (registration: RegistrationHandle, headers: Record<string, string> = {}, channel = 'sms') =>
  registration.call('POST', '/codes', { channel }, headers);
const assertRefusedBy = (answer: Answer, limit: string) => assertLimited(answer, limit, windowSeconds);
const auditLog = async () => JSON.stringify(await behind.redis.xrange('audit', '-', '+'));
/** The sends that were counted for each number, with their times. */
const countedByNumber = async () =>
  Promise.all(
    (await behind.keys('ratelimit:*:sends-per-number')).map((key) => behind.redis.zrange(key, '0', '-1', 'WITHSCORES')),
  );
const sentTo = async (phone: string) => (await messagesTo(outboxUrl, phone)).length;

function assertPhoneRefused({ status, body }: Answer, reason: string, phone: string): void {
  assert.deepEqual([status, body.error_code], [400, 'INVALID_REQUEST'], phone);
  assert.equal(body.details[0].path, 'phone');
  assert.ok(body.details[0].message.startsWith(reason), `${phone}: ${body.details[0].message}`);
}

describe('B: sending', () => {
  it('B1: 100 concurrent sends of one registration send only what its waits allow', async () => {
    const phone = '+491511110001';
    const registration = await startRegistration(url, { phone });
    const answers = await atOnce(100, () => send(registration));
    assert.equal(answers.filter(({ status }) => status === 202).length, 1);
    for (const answer of answers.filter(({ status }) => status !== 202)) assert.equal(answer.status, 429);
    await codeFor(outboxUrl, phone);
    assert.equal(await sentTo(phone), 1);
  });

  it('B2, R7: 20 registrations of one number send as many codes as its limit; a refused attempt does not move the time', async () => {
    const phone = '+491521110002';
    const email = 'b2@example.org';
    const registrations = await atOnce(20, (index) =>
      startRegistration(url, { phone, email }, {}, `127.0.4.${index + 1}`),
    );
    const answers = await Promise.all(registrations.map((registration) => send(registration)));
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(refused.length, 20 - sendsPerNumber);
    for (const answer of refused) assertRefusedBy(answer, 'sends-per-number');
    await codeFor(outboxUrl, phone, sendsPerNumber);
    const [first] = registrations.filter((_, index) => answers[index]?.status === 429);
    assert.ok(first);
    const counted = await countedByNumber();
    let leastSeconds = Math.min(...refused.map(({ body }) => body.retry_after_seconds));
    for (let turn = 0; turn < 3; turn++) {
      const again = await send(first);
      assertRefusedBy(again, 'sends-per-number');
      assert.ok(again.body.retry_after_seconds <= leastSeconds);
      leastSeconds = again.body.retry_after_seconds;
    }
    assert.deepEqual(await countedByNumber(), counted);
    await must(send(first, {}, 'email'), 202);
    await codeFor(outboxUrl, email);
    assert.equal(await sentTo(phone), sendsPerNumber);
  });

  it('B3, F8: a block with unverified codes needs a captcha for each further send; one captcha allows one send', async () => {
    const strict = await startAnotherApi(system, {
      LIMIT_SENDS_WITHOUT_CAPTCHA_PER_PREFIX: '2/3600',
      CAPTCHA_COST: '2',
    });
    const ask = async (index: number, captcha?: unknown) => {
      const registration = await startRegistration(
        url,
        { phone: `+4915732${String(270_000 + index)}` },
        {},
        '127.0.5.99',
      );
      const body = { channel: 'sms', ...(captcha !== undefined && { captcha }) };
      const path = `/api/v1/registrations/${registration.id}/codes`;
      return call(strict.apiUrl, 'POST', path, { token: registration.token, body });
    };
    for (const index of [1, 2]) assert.equal((await ask(index)).status, 202);
    const refused = await ask(3);
    assertRefusedBy(refused, 'sends-without-captcha-per-prefix');
    assert.deepEqual(refused.body.otherWays, ['captcha']);
    const captcha = await solveCaptcha(strict.apiUrl);
    assert.equal((await ask(4, captcha)).status, 202);
    const again = await ask(5, captcha);
    assert.deepEqual([again.status, again.body.error], [400, 'The captcha token was already used']);
    for (const bad of [{ provider: captcha.provider, token: 'none' }, { provider: 'x', token: 'x' }, null, 'x']) {
      assert.equal((await ask(6, bad)).status, 400, JSON.stringify(bad));
    }
    assert.equal(await sentTo('+4915732270003'), 0);
    await strict.stop();
  });

  it('B3: consecutive numbers from many addresses pause their block, with one audit event, until one right code', async () => {
    const numberOf = (index: number) => `+4915731${String(270_000 + index)}`;
    const registrations = await atOnce(15, (index) =>
      startRegistration(url, { phone: numberOf(index) }, {}, `127.0.5.${index + 1}`),
    );
    const answers = await Promise.all(registrations.map((registration) => send(registration)));
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(refused.length, 15 - unprovenPerPrefix);
    for (const answer of refused) assertRefusedBy(answer, 'unproven-sends-per-prefix');

    await until(async () => (await auditLog()).includes('prefix-paused'));
    const audit = await auditLog();
    assert.equal(audit.split('prefix-paused').length - 1, 1);
    assert.ok(!audit.includes('4915731'));
    const elsewhere = await startRegistration(url, { phone: '+491573199000' });
    await must(send(elsewhere), 202);

    const proven = answers.findIndex(({ status }) => status === 202);
    const code = await codeFor(outboxUrl, numberOf(proven));
    await must(registrations[proven]?.call('PUT', '/code', { code }) ?? Promise.reject(new Error('No code was sent')));
    const next = registrations[answers.findIndex(({ status }) => status === 429)];
    assert.ok(next);
    await must(send(next), 202);
  });

  it('B4: premium, satellite and other unsupported numbers are refused before anything is stored', async () => {
    const before = [await behind.countRegistrations(), (await allMessages(outboxUrl)).length];
    for (const phone of [
      ...['+19005551234', '+1 900 000 0000', '+447012345678', '+447000000000', '+979123456789', '+80812345678'],
      ...['+878101234567890', '+870773123456', '+881612345678', '+882161234567', '+883510012345678', '+80012345678'],
      ...['+491804123456', '+15005550006', '+447640123456'],
    ]) {
      const { status, body } = await api.createRegistration({ body: { phone } });
      assert.equal(status, 400, phone);
      assert.match(body.details[0].message, /^(number-not-supported|must be a telephone number)/, phone);
      assert.equal(body.details[0].path, 'phone');
    }
    assert.deepEqual([await behind.countRegistrations(), (await allMessages(outboxUrl)).length], before);
  });

  it('B5: only numbers of listed countries are accepted, and the area code tells the countries of +1 apart', async () => {
    const american = await startAnotherApi(system, { COUNTRIES_ALLOWED: 'US,CA' });
    const start = (phone: string) => api.createRegistration({ at: american.apiUrl, body: { phone } });
    for (const phone of ['+18764567890', '+12423590100', '+18095551234', '+491711234567', '+447700900101']) {
      assertPhoneRefused(await start(phone), 'country-not-allowed', phone);
    }
    for (const phone of ['+12025550102', '+14165550102']) await must(start(phone), 201);
    await american.stop();
  });

  it('B7: two concurrent sends are one message; the same key gets the same response; with another body it is refused', async () => {
    const [plain, keyed] = await Promise.all([
      startRegistration(url, { phone: '+491601110071', email: 'b7@example.org' }),
      startRegistration(url, { phone: '+491601110072', email: 'b7@example.org' }),
    ]);
    const statuses = (await atOnce(2, () => send(plain))).map(({ status }) => status);
    assert.deepEqual(statuses.toSorted(), [202, 429]);
    const key = { 'Idempotency-Key': 'b7' };
    const answers = await atOnce(2, () => send(keyed, key));
    for (const { status } of answers) assert.equal(status, 202);
    await must(send(keyed, key), 202);
    assert.equal((await send(keyed, key, 'email')).status, 409);
    await must(send(plain, key, 'email'), 202);
    await Promise.all(['+491601110071', '+491601110072'].map((phone) => codeFor(outboxUrl, phone)));
    assert.deepEqual([await sentTo('+491601110071'), await sentTo('+491601110072')], [1, 1]);
  });

  it('B19: messages contain no text from user input', async () => {
    const phone = '+491601110190';
    const registration = await startRegistration(url, {
      phone,
      email: 'b19@example.org',
      fullName: 'Win €500 https://evil.example',
      username: 'evil.example',
    });
    for (const channel of ['sms', 'email']) await must(send(registration, {}, channel), 202);
    await codeFor(outboxUrl, 'b19@example.org');
    await codeFor(outboxUrl, phone);
    for (const to of [phone, 'b19@example.org']) {
      assert.doesNotMatch(JSON.stringify(await messagesTo(outboxUrl, to)), /evil|€|Win /);
    }
  });
});

describe('limits', () => {
  it('stop paid sends at the cost limit per day, with an audit event, and nothing else', async () => {
    const poor = await startAnotherApi(system, { COST_PER_SMS: '100,DE:0.5', COST_LIMIT_PER_DAY: '50' });
    const start = (phone: string) => startRegistration(poor.apiUrl, { phone, email: 'poor@example.org' });
    const registration = await start('+12025550109');
    const refused = await send(registration);
    assertLimited(refused, 'cost-per-day', 86_400);
    assert.ok(refused.body.retry_after_seconds <= 86_400);
    await must(send(registration, {}, 'email'), 202);
    await must(send(await start('+491621110001')), 202);
    assert.equal(await sentTo('+12025550109'), 0);
    await until(async () => (await auditLog()).includes('sending-stopped'));
    await poor.stop();
  });

  it('are returned in headers on every route, and stop requests of one address but no probe', async () => {
    const { headers } = await api.offerCaptcha();
    for (const name of ['limit', 'remaining', 'reset']) assert.match(headers.get(`ratelimit-${name}`) ?? '', /^\d+$/);
    const strict = await startAnotherApi(system, { LIMIT_REQUESTS_PER_ADDRESS: '5/3600' });
    const ask = (path: string, from: string) => call(strict.apiUrl, 'GET', path, { from });
    const left: (string | null)[] = [];
    for (let turn = 0; turn < 5; turn++) {
      left.push((await must(ask('/api/v1/captcha', '127.0.6.1'))).headers.get('ratelimit-remaining'));
    }
    assert.deepEqual(left, ['4', '3', '2', '1', '0']);
    for (const path of ['/api/v1/captcha', '/api/v1/users/me', '/nowhere']) {
      assertRefusedBy(await ask(path, '127.0.6.1'), 'requests-per-address');
    }
    assert.equal((await ask('/health', '127.0.6.1')).status, 200);
    await must(ask('/api/v1/captcha', '127.0.6.2'));
    await strict.stop();
  });

  it('on money or secrets fail closed while Redis is unavailable; the limit on requests fails open', async () => {
    const alone = await startAnotherApi(system, { REDIS_URL: 'redis://127.0.0.1:1' });
    assert.equal((await api.offerCaptcha({ at: alone.apiUrl })).status, 200);
    const started = await api.createRegistration({ at: alone.apiUrl, body: { phone: '+491621110009' } });
    assert.deepEqual([started.status, started.body.error_code], [503, 'UNAVAILABLE']);
    await alone.stop();
  });
});

describe('R6: the endpoints for registrations and for Signal', () => {
  const errors = { rateLimited: numbers.SEND_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED };

  it('refuse the same numbers', async () => {
    const signal = connectSignal(system.ready.grpcAddress);
    for (const phone of ['+447012345678', '+19005551234', '+979123456789', '+44']) {
      const atRest = await api.createRegistration({ body: { phone } });
      const { error, sessionMetadata } = await signal.call('CreateSession', { e164: phone.slice(1) });
      assert.deepEqual([atRest.status, sessionMetadata], [400, undefined], phone);
      assert.equal(error?.errorType, numbers.CREATE_REGISTRATION_SESSION_ERROR_TYPE_ILLEGAL_PHONE_NUMBER, phone);
    }
    signal.close();
  });

  it('count sends to a number together', async () => {
    const phone = '+491511110066';
    const signal = connectSignal(system.ready.grpcAddress);
    const { sessionMetadata } = await signal.call('CreateSession', { e164: phone.slice(1) });
    const order = { sessionId: sessionMetadata?.sessionId, transport: numbers.MESSAGE_TRANSPORT_SMS };
    assert.equal((await signal.call('SendVerificationCode', order)).error, undefined);
    const registrations = await atOnce(sendsPerNumber, (index) =>
      startRegistration(url, { phone }, {}, `127.0.6.${index + 1}`),
    );
    const answers = await Promise.all(registrations.map((registration) => send(registration)));
    assert.equal(answers.filter(({ status }) => status === 202).length, sendsPerNumber - 1);
    const other = await signal.call('CreateSession', { e164: phone.slice(1) });
    const again = { ...order, sessionId: other.sessionMetadata?.sessionId };
    assert.equal((await signal.call('SendVerificationCode', again)).error?.errorType, errors.rateLimited);
    signal.close();
  });
});
