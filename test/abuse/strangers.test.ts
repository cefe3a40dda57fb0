// @rerun never
/** What strangers can do in the name of others, and what answers and limits reveal or keep: cases F11 to F30. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { startEstimator } from '../../api/estimator.ts';
import { requireStrongPassword } from '../../api/strength.ts';
import type { AuditEvent } from '../../domain/audit.ts';
import {
  type Answer,
  call,
  codeFor,
  messagesTo,
  notificationsTo,
  solveCaptcha,
  startRegistration,
} from '../support/client.ts';
import { registeredPerson, signedIn } from '../support/people.ts';
import { recordEvents } from '../support/recorder.ts';
import { assertLimited, goodPassword, must, startAnotherApi, wrongCode } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const newPassword = 'violet-harbour-engraves-93';
const sendsMax = 6;

const { system, behind, url, outboxUrl } = await withSystem({
  REGISTRATION_STEPS: 'code,credentials',
  LIMIT_WRONG_PASSWORDS_PER_NAME: '10/900',
  LIMIT_WRONG_CODES_PER_NUMBER: '15/3600',
  LIMIT_SENDS_PER_NUMBER: `${sendsMax}/86400`,
});

interface Options {
  headers?: Record<string, string>;
  token?: string;
  from?: string;
  at?: string;
}

const post = (path: string, body: unknown, { at = url, ...options }: Options = {}): Promise<Answer> =>
  call(at, 'POST', `/api/v1/auth${path}`, { body, ...options });
const withKey = (key: string) => ({ headers: { 'Idempotency-Key': key } });
const sessionAt = (token: string) => call(url, 'GET', '/api/v1/auth/session', { token });

/** A user with a name, a number and an address. */
function identityOf(index: number) {
  const phone = `+44770090${String(index).padStart(4, '0')}`;
  return { username: `victim${index}`, fullName: 'A Victim', phone, email: `victim${index}@example.org` };
}

/** Begins a log-in and returns it with its code. */
async function codeOf(identifier: string, to: string, at = url) {
  const before = (await messagesTo(outboxUrl, to)).length;
  const { body } = await must(post('/login', { identifier }, { at }), 202);
  return { loginId: body.loginId as string, code: await codeFor(outboxUrl, to, before + 1) };
}

describe('A kept answer', () => {
  it('F18: does not stand for a password: after a change the former one is wrong, also with the same key', async () => {
    const { username: identifier } = identityOf(1);
    await registeredPerson(system, identityOf(1));
    const former = () => post('/login', { identifier, password: goodPassword }, withKey('f18-change'));
    const first = await must(former());
    assert.deepEqual((await must(former())).body, first.body, 'a repeat gets the first answer');
    const change = { currentPassword: goodPassword, newPassword };
    await must(call(url, 'PUT', '/api/v1/auth/password', { body: change, token: first.body.accessToken }), 204);
    const late = await former();
    assert.deepEqual([late.status, late.body.error_code], [401, 'UNAUTHORIZED']);
  });

  it('F18: has no tokens of a session that has ended', async () => {
    const { username: identifier } = identityOf(2);
    await registeredPerson(system, identityOf(2));
    const logIn = () => post('/login', { identifier, password: goodPassword }, withKey('f18-out'));
    const { body: dead } = await must(logIn());
    await must(post('/logout', {}, { token: dead.accessToken }), 204);
    const { body: live } = await must(logIn());
    await must(sessionAt(live.accessToken));
    assert.notEqual(live.refreshToken, dead.refreshToken);
    assert.equal((await sessionAt(dead.accessToken)).status, 401);
  });

  it('F18: does not stand for a code, and is not given to a log-in that has ended', async () => {
    const { username, phone } = identityOf(3);
    await registeredPerson(system, identityOf(3));
    const { loginId, code } = await codeOf(username, phone);
    const verify = (given: string) =>
      post('/login/verify', { loginId, code: given, password: goodPassword }, withKey('f18-code'));
    const { body } = await must(verify(code));
    assert.equal((await verify(wrongCode(code))).status, 400);
    assert.deepEqual((await must(verify(code))).body, body);
    await must(post('/logout', {}, { token: body.accessToken }), 204);
    assert.equal((await verify(code)).status, 409);
  });

  it('F18: belongs to the request, not to the network, and one with a token lives a minute', async () => {
    const start = (agent: string, from?: string) =>
      call(url, 'POST', '/api/v1/registrations', {
        body: { email: 'f18@example.org' },
        headers: { 'Idempotency-Key': 'f18-start', 'User-Agent': agent },
        from,
      });
    const before = new Set(await behind.keys('idempotency:*'));
    const { body: first } = await must(start('an app/1'), 201);
    const { body: moved } = await must(start('an app/1', '127.0.0.2'), 201);
    assert.equal(moved.registrationToken, first.registrationToken, 'the same request from another network');
    const { body: other } = await must(start('another app/1'), 201);
    assert.notEqual(other.registrationToken, first.registrationToken, 'another caller of the same network');
    const kept = (await behind.keys('idempotency:*')).filter((key) => !before.has(key));
    assert.equal(kept.length, 2);
    for (const key of kept) assert.ok((await behind.redis.pttl(key)) <= 60_000);
  });

  it('F15: is found by a hash that does not contain the password', async () => {
    const { username: identifier } = identityOf(4);
    await registeredPerson(system, identityOf(4));
    const hashes = new Set();
    for (const [key, password] of [
      ['f15-1', goodPassword],
      ['f15-2', newPassword],
    ] as const) {
      const before = new Set(await behind.keys('idempotency:*'));
      const { body } = await must(post('/login', { identifier, password }, withKey(key)));
      const [made = ''] = (await behind.keys('idempotency:*')).filter((name) => !before.has(name));
      hashes.add(await behind.redis.hget(made, 'body'));
      const change = { currentPassword: password, newPassword };
      if (key === 'f15-1') {
        await must(call(url, 'PUT', '/api/v1/auth/password', { body: change, token: body.accessToken }), 204);
      }
    }
    assert.equal(hashes.size, 1);
  });

  it('F12: is all that a key leaves: refused requests leave nothing', async () => {
    const strict = await startAnotherApi(system, { LIMIT_RECOVERIES_PER_NAME: '1/3600' });
    const forget = () =>
      post('/password/forgot', { identifier: 'f12' }, { at: strict.apiUrl, ...withKey(randomUUID()) });
    await must(forget(), 202);
    const before = (await behind.keys('idempotency:*')).length;
    for (let count = 0; count < 5; count++) assertLimited(await forget(), 'recoveries-per-name', 3600);
    assert.equal((await behind.keys('idempotency:*')).length, before);
  });
});

describe('Wrong passwords', () => {
  it('F19: are counted once for an account, by whichever identifier and at the step-up', async () => {
    const { username, phone, email } = identityOf(5);
    const { accessToken: token } = await signedIn(system, identityOf(5));
    const names = [username, phone, email];
    for (let count = 0; count < 9; count++) {
      const wrong = await post('/login', { identifier: names[count % 3], password: `not-the-password-${count}` });
      assert.equal(wrong.status, 401);
    }
    assert.equal((await post('/step-up', { password: 'not-the-password' }, { token })).status, 401);
    for (const identifier of names) {
      assertLimited(await post('/login', { identifier, password: goodPassword }), 'wrong-passwords-per-name', 900);
    }
    assertLimited(await post('/step-up', { password: goodPassword }, { token }), 'wrong-passwords-per-name', 900);
  });

  it('F19: do not refuse a right one because other right ones are in progress', async () => {
    const { username: identifier } = identityOf(6);
    await registeredPerson(system, identityOf(6));
    const logIn = () => post('/login', { identifier, password: goodPassword });
    const answers = await Promise.all(Array.from({ length: 24 }, logIn));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  });
});

describe('A stranger', () => {
  it('F11: cannot make the right code of a user wrong by wrong codes in their name', async () => {
    const { username, phone } = identityOf(7);
    await registeredPerson(system, identityOf(7));
    for (let begun = 0; begun < 4; begun++) {
      const { loginId, code } = await codeOf(username, phone);
      for (let wrong = 1; wrong <= 4; wrong++) {
        assert.equal((await post('/login/verify', { loginId, code: wrongCode(code, wrong) })).status, 400);
      }
    }
    const { loginId, code } = await codeOf(username, phone);
    await must(post('/login/verify', { loginId, code, password: goodPassword }));
  });

  it('F11: needs a captcha after the first few log-ins in a name, known or not; the log-in of its owner ends that', async () => {
    const strict = await startAnotherApi(system, { LIMIT_LOGINS_WITHOUT_CAPTCHA_PER_NAME: '3/3600' });
    const at = strict.apiUrl;
    const { username, phone } = identityOf(8);
    await registeredPerson(system, identityOf(8));
    for (const identifier of [username, 'nobody-at-all']) {
      for (let begun = 0; begun < 3; begun++) await must(post('/login', { identifier }, { at }), 202);
      const refused = await post('/login', { identifier }, { at });
      assertLimited(refused, 'logins-without-captcha-per-name', 3600);
      assert.deepEqual(refused.body.otherWays, ['captcha']);
      assert.match(refused.body.error, /captcha/);
    }
    await codeFor(outboxUrl, phone, 3);
    const captcha = await solveCaptcha(at);
    const { body } = await must(post('/login', { identifier: username, captcha }, { at }), 202);
    assert.equal((await post('/login', { identifier: username, captcha }, { at })).body.error_code, 'INVALID_REQUEST');
    const code = await codeFor(outboxUrl, phone, 4);
    await must(post('/login/verify', { loginId: body.loginId, code, password: goodPassword }, { at }));
    await must(post('/login', { identifier: username }, { at }), 202);
  });

  it('F11, F19: cannot keep a code from its user: within the spacing of a number it goes to the other channel', async () => {
    const strict = await startAnotherApi(system, { LIMIT_SENDS_PER_NUMBER: '1/3600,10/86400' });
    const at = strict.apiUrl;
    const { username, phone, email } = identityOf(9);
    const { accessToken: token } = await signedIn(system, identityOf(9));
    await codeOf(phone, phone, at);
    const { loginId, code } = await codeOf(username, email, at);
    assertLimited(await post('/pin/reset/code', {}, { at, token }), 'sends-per-number', 3600);
    assertLimited(await post('/password/forgot', { identifier: phone }, { at }), 'sends-per-number', 3600);
    const registration = await startRegistration(at, { phone });
    assertLimited(await registration.call('POST', '/codes', { channel: 'sms' }), 'sends-per-number', 3600);
    await must(post('/login/verify', { loginId, code, password: goodPassword }, { at }));
    assert.equal((await messagesTo(outboxUrl, phone)).length, 1);
  });

  it('F19: cannot send more SMS to a number by recoveries of its user name; the answer is the same', async () => {
    const { phone, username } = identityOf(20);
    const { userId } = await registeredPerson(system, { phone, username });
    for (let sent = 0; sent < sendsMax; sent++) await codeOf(username, phone);
    const [known, unknown] = await Promise.all(
      [username, 'nobody-at-all'].map((identifier) => post('/password/forgot', { identifier })),
    );
    assert.deepEqual([known?.status, known?.body], [202, undefined]);
    assert.deepEqual([unknown?.status, unknown?.body], [202, undefined]);
    const isRefused = ({ action, status, user }: AuditEvent) =>
      action === 'notification-send' && status === 'failure' && user?.target?.id === userId;
    await until(async () => (await behind.auditEvents()).some(isRefused));
    assert.equal((await messagesTo(outboxUrl, phone)).length, sendsMax);
    assert.deepEqual(await notificationsTo(outboxUrl, phone), []);
  });

  it('F11: cannot keep from the owner of a number that it has had its codes; unknown numbers look the same', async () => {
    const strict = await startAnotherApi(system, { LIMIT_SENDS_PER_NUMBER: '1/3600' });
    const at = strict.apiUrl;
    const { phone, username } = identityOf(18);
    await registeredPerson(system, { phone, username });
    const faces: string[][] = [];
    for (const identifier of [phone, '+447700909118']) {
      const first = (await must(post('/login', { identifier }, { at }), 202)).body;
      const late = (await must(post('/login', { identifier }, { at }), 202)).body;
      assert.equal(first.nextCodeAt, undefined);
      assert.ok(Date.parse(late.nextCodeAt) > Date.parse(late.expiresAt), 'the code of this log-in is never sent');
      faces.push(Object.keys(late));
    }
    assert.deepEqual(faces[0], faces[1]);
    const named = await must(post('/login', { identifier: username }, { at }), 202);
    assert.equal(named.body.nextCodeAt, undefined, 'whose number it is stays unknown');
  });

  it('F11: tells a user who has proven the password when the number has had its codes', async () => {
    const strict = await startAnotherApi(system, { LIMIT_SENDS_PER_NUMBER: '1/3600', LOGIN_SECOND_STEP: 'true' });
    const { phone, username: identifier } = identityOf(19);
    await registeredPerson(system, { phone, username: identifier });
    const logIn = () => post('/login', { identifier, password: goodPassword }, { at: strict.apiUrl });
    await must(logIn(), 202);
    assertLimited(await logIn(), 'sends-per-number', 3600);
  });

  it('F11: cannot stop the codes to accounts of a block by codes that nobody enters', async () => {
    const strict = await startAnotherApi(system, {
      LIMIT_UNPROVEN_SENDS_PER_PREFIX: '1/3600',
      LIMIT_SENDS_PER_PREFIX: '1/3600',
    });
    const at = strict.apiUrl;
    const [owner, unproven] = [identityOf(10), identityOf(11)];
    await registeredPerson(system, owner);
    const registration = await startRegistration(at, { phone: unproven.phone });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    const { loginId, code } = await codeOf(owner.username, owner.phone, at);
    await must(post('/login/verify', { loginId, code, password: goodPassword }, { at }));
  });

  it('F21: does not use up the tries of a change that belongs to somebody else', async () => {
    const [{ accessToken: token }, { accessToken: stranger }] = await Promise.all([
      signedIn(system, identityOf(12)),
      signedIn(system, identityOf(13)),
    ]);
    const to = 'f21@example.org';
    const { body } = await must(call(url, 'PUT', '/api/v1/users/me', { body: { email: to }, token }), 202);
    const code = await codeFor(outboxUrl, to);
    const path = `/api/v1/users/me/changes/${body.changeId}/verify`;
    const wrong = { code: wrongCode(code) };
    for (let count = 0; count < 6; count++) {
      assert.equal((await call(url, 'POST', path, { body: wrong, token: stranger })).status, 404);
      assert.equal((await post('/login/verify', { loginId: body.changeId, ...wrong })).status, 404);
      const reset = { resetId: body.changeId, ...wrong, pin: '830561' };
      assert.equal((await post('/pin/reset', reset, { token })).status, 404);
    }
    const own = await call(url, 'POST', path, { body: wrong, token });
    assert.deepEqual([own.status, own.body.attemptsLeft], [400, 4]);
    await must(call(url, 'POST', path, { body: { code }, token }));
  });
});

describe('Two admins', () => {
  it('F21: who remove each other at the same instant do not leave the system without one', async () => {
    const admins = await Promise.all([signedIn(system, identityOf(14)), signedIn(system, identityOf(15))]);
    const vyry = vyryFor(system);
    for (const { userId } of admins) jsonOf(await vyry(['users', 'grant', userId, 'admin', '--yes', '--json']));
    const [one, other] = admins;
    const users = '/api/v1/admin/users';
    const remaining = async () => {
      const seen = await Promise.all(
        admins.map(({ accessToken: token }) => call(url, 'GET', `${users}/${one.userId}/roles`, { token })),
      );
      return seen.filter(({ status }) => status === 200).length;
    };
    await Promise.all(
      [
        [one, other],
        [other, one],
      ].map(([by, whom]) =>
        call(url, 'PUT', `${users}/${whom?.userId}/roles`, { token: by?.accessToken ?? '', body: { roles: [] } }),
      ),
    );
    assert.ok((await remaining()) >= 1, 'after both removed the role');
    for (const { userId } of admins) jsonOf(await vyry(['users', 'grant', userId, 'admin', '--yes', '--json']));
    await Promise.all(
      [
        [one, other],
        [other, one],
      ].map(([by, whom]) =>
        call(url, 'POST', `${users}/${whom?.userId}/disable`, { token: by?.accessToken ?? '', body: {} }),
      ),
    );
    const enabled = await behind.database.collection('users').countDocuments({
      roles: 'admin',
      disabledAt: { $exists: false },
    });
    assert.ok(enabled >= 1, 'after both disabled the other');
  });
});

describe('A new password', () => {
  it('F13: is counted before it is judged', async () => {
    const phone = '+447700909016';
    const registration = await startRegistration(url, { phone });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    await must(registration.call('PUT', '/code', { code: await codeFor(outboxUrl, phone) }));
    const weak = { password: 'p@$$w0rd'.repeat(16) };
    for (let count = 0; count < 20; count++) {
      assert.equal((await registration.call('PUT', '/credentials', weak)).status, 400);
    }
    assertLimited(await registration.call('PUT', '/credentials', weak), 'credentials-tries-of-registration', 86_400);
  });

  it('F13: is judged in another thread, and refused while too many wait', async () => {
    await using estimator = startEstimator();
    const deps = { estimator, breachedPasswords: undefined, events: recordEvents().events };
    await requireStrongPassword(deps, goodPassword, []);
    const [ofAll, ofThis] = [process.cpuUsage(), process.threadCpuUsage()];
    const judged = Array.from({ length: 100 }, () => requireStrongPassword(deps, goodPassword, []));
    const oneMore = requireStrongPassword(deps, goodPassword, []);
    await assert.rejects(oneMore, { code: 'unavailable', context: { reason: 'too-many-estimates' } });
    await Promise.all(judged);
    const [all, here] = [process.cpuUsage(ofAll).user, process.threadCpuUsage(ofThis).user];
    assert.ok(here < all / 2, `${here} of ${all} µs of work`);
    await requireStrongPassword(deps, goodPassword, []);
  });
});

describe('A refusal', () => {
  it('F30: says what to do next when the budget of the day is spent, and after a code was accepted', async () => {
    const poor = await startAnotherApi(system, { COST_PER_SMS: '100', COST_LIMIT_PER_DAY: '50' });
    const phone = '+447700909017';
    const first = await startRegistration(poor.apiUrl, { phone, email: 'f30@example.org' });
    const refused = await first.call('POST', '/codes', { channel: 'sms' });
    assertLimited(refused, 'cost-per-day', 86_400);
    assert.match(refused.body.error, /^No more codes can be sent by SMS or call today; use e-mail/);
    const registration = await startRegistration(url, { phone });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    const code = await codeFor(outboxUrl, phone);
    await must(registration.call('PUT', '/code', { code }));
    const late = await registration.call('PUT', '/code', { code: wrongCode(code) });
    assert.match(late.body.error, /continue with the next step/);
  });
});
