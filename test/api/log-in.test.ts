import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ageRecords } from '../support/aging.ts';
import { type Answer, call, codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { readLogs } from '../support/footprint.ts';
import { assertSince } from '../support/instants.ts';
import { registeredPerson, signedIn } from '../support/people.ts';
import {
  allMessages,
  assertLimited,
  goodPassword,
  must,
  phoneOf,
  startAnotherApi,
  wrongCode,
} from '../support/registrations.ts';
import { stopTime } from '../support/stopped-time.ts';
import { until } from '../support/until.ts';
import { vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

/** Lifetime of a code and of its log-in: long enough for any machine. */
const ttlSeconds = 3600;

const limits = {
  LIMIT_LOGINS_PER_NAME: '10/3600',
  LIMIT_WRONG_PASSWORDS_PER_NAME: '10/900',
  LIMIT_SENDS_PER_NUMBER: '10/3600',
};
const { system, behind, url, outboxUrl, api, codeBy } = await withSystem({ OTP_TTL: String(ttlSeconds), ...limits });

const post = (path: string, body: unknown, headers: Record<string, string> = {}, token?: string): Promise<Answer> =>
  call(url, 'POST', `/api/v1/auth${path}`, { body, headers, ...(token && { token }) });
const me = (accessToken: string, at = url) => api.readMeAlias({ at, token: accessToken });

/** Runs a job while the clock of this process, which is that of its api, is ahead, or behind. */
async function withClock<T>(aheadMs: number, job: () => Promise<T>): Promise<T> {
  using _wrong = stopTime(['Date'], { aheadMs });
  return await job();
}

/** A user with an account and no session. */
async function account(person: number) {
  const { name: identifier, phone } = await registeredPerson(system, person);
  return { person, identifier, phone };
}

/** Starts a log-in by code, and waits for the code. */
async function codeOf(body: { identifier: string; channel?: string }, to: string) {
  const begunAt = Date.now();
  const begun = await codeBy(to, () => post('/login/init', body));
  assertSince(begun.expiresAt, begunAt, ttlSeconds);
  return { loginId: begun.loginId as string, begun, code: begun.code };
}

describe('log-in by code', () => {
  it('sends one code and starts a session, by name, by number in any spelling and by e-mail', async () => {
    const { identifier, phone, person } = await account(100);
    const mail = `person${person}@example.org`;
    const spelled = `${phone.slice(0, 3)} ${phone.slice(3, 7)}-${phone.slice(7, 10)} ${phone.slice(10)}`;
    for (const [body, to, channel] of [
      [{ identifier }, phone, 'sms'],
      [{ identifier: spelled }, phone, 'sms'],
      [{ identifier: identifier.toUpperCase(), channel: 'email' }, mail, 'email'],
    ] as const) {
      const { begun, code, loginId } = await codeOf(body, to);
      assert.equal(begun.channel, channel);
      const { body: tokens } = await must(post('/login/verify', { loginId, code, password: goodPassword }));
      assert.equal(tokens.tokenType, 'Bearer');
      assert.equal(tokens.expiresInSeconds, 3600);
      assert.equal(tokens.refreshExpiresInSeconds, 604_800);
      const { body: user } = await must(me(tokens.accessToken));
      assert.deepEqual([user.username, user.roles, user], [identifier, ['user'], tokens.user]);
    }
  });

  it('accepts a code for one session of its own log-in, and repeats the response for the same key', async () => {
    const { identifier, phone } = await account(101);
    const first = await codeOf({ identifier }, phone);
    const second = await codeOf({ identifier }, phone);
    const crossed = await post('/login/verify', { loginId: first.loginId, code: second.code });
    if (first.code !== second.code) assert.deepEqual([crossed.status, crossed.body.error_code], [400, 'INVALID_OTP']);
    const key = { 'Idempotency-Key': 'one-log-in' };
    const proof = { loginId: first.loginId, code: first.code, password: goodPassword };
    const { body } = await must(post('/login/verify', proof, key));
    const again = await must(post('/login/verify', proof, key));
    assert.deepEqual(again.body, body);
    const other = await post('/verify', proof);
    assert.deepEqual([other.status, other.body.error_code], [409, 'CONFLICT']);
  });

  it('counts five attempts, also in parallel, then refuses even the right code', async () => {
    const { identifier, phone } = await account(102);
    const { loginId, code } = await codeOf({ identifier }, phone);
    const wrong = await Promise.all(
      Array.from({ length: 20 }, (_, index) => post('/login/verify', { loginId, code: wrongCode(code, index + 1) })),
    );
    assert.deepEqual(new Set(wrong.map(({ status }) => status)), new Set([400]));
    assert.deepEqual(
      wrong
        .map(({ body }) => body.attemptsLeft)
        .sort((a, b) => b - a)
        .slice(0, 5),
      [4, 3, 2, 1, 0],
    );
    const late = await post('/login/verify', { loginId, code });
    assert.deepEqual([late.status, late.body.error_code, late.body.attemptsLeft], [400, 'INVALID_OTP', 0]);
    assert.ok(late.body.nextCodeAt);
    assert.equal((await codeOf({ identifier }, phone)).code.length, 6);
  });

  it('returns 404 for an unknown log-in, and 410 for an expired one', async () => {
    assert.equal((await post('/login/verify', { loginId: '0'.repeat(32), code: '123456' })).status, 404);
    assert.equal((await post('/login/verify', { loginId: 'x', code: '123456' })).status, 404);
    const { identifier, phone } = await account(103);
    for (const body of [{ identifier }, { identifier: 'nobody-at-all' }]) {
      const { loginId } = (await must(post('/login/init', body), 202)).body;
      await ageRecords(behind.redis, `login:{${loginId}}`, ttlSeconds);
      assert.equal((await post('/login/verify', { loginId, code: '123456' })).status, 410);
    }
    await codeFor(outboxUrl, phone);
  });

  it('F16: lets a code and a session live as long when the clock of the process is wrong', async () => {
    const { identifier, phone } = await account(106);
    for (const aheadMs of [2 * ttlSeconds * 1000, -2 * ttlSeconds * 1000]) {
      const begunAt = Date.now();
      const begun = await withClock(aheadMs, () => codeBy(phone, () => post('/login/init', { identifier })));
      assertSince(begun.expiresAt, begunAt, ttlSeconds);
      const other = await codeOf({ identifier }, phone);
      const proof = { loginId: other.loginId, code: other.code, password: goodPassword };
      const { body } = await withClock(aheadMs, () => must(post('/login/verify', proof)));
      const late = await must(post('/refresh-token', { refreshToken: body.refreshToken }));
      const { body: own } = await must(api.readSession({ token: late.body.accessToken }));
      for (const at of [own.createdAt, own.authenticatedAt, own.lastActivityAt]) assertSince(at, begunAt);
    }
  });

  it('sends one message, however often the request is repeated with its key', async () => {
    const { identifier, phone } = await account(104);
    const before = (await messagesTo(outboxUrl, phone)).length;
    const key = { 'Idempotency-Key': 'send-once' };
    const answers = await Promise.all(Array.from({ length: 5 }, () => post('/login/init', { identifier }, key)));
    assert.equal(new Set(answers.map(({ body }) => body.loginId)).size, 1);
    await codeFor(outboxUrl, phone, before + 1);
    assert.equal((await messagesTo(outboxUrl, phone)).length, before + 1);
  });

  it('survives an outage of the provider: the code is sent once when it recovers, and works', async () => {
    const { identifier, phone } = await account(105);
    await setFault(outboxUrl, { channel: 'sms', mode: 'error500' });
    const before = (await messagesTo(outboxUrl, phone)).length;
    const { loginId } = (await must(post('/login', { identifier }), 202)).body;
    const handle = behind.temporal.workflow.getHandle(`login:${loginId}`);
    await until(async () => {
      const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
      return metadata.currentDetails?.includes('waiting for sms') ?? false;
    });
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    const code = await codeFor(outboxUrl, phone, before + 1);
    assert.equal((await messagesTo(outboxUrl, phone)).length, before + 1);
    await must(post('/login/verify', { loginId, code, password: goodPassword }));
  });
});

/** The parts of a response that a stranger could compare. */
function face({ status, body, headers }: Answer): unknown {
  const names = [...headers.keys()].filter((name) => !name.startsWith('ratelimit-')).sort();
  const shape = Object.fromEntries(
    Object.entries(body as object).map(([name, value]) => [
      name,
      ['loginId', 'expiresAt', 'request_id'].includes(name) ? 0 : value,
    ]),
  );
  return { status, shape, names, length: headers.get('content-length') };
}

describe('unknown users', () => {
  it('D1: get the same responses as disabled and known users, and no message is sent', async () => {
    const { identifier, phone } = await account(110);
    const disabled = await account(111);
    assert.equal((await vyryFor(system)(['users', 'disable', disabled.identifier])).code, 0);
    const strangers = ['nobody-here', '+447700900999', 'nobody@example.org', disabled.identifier, disabled.phone];
    const known = await must(post('/login/init', { identifier }), 202);
    await codeFor(outboxUrl, phone);
    const before = (await allMessages(outboxUrl)).length;
    const faces = [];
    for (const stranger of strangers) {
      const begun = await must(post('/login/init', { identifier: stranger, channel: 'sms' }), 202);
      faces.push(face(begun));
      const wrong = await post('/login/verify', { loginId: begun.body.loginId, code: '000000' });
      assert.deepEqual([wrong.status, wrong.body.attemptsLeft], [400, 4]);
    }
    assert.deepEqual(new Set(faces.map((seen) => JSON.stringify(seen))), new Set([JSON.stringify(face(known))]));
    const ids = (await behind.keys('login:*')).length;
    assert.ok(ids >= 6);
    assert.equal((await allMessages(outboxUrl)).length, before, 'no message was sent');
    for (const stranger of [...strangers, identifier]) {
      const refused = await post('/login', { identifier: stranger, password: 'not-the-password' });
      assert.deepEqual(
        [refused.status, refused.body.error_code, refused.body.error],
        [401, 'UNAUTHORIZED', 'Name or password is wrong'],
      );
    }
    assert.equal((await post('/login', { identifier: disabled.identifier, password: goodPassword })).status, 401);
  });

  it('reach the limit of the typed name like known users', async () => {
    const { identifier } = await account(112);
    for (const name of [identifier, 'nobody-with-a-limit']) {
      for (let round = 0; round < 10; round++) await must(post('/login/init', { identifier: name }), 202);
      assertLimited(await post('/login/init', { identifier: name }), 'logins-per-name', 3600);
    }
  });

  // D1: sends to the number by others must not reveal the account behind a name
  it('cannot be recognized by the limit of a number: no code is sent, and the response is the same', async () => {
    const { identifier, phone } = await account(113);
    const before = (await messagesTo(outboxUrl, phone)).length;
    for (let sent = before; sent < 10; sent++) {
      await codeOf({ identifier: sent % 2 === 0 ? identifier : phone }, phone);
    }
    const held = await must(post('/login/init', { identifier, channel: 'sms' }), 202);
    assert.equal(held.body.channel, 'sms');
    const wrong = await post('/login/verify', { loginId: held.body.loginId, code: '000000' });
    assert.deepEqual([wrong.status, wrong.body.attemptsLeft], [400, 4]);
    await until(async () => {
      const { status } = await behind.temporal.workflow.getHandle(`login:${held.body.loginId}`).describe();
      return status.name === 'COMPLETED';
    });
    assert.equal((await messagesTo(outboxUrl, phone)).length, 10);
  });
});

describe('log-in by password', () => {
  it('returns the tokens at once, by name, number and e-mail, and 401 for a wrong password', async () => {
    const { identifier, phone, person } = await account(120);
    for (const name of [identifier, phone, `Person${person}@EXAMPLE.org`]) {
      const { body, status } = await post('/login/init', { identifier: name, password: goodPassword });
      assert.equal(status, 200, JSON.stringify(body));
      await must(me(body.accessToken));
    }
    const { status, headers } = await post('/login', { identifier, password: `${goodPassword}!` });
    assert.deepEqual([status, headers.get('www-authenticate')], [401, 'Bearer realm="vyry"']);
  });

  it('is refused after ten wrong passwords for a name, even with the right one; a code still works', async () => {
    const { identifier, person } = await account(121);
    const mail = `person${person}@example.org`;
    const wrong = await Promise.all(
      Array.from({ length: 25 }, (_, index) => post('/login', { identifier, password: `guess-${index}` })),
    );
    assert.equal(wrong.filter(({ status }) => status === 401).length, 10, 'compared');
    assertLimited(await post('/login', { identifier, password: goodPassword }), 'wrong-passwords-per-name', 900);
    const { loginId, code } = await codeOf({ identifier: mail }, mail);
    await must(post('/login/verify', { loginId, code }));
  });

  it('also requires a code when a second step is configured, and a code alone is not enough', async () => {
    const { identifier, phone } = await account(122);
    const processes = await startAnotherApi(system, { LOGIN_SECOND_STEP: 'true' });
    const { apiUrl } = processes;
    const strict = (path: string, body: unknown) => call(apiUrl, 'POST', `/api/v1/auth${path}`, { body });
    const without = await strict('/login', { identifier });
    assert.deepEqual([without.status, without.body.details[0].path], [400, 'password']);
    assert.equal((await strict('/login', { identifier, password: 'wrong-password' })).status, 401);
    const before = (await messagesTo(outboxUrl, phone)).length;
    const { body, status } = await strict('/login', { identifier, password: goodPassword });
    assert.equal(status, 202);
    const code = await codeFor(outboxUrl, phone, before + 1);
    assert.equal((await strict('/login/verify', { loginId: body.loginId, code })).status, 200);
  });
});

describe('refresh', () => {
  async function tokens(person: number) {
    return signedIn(system, person);
  }
  const refresh = (refreshToken: string) => post('/refresh-token', { refreshToken });

  it('G14: 20 tabs that refresh with one token all continue', async () => {
    const { refreshToken, accessToken, user } = await tokens(130);
    const { body: own } = await must(api.readSession({ token: accessToken }));
    const first = await must(refresh(refreshToken));
    // younger: however slow this machine is, the 10 s are not over
    await ageRecords(behind.redis, `session:${own.sessionId}`, -3600);
    const others = await Promise.all(Array.from({ length: 19 }, () => refresh(refreshToken)));
    const tabs = [first, ...others];
    assert.deepEqual(new Set(tabs.map(({ status }) => status)), new Set([200]));
    assert.equal(new Set(tabs.map(({ body }) => body.refreshToken)).size, 1, 'one live successor');
    for (const { body } of tabs) await must(me(body.accessToken));
    const sessions = await must(api.listSessions({ token: tabs[0]?.body.accessToken }));
    assert.deepEqual(
      sessions.body.items.map(({ userId }: { userId: string }) => userId),
      [user.userId],
    );
  });

  it('G15: the same token repeats a lost response for 10 s', async () => {
    const { refreshToken, accessToken } = await tokens(131);
    const { body: own } = await must(api.readSession({ token: accessToken }));
    const age = (seconds: number) => ageRecords(behind.redis, `session:${own.sessionId}`, seconds);
    const lost = await must(refresh(refreshToken));
    // younger: however slow this machine is, the 10 s are not over
    await age(-3600);
    const again = await must(refresh(refreshToken));
    assert.equal(again.body.refreshToken, lost.body.refreshToken);
    const next = await must(refresh(again.body.refreshToken));
    await age(11);
    const late = await refresh(again.body.refreshToken);
    assert.deepEqual([late.status, late.body.error_code], [401, 'INVALID_TOKEN']);
    assert.equal((await refresh(next.body.refreshToken)).status, 401, 'the reuse ended the session');
  });

  it('G13: a token that is reused after its successor was used ends the session, is logged, and notifies the owner', async () => {
    const first = await tokens(132);
    const second = (await must(refresh(first.refreshToken))).body;
    const third = (await must(refresh(second.refreshToken))).body;
    const stolen = await refresh(first.refreshToken);
    assert.deepEqual([stolen.status, stolen.body.error_code], [401, 'INVALID_TOKEN']);
    for (const { accessToken, refreshToken } of [first, second, third]) {
      assert.equal((await me(accessToken)).status, 401);
      assert.equal((await refresh(refreshToken)).status, 401);
    }
    await until(async () => (readLogs(system)['log api.log'] ?? '').includes('"event":"token.reused"'));
    await Promise.all(Array.from({ length: 5 }, () => refresh(first.refreshToken)));
    const warned = async (to: string) =>
      (await notificationsTo(outboxUrl, to)).filter(({ subject, body }) =>
        `${subject} ${body}`.includes('used in two places'),
      );
    for (const to of [phoneOf(132), 'person132@example.org']) {
      await until(async () => (await warned(to)).length > 0);
      assert.equal((await warned(to)).length, 1, to);
    }
  });

  it('G13: such a token is refused while Temporal is unavailable too, and the audit log has the failed notification', async () => {
    const adrift = await startAnotherApi(system, { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const first = await tokens(139);
    const second = (await must(refresh(first.refreshToken))).body;
    await must(refresh(second.refreshToken));
    const { status } = await api.refreshTokens({ at: adrift.apiUrl, body: { refreshToken: first.refreshToken } });
    assert.equal(status, 401);
    const auditLog = () => behind.auditEvents();
    await until(async () =>
      (await auditLog()).some(
        ({ action, status: outcome, user }) =>
          action === 'notification-send' && outcome === 'failure' && user?.target?.id === first.user.userId,
      ),
    );
  });

  it('refuses disabled users, made-up tokens and access tokens', async () => {
    const { accessToken, refreshToken } = await tokens(133);
    for (const text of ['x', 'x'.repeat(43), accessToken]) {
      assert.equal((await refresh(text)).status, 401, text);
    }
    assert.equal((await me(refreshToken)).status, 401, 'G8: a refresh token is not an access token');
    assert.equal((await vyryFor(system)(['users', 'disable', 'person133'])).code, 0);
    assert.equal((await refresh(refreshToken)).status, 401);
  });
});

describe('sessions', () => {
  async function logIn(identifier: string, at = url) {
    const body = { identifier, password: goodPassword };
    return (await must(api.beginLogInAlias({ at, body }))).body;
  }
  const list = (token: string, query = '') => call(url, 'GET', `/api/v1/auth/sessions${query}`, { token });
  const end = (token: string, id: string) => api.endSession({ sessionId: id, token });

  it('are listed by page, the newest first, and each can be ended from another', async () => {
    const { identifier } = await account(140);
    const all = [await logIn(identifier), await logIn(identifier), await logIn(identifier)] as const;
    const [first, , last] = all;
    const { body } = await must(list(last.accessToken));
    assert.equal(body.items.length, 3);
    assert.deepEqual(
      body.items.map(({ isCurrent }: { isCurrent: boolean }) => isCurrent),
      [true, false, false],
    );
    const page = (await must(list(last.accessToken, '?limit=2'))).body;
    const rest = (await must(list(last.accessToken, `?limit=2&cursor=${page.nextCursor}`))).body;
    assert.deepEqual([...page.items, ...rest.items], body.items);
    assert.equal(rest.nextCursor, null);
    const ids = body.items.map(({ sessionId }: { sessionId: string }) => sessionId);
    await must(end(last.accessToken, ids[2]), 204);
    assert.equal((await me(first.accessToken)).status, 401);
    assert.equal((await post('/refresh-token', { refreshToken: first.refreshToken })).status, 401);
    assert.equal((await end(last.accessToken, ids[2])).status, 404);
  });

  it('G25: of another user are not found', async () => {
    const [one, two] = [await logIn((await account(141)).identifier), await logIn((await account(142)).identifier)];
    const { sessionId } = (await must(api.readSession({ token: one.accessToken }))).body;
    assert.equal((await end(two.accessToken, sessionId)).status, 404);
    await must(me(one.accessToken));
  });

  it('G26: end at a log-out, at once and on every node, with their refresh token', async () => {
    const { identifier } = await account(143);
    const processes = await startAnotherApi(system, {});
    const { accessToken, refreshToken } = await logIn(identifier);
    await must(me(accessToken, processes.apiUrl));
    await must(post('/logout', undefined, {}, accessToken), 204);
    assert.equal((await me(accessToken)).status, 401);
    assert.equal((await me(accessToken, processes.apiUrl)).status, 401);
    assert.equal((await post('/refresh-token', { refreshToken })).status, 401);
  });

  it('G27: all end at a log-out everywhere', async () => {
    const { identifier } = await account(144);
    const all = [await logIn(identifier), await logIn(identifier)] as const;
    await must(post('/logout', { everywhere: true }, {}, all[0].accessToken), 204);
    for (const { accessToken } of all) assert.equal((await me(accessToken)).status, 401);
  });

  it('are limited to one per user if configured: the newest stays, and one of 10 concurrent log-ins', async () => {
    const { identifier } = await account(145);
    const processes = await startAnotherApi(system, { SESSION_LIMIT: 'user' });
    const { apiUrl } = processes;
    const older = await logIn(identifier, apiUrl);
    const newer = await logIn(identifier, apiUrl);
    assert.equal((await me(older.accessToken)).status, 401);
    const session = (await must(api.readSession({ token: newer.accessToken }))).body;
    const lifeMs = Date.parse(session.expiresAt) - Date.parse(session.createdAt);
    assert.equal(lifeMs, 86_400_000, 'the idle timeout of a single session');
    const many = await Promise.all(Array.from({ length: 10 }, () => logIn(identifier, apiUrl)));
    const alive = await Promise.all(many.map(({ accessToken }) => me(accessToken)));
    assert.equal(alive.filter(({ status }) => status === 200).length, 1);
  });
});

describe('the short form of a registration', () => {
  it('sends the code at once when no step comes before it, and returns tokens', async () => {
    const processes = await startAnotherApi(system, { REGISTRATION_STEPS: 'code' });
    const short = (path: string, body: unknown, token?: string) =>
      call(processes.apiUrl, 'POST', `/api/v1/auth${path}`, { body, ...(token && { token }) });
    const person = { fullName: 'Short Form', username: 'short-form', phone: phoneOf(150) };
    const started = await must(short('/register', person), 201);
    const { registrationId, registrationToken } = started.body;
    const code = await codeFor(outboxUrl, phoneOf(150), 1);
    assert.equal((await short('/verify', { registrationId, code })).status, 401, 'the id alone is not enough');
    const { body } = await must(short('/verify', { registrationId, code }, registrationToken));
    const { body: user } = await must(me(body.accessToken));
    assert.equal(user.username, 'short-form');
  });

  it('returns the registration with a blocked code step when another step comes first', async () => {
    const { body } = await must(post('/register', { fullName: 'A B', username: 'ab', phone: phoneOf(151) }), 201);
    const step = body.steps.find(({ name }: { name: string }) => name === 'code');
    assert.deepEqual([step.status, body.registrationToken.length > 20], ['blocked', true]);
    assert.equal((await messagesTo(outboxUrl, phoneOf(151))).length, 0);
  });
});
