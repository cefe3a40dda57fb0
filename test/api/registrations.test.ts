import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ageRecords } from '../support/aging.ts';
import {
  type Answer,
  codeFor,
  messagesTo,
  type RegistrationHandle,
  registrationOf,
  solveCaptcha,
  startRegistration,
} from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { assertLeft, assertReached, assertSince } from '../support/instants.ts';
import { registeredPerson } from '../support/people.ts';
import {
  allMessages,
  completedRegistration,
  goodPassword,
  must,
  passCaptcha,
  passDirectory,
  phoneOf,
  registrationWithCode,
  startAnotherApi,
  wrongCode,
} from '../support/registrations.ts';
import { type StoppedTime, stopTime } from '../support/stopped-time.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

/** Lifetime of a registration, and the wait between two sends: both long enough for any machine. */
const ttlSeconds = 7200;
const waitSeconds = 3600;

const { system, behind, url, api } = await withSystem({
  REGISTRATION_TTL: String(ttlSeconds),
  OTP_TTL: '3600',
  OTP_RESEND_WAITS: String(waitSeconds),
});

/** The steps as text: name, status and reason. */
function stepsOf(registration: { steps: { name: string; status: string; reason?: string }[] }): string[] {
  return registration.steps.map(({ name, status, reason }) => [name, status, reason].filter(Boolean).join(' '));
}

/** Holds the response to a request as soon as it has arrived. */
function coming(answering: Promise<Answer>): { answer?: Answer } {
  const seen: { answer?: Answer } = {};
  answering.then(
    (answer) => {
      seen.answer = answer;
    },
    () => undefined,
  );
  return seen;
}

/**
 * Waits until a long poll of a registration has started, then lets time pass. Returns its response and how much time
 * passed, in ms. That is a little more than requested if the timer of the poll started in the meantime.
 */
async function toldAfter(time: StoppedTime, { id }: RegistrationHandle, answering: Promise<Answer>, ms: number) {
  const seen = coming(answering);
  const channel = `registration:{${id}}`;
  await until(async () => Number((await behind.redis.pubsub('NUMSUB', channel)).at(1)) > 0);
  await api.readReadiness();
  assert.equal(seen.answer, undefined, 'it waits as long as nothing changes');
  await time.pass(ms);
  let passedMs = ms;
  const told = await eventually(async () => {
    if (seen.answer !== undefined) return seen.answer;
    await time.pass(1);
    passedMs++;
    return undefined;
  });
  return { told, passedMs };
}

/** Keys with the input and the codes of a registration: all but its status, its counters, its deliveries and their reports. */
async function secretsOf(registrationId: string): Promise<string[]> {
  const keys = await behind.keys(`*${registrationId}*`);
  return keys.filter((key) => !/^(registration|ratelimit|delivery|reports):/.test(key));
}

/** Asserts that every step of an expired registration returns 410, and that it gives no session. */
async function assertGone(registration: RegistrationHandle, code: string): Promise<void> {
  for (const [method, path, given] of [
    ['PUT', '/code', { code }],
    ['PUT', '/captcha', await solveCaptcha(url)],
    ['PUT', '/credentials', { password: goodPassword }],
    ['PUT', '/directory', { username: 'person013', password: 'person-013' }],
    ['POST', '/codes', { channel: 'sms' }],
    ['DELETE', '', undefined],
  ] as const) {
    const { status, body } = await registration.call(method, path, given);
    assert.equal(status, 410, `${method} ${path}`);
    assert.equal(body.error_code, 'GONE');
  }
  assert.equal((await registration.call('POST', '/session')).status, 409);
}

describe('POST /api/v1/registrations', () => {
  it('returns 201 with the whole registration, its location and a token that is returned once', async () => {
    const begunAt = Date.now();
    const { status, body, headers } = await api.createRegistration({ body: {} });
    assert.equal(status, 201);
    const { registrationId, registrationToken, expiresAt, ...rest } = body;
    assert.match(registrationId, /^[0-9a-f]{32}$/);
    assert.ok(registrationToken.length >= 43, 'the token has 256 bits');
    assertSince(expiresAt, begunAt, ttlSeconds);
    assert.deepEqual(rest, {
      state: 'pending',
      steps: [
        { name: 'directory', status: 'open' },
        { name: 'captcha', status: 'open' },
        { name: 'code', status: 'blocked', reason: 'directory-open' },
        { name: 'credentials', status: 'open' },
      ],
      nextSmsAt: null,
      nextVoiceAt: null,
      nextEmailAt: null,
      nextCheckAt: null,
      attemptsLeft: 5,
    });
    assert.equal(headers.get('location'), `/api/v1/registrations/${registrationId}`);
    assert.equal(headers.get('cache-control'), 'no-store');
    const read = await registrationOf(url, registrationId, registrationToken).call('GET', '');
    assert.equal(read.status, 200);
    assert.deepEqual(read.body, { registrationId, expiresAt, ...rest });
  });

  it('masks the number and the address from the client, and replaces them by those of the directory', async () => {
    const given = { phone: '+1 (202) 555-0100', email: 'Alice.Smith@Example.COM', fullName: 'A', username: 'alice' };
    const { body } = await api.createRegistration({ body: { ...given, client: 'ios', locale: 'de' } });
    assert.equal(body.phone, '+1•••••0100');
    assert.equal(body.email, 'A•••@example.com');
    const registration = registrationOf(url, body.registrationId, body.registrationToken);
    const proven = await passDirectory(registration, 1);
    assert.equal(proven.body.phone, '+44•••••0001');
    assert.equal(proven.body.email, 'p•••@example.org');
    await passCaptcha(url, registration);
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    await codeFor(system.ready.outboxUrl, phoneOf(1));
    const everybody = (await allMessages(system.ready.outboxUrl)).map(({ to }) => to);
    assert.ok(!everybody.includes('+12025550100'), 'no message went to the number from the client');
  });
});

describe('a registration before its first step', () => {
  it('has no workflow, however often it is read or refused; its first step starts the workflow', async () => {
    const given = { phone: '+12025550101', email: 'nobody-yet@example.com', fullName: 'Nobody Yet' };
    const registration = await startRegistration(url, given);
    const vain = [
      registration.call('GET', '?waitSeconds=1'),
      registration.call('PUT', '/code', { code: '123456' }),
      registration.call('POST', '/codes', { channel: 'sms' }),
      registration.call('PUT', '/credentials', { password: 'short' }),
      registration.call('POST', '/session'),
    ];
    await Promise.all(vain);
    await assert.rejects(behind.historyLengthOf(registration.id), { name: 'WorkflowNotFoundError' });
    const stored = await behind.redis.hgetall(`registration:{${registration.id}}`);
    for (const personal of ['2025550101', 'nobody-yet', 'Nobody']) {
      assert.ok(!JSON.stringify(stored).includes(personal), `${personal} is encrypted`);
    }
    assert.ok(stored.start);
    await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    assert.ok((await behind.historyLengthOf(registration.id)) > 0);
    assert.equal((await behind.redis.hgetall(`registration:{${registration.id}}`)).start, undefined);
  });

  it('expires at the time that was returned at its start, whenever its first step comes', async () => {
    const registration = await startRegistration(url);
    const { body } = await registration.call('GET', '');
    const later = await passCaptcha(url, registration);
    assert.equal(later.body.expiresAt, body.expiresAt);
  });

  it('can be cancelled', async () => {
    const registration = await startRegistration(url);
    await must(registration.call('DELETE', ''), 204);
    assert.equal((await registration.call('GET', '')).body.state, 'cancelled');
    assert.equal((await registration.call('PUT', '/captcha', await solveCaptcha(url))).status, 409);
  });

  it('expires at the end of its lifetime, also during a long poll, without a workflow', async () => {
    using time = stopTime(['setTimeout', 'Date']);
    const registration = await startRegistration(url);
    await ageRecords(behind.redis, `registration:{${registration.id}}`, ttlSeconds - 20);
    const { told, passedMs } = await toldAfter(time, registration, registration.call('GET', '?waitSeconds=30'), 20_000);
    assert.equal(told.body.state, 'expired');
    assert.ok(passedMs < 30_000, 'before the long poll times out');
    await assertGone(registration, '123456');
    await assert.rejects(behind.historyLengthOf(registration.id), { name: 'WorkflowNotFoundError' });
    const goneAt = await behind.redis.pexpiretime(`registration:{${registration.id}}`);
    assert.equal(goneAt, Date.parse(told.body.expiresAt) + 600_000, 'its data expires ten minutes later');
  });
});

describe('a registration from its start to its session', () => {
  it('returns at every step what is next, and ends with an account', async () => {
    const registration = await startRegistration(url);
    const proven = await passDirectory(registration, 2);
    assert.deepEqual(stepsOf(proven.body), [
      'directory done',
      'captcha open',
      'code blocked captcha-open',
      'credentials open',
    ]);
    assert.equal(proven.body.nextSmsAt, null);
    const solved = await passCaptcha(url, registration);
    assert.deepEqual(stepsOf(solved.body), ['directory done', 'captcha done', 'code open', 'credentials open']);
    assertReached(solved.body.nextSmsAt, 'an SMS may be requested now');
    assertReached(solved.body.nextEmailAt, 'an e-mail may be requested now');
    assert.equal(solved.body.nextCheckAt, null);

    const askedAt = Date.now();
    const sent = await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    assert.equal(sent.body.attemptsLeft, 5);
    assertSince(sent.body.nextSmsAt, askedAt, waitSeconds);

    const code = await codeFor(system.ready.outboxUrl, phoneOf(2));
    const { body: open } = await registration.call('GET', '');
    assertReached(open.nextCheckAt, 'a code may be checked now');
    const wrong = await registration.call('PUT', '/code', { code: wrongCode(code) });
    assert.equal(wrong.status, 400);
    assert.equal(wrong.body.error_code, 'INVALID_OTP');
    assert.equal(wrong.body.attemptsLeft, 4);
    const right = await must(registration.call('PUT', '/code', { code }));
    assert.deepEqual(stepsOf(right.body), ['directory done', 'captcha done', 'code done', 'credentials open']);
    assert.equal(right.body.nextCheckAt, null);
    assert.equal(right.body.nextSmsAt, null);

    const early = await registration.call('POST', '/session');
    assert.equal(early.status, 409);
    const completed = await must(registration.call('PUT', '/credentials', { password: goodPassword, pin: '4826' }));
    assert.equal(completed.body.state, 'completed');
    assert.ok(completed.body.userId);

    const session = await must(registration.call('POST', '/session'), 201);
    const { user } = session.body;
    assert.equal(session.body.tokenType, 'Bearer');
    assert.equal(session.body.expiresInSeconds, 3600);
    assert.equal(session.body.refreshExpiresInSeconds, 604_800);
    assert.equal(user.userId, completed.body.userId);
    assert.equal(user.username, 'person002');
    assert.equal(user.phone, phoneOf(2));
    assert.equal(user.email, 'person002@example.org');
    assert.equal(session.headers.get('location'), '/api/v1/auth/session');
    const again = await registration.call('POST', '/session');
    assert.equal(again.status, 409);
    assert.equal(again.body.error_code, 'CONFLICT');

    const me = await api.readMe({ token: session.body.accessToken });
    assert.deepEqual(me.body, user);
    const own = await api.readSession({ token: session.body.accessToken });
    assert.equal(own.status, 200);
    assert.equal(own.body.userId, user.userId);
    assert.equal(own.body.ip, '127.0.0.1');
    assert.equal(own.body.deviceId, null);
  });

  it('can be continued by any holder of the token, in any order that the step dependencies allow', async () => {
    const registration = await startRegistration(url);
    await must(registration.call('PUT', '/credentials', { pin: '739182' }));
    await passCaptcha(url, registration);
    const elsewhere = registrationOf(url, registration.id, registration.token);
    await passDirectory(elsewhere, 3);
    await must(elsewhere.call('POST', '/codes', { channel: 'email' }), 202);
    const code = await codeFor(system.ready.outboxUrl, 'person003@example.org');
    const completed = await must(registration.call('PUT', '/code', { code }));
    assert.equal(completed.body.state, 'completed');
  });

  it('returns the same response for every step that is repeated', async () => {
    const { registration, code } = await registrationWithCode(system, 4);
    const first = await must(registration.call('PUT', '/code', { code }));
    const again = await must(registration.call('PUT', '/code', { code }));
    assert.deepEqual(again.body, first.body);
    const directory = await passDirectory(registration, 4);
    assert.deepEqual(directory.body, first.body);
    const captcha = await passCaptcha(url, registration);
    assert.deepEqual(captcha.body, first.body);
  });

  it('refuses the directory step for another user once it is done', async () => {
    const registration = await startRegistration(url);
    await passDirectory(registration, 5);
    const other = await registration.call('PUT', '/directory', { username: 'person006', password: 'person-006' });
    assert.equal(other.status, 409);
    const { body } = await registration.call('GET', '');
    assert.equal(body.phone, '+44•••••0005');
  });
});

describe('PUT /api/v1/registrations/{id}/directory', () => {
  it('D4: returns the same 401 for unknown users, wrong passwords and disabled users', async () => {
    const registration = await startRegistration(url);
    const people = [
      { username: 'nobody-of-that-name', password: 'person-001' },
      { username: 'person007', password: 'person-008' },
      { username: 'mallory', password: 'disabled-entry' },
    ];
    const answers = await Promise.all(people.map((person) => registration.call('PUT', '/directory', person)));
    for (const { status, body, headers } of answers) {
      assert.equal(status, 401);
      assert.equal(body.error_code, 'UNAUTHORIZED');
      assert.ok(headers.get('www-authenticate'));
    }
    const seen = answers.map(({ body: { request_id: _, ...body }, headers }) => [body, [...headers.keys()]]);
    assert.deepEqual(seen[1], seen[0]);
    assert.deepEqual(seen[2], seen[0]);
  });

  it('returns 429 with the limit after five wrong passwords for one name, and accepts other names', async () => {
    const registration = await startRegistration(url);
    const begunAt = Date.now();
    for (let number = 1; number <= 5; number++) {
      const wrong = await registration.call('PUT', '/directory', {
        username: 'Person008',
        password: `wrong ${number}`,
      });
      assert.equal(wrong.status, 401);
    }
    const right = await (await startRegistration(url)).call('PUT', '/directory', {
      username: 'person008',
      password: 'person-008',
    });
    assert.equal(right.status, 429);
    assert.equal(right.body.error_code, 'RATE_LIMITED');
    assert.equal(right.body.limit, 'directory-tries');
    assert.equal(right.headers.get('retry-after'), String(right.body.retry_after_seconds));
    assertLeft(right.body.retry_after_seconds, 900, begunAt);
    await passDirectory(registration, 9);
  });
});

describe('PUT /api/v1/registrations/{id}/credentials', () => {
  it('returns 400 and names the field when it is too easy to guess, and accepts a better one', async () => {
    const registration = await startRegistration(url);
    const weak: [object, string][] = [
      [{ password: 'password1234' }, 'password'],
      [{ password: '4dm1n1str4t0r!' }, 'password'],
      [{ password: 'short' }, 'password'],
      [{ password: `${goodPassword}${'x'.repeat(128)}` }, 'password'],
      [{ pin: '1234' }, 'pin'],
      [{ pin: '7777' }, 'pin'],
      [{ pin: '9876' }, 'pin'],
      [{ pin: '12a4' }, 'pin'],
      [{ pin: '481' }, 'pin'],
      [{ pin: '٤٨٢' }, 'pin'],
      [{}, ''],
    ];
    for (const [body, path] of weak) {
      const refused = await registration.call('PUT', '/credentials', body);
      assert.equal(refused.status, 400, JSON.stringify(body));
      assert.deepEqual(
        refused.body.details.map((detail: { path: string }) => detail.path),
        [path],
      );
    }
    const { body } = await must(registration.call('PUT', '/credentials', { password: goodPassword, pin: '4826' }));
    assert.equal(stepsOf(body).at(-1), 'credentials done');
  });
});

describe('GET /api/v1/registrations/{id}', () => {
  it('returns as soon as something changes when it is requested to wait', async () => {
    const [registration, other] = [await startRegistration(url), await startRegistration(url)];
    using time = stopTime();
    const waiting = coming(registration.call('GET', '?waitSeconds=30'));
    const { told } = await toldAfter(time, other, other.call('GET', '?waitSeconds=1'), 1000);
    assert.equal(stepsOf(told.body)[1], 'captcha open');
    await passCaptcha(url, registration);
    const changed = await eventually(() => waiting.answer);
    assert.equal(stepsOf(changed.body)[1], 'captcha done');
  });

  it('returns an ended registration at once, and 400 for a wait out of bounds', async () => {
    const registration = await startRegistration(url);
    await must(registration.call('DELETE', ''), 204);
    const atOnce = await (async () => {
      using _time = stopTime();
      const waiting = coming(registration.call('GET', '?waitSeconds=30'));
      return eventually(() => waiting.answer);
    })();
    assert.equal(atOnce.body.state, 'cancelled');
    for (const query of [
      'waitSeconds=31',
      'waitSeconds=-1',
      'waitSeconds=1e1',
      'waitSeconds=',
      'waitSeconds=1&waitSeconds=2',
      'wait=1',
    ]) {
      const { status } = await registration.call('GET', `?${query}`);
      assert.equal(status, 400, query);
    }
  });
});

describe('DELETE /api/v1/registrations/{id}', () => {
  it('returns 204, also for repeated and concurrent requests, and undoes the steps', async () => {
    const { registration, code } = await registrationWithCode(system, 10);
    await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    const answers = await Promise.all([1, 2, 3].map(() => registration.call('DELETE', '')));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [204, 204, 204],
    );
    await must(registration.call('DELETE', ''), 204);
    const { body } = await registration.call('GET', '');
    assert.equal(body.state, 'cancelled');
    assert.equal(body.nextSmsAt, null);
    assert.deepEqual(await secretsOf(registration.id), []);
    for (const [method, path, given] of [
      ['PUT', '/code', { code }],
      ['PUT', '/captcha', await solveCaptcha(url)],
      ['PUT', '/credentials', { password: goodPassword }],
      ['PUT', '/directory', { username: 'person010', password: 'person-010' }],
      ['POST', '/codes', { channel: 'sms' }],
      ['POST', '/session', undefined],
    ] as const) {
      const { status, body: problem } = await registration.call(method, path, given);
      assert.equal(status, 409, `${method} ${path}`);
      assert.equal(problem.error_code, 'CONFLICT');
    }
    const next = await completedRegistration(system, 10);
    assert.equal((await next.call('GET', '')).body.state, 'completed');
  });

  it('returns 409 when the registration is completed', async () => {
    const registration = await completedRegistration(system, 11);
    const { status, body } = await registration.call('DELETE', '');
    assert.equal(status, 409);
    assert.equal(body.state, 'completed');
    await must(registration.call('POST', '/session'), 201);
  });
});

describe('a user who has an account', () => {
  it('gets 409 at the end of a second registration, and keeps the first account', async () => {
    await registeredPerson(system, 12);
    const { registration, code } = await registrationWithCode(system, 12);
    await must(registration.call('PUT', '/code', { code }));
    const refused = await registration.call('PUT', '/credentials', { password: goodPassword });
    assert.equal(refused.status, 409);
    const { body } = await registration.call('GET', '');
    assert.equal(body.state, 'rejected');
    assert.equal(body.reason, 'identity-taken');
    assert.equal(body.userId, undefined);
    assert.equal((await registration.call('POST', '/session')).status, 409);
  });
});

describe('an api with another configuration', { concurrency: true }, () => {
  it('REGISTRATION_TTL: a registration expires, then returns 410 for every step and keeps no code and no credentials', async () => {
    const { apiUrl } = await startAnotherApi(system, { REGISTRATION_TTL: '10' });
    // starts over if the machine paused for the whole lifetime of a registration
    const { registration, code } = await eventually(async () => {
      const begun = await registrationWithCode({ ready: { ...system.ready, apiUrl } }, 13);
      await must(begun.registration.call('PUT', '/credentials', { password: goodPassword }));
      return begun;
    });
    let seen: Answer = await registration.call('GET', '?waitSeconds=30');
    await until(async () => {
      if (seen.body.state !== 'pending') return true;
      seen = await registration.call('GET', '?waitSeconds=30');
      return false;
    });
    assert.equal(seen.body.state, 'expired');
    // the data is removed after the end is published
    await until(async () => (await secretsOf(registration.id)).length === 0);
    await assertGone(registration, code);
    assert.deepEqual(await secretsOf(registration.id), []);
  });

  it('REGISTRATION_STEPS without a directory: the client chooses the recipient of the code, here by e-mail only', async () => {
    const { apiUrl } = await startAnotherApi(system, { REGISTRATION_STEPS: 'captcha,code,credentials' });
    await holdToContract(apiUrl);
    const nobody = await api.createRegistration({ at: apiUrl, body: { fullName: 'A' } });
    assert.equal(nobody.status, 400);
    assert.equal(nobody.body.details[0].path, 'phone');

    const address = 'Mixed.Case@Example.net';
    const registration = await startRegistration(apiUrl, { email: address, username: 'mixed', fullName: 'Mixed Case' });
    const first = await registration.call('GET', '');
    assert.deepEqual(stepsOf(first.body), ['captcha open', 'code blocked captcha-open', 'credentials open']);
    const directory = await registration.call('PUT', '/directory', { username: 'person001', password: 'person-001' });
    assert.equal(directory.status, 409);
    assert.deepEqual(directory.body.steps, ['captcha', 'code', 'credentials']);
    await passCaptcha(apiUrl, registration);
    const sms = await registration.call('POST', '/codes', { channel: 'sms' });
    assert.equal(sms.status, 409);
    assert.deepEqual(sms.body.channels, ['email']);
    await must(registration.call('POST', '/codes', { channel: 'email' }), 202);
    const code = await codeFor(system.ready.outboxUrl, address);
    const [message] = await messagesTo(system.ready.outboxUrl, address);
    assert.equal(message?.to, 'Mixed.Case@example.net');
    await must(registration.call('PUT', '/code', { code }));
    await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    const { body } = await must(registration.call('POST', '/session'), 201);
    assert.equal(body.user.email, 'Mixed.Case@example.net');
    assert.equal(body.user.username, 'mixed');

    const again = await startRegistration(apiUrl, { email: 'mixed.case@EXAMPLE.net', username: 'other' });
    await passCaptcha(apiUrl, again);
    await must(again.call('POST', '/codes', { channel: 'email' }), 202);
    const second = await codeFor(system.ready.outboxUrl, address, 2);
    await must(again.call('PUT', '/code', { code: second }));
    const refused = await again.call('PUT', '/credentials', { password: goodPassword });
    assert.equal(refused.status, 409, 'the same address in another case is the same address');
  });

  it('REGISTRATION_STEPS with the code first: the account gets only the verified number or address', async () => {
    const { apiUrl } = await startAnotherApi(system, { REGISTRATION_STEPS: 'code,credentials' });
    await holdToContract(apiUrl);
    const registration = await startRegistration(apiUrl, { phone: '+44 7700 900601', email: 'both@example.net' });
    const { body } = await registration.call('GET', '');
    assert.deepEqual(stepsOf(body), ['code open', 'credentials open']);
    assert.equal((await registration.call('PUT', '/captcha', { provider: 'altcha', token: 'x' })).status, 409);

    const stranger = await register(apiUrl, { phone: '+447700900610', email: 'owner@example.net' }, 'sms');
    assert.equal(stranger.phone, '+447700900610');
    assert.equal(stranger.email, undefined);
    const owner = await register(apiUrl, { phone: '+447700900611', email: 'Owner@example.net' }, 'email');
    assert.equal(owner.email, 'Owner@example.net', 'the stranger did not claim the address');
    assert.equal(owner.phone, undefined);
    for (const { body: text } of await allMessages(system.ready.outboxUrl)) {
      assert.match(
        text,
        /^(\d{6} (is your Vyry verification code|ist Ihr Bestätigungscode für Vyry)\. |Your verification code is \d{6}\.)/,
      );
      assert.doesNotMatch(text, /evil/, 'messages contain no text from a client');
    }
  });

  /** Registers a user who requests codes by both channels and verifies that of one. */
  async function register(apiUrl: string, given: { phone: string; email: string }, channel: 'sms' | 'email') {
    const { outboxUrl } = system.ready;
    const registration = await startRegistration(apiUrl, { ...given, fullName: 'Win 500 https://evil.example' });
    const other = channel === 'sms' ? 'email' : 'sms';
    for (const way of [other, channel]) {
      await must(registration.call('POST', '/codes', { channel: way }), 202);
      await codeFor(outboxUrl, way === 'sms' ? given.phone : given.email);
    }
    const code = await codeFor(outboxUrl, channel === 'sms' ? given.phone : given.email);
    await must(registration.call('PUT', '/code', { code }));
    const completed = await must(registration.call('PUT', '/credentials', { pin: '482619' }));
    assert.equal(completed.body.state, 'completed');
    return (await must(registration.call('POST', '/session'), 201)).body.user;
  }
});
