import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ensureNamespace } from '../../engines/temporal.ts';
import { type Answer, call, notificationsTo, type OutboxMessage } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { uniqueName } from '../support/redis.ts';
import { assertLimited, goodPassword, must, newPassword, phoneOf, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const page = 'https://app.example/reset';

const { system, behind, url, api, person, logIn } = await withSystem({ RECOVERY_URL: page, RECOVERY_TTL: '3600' });

const post = (path: string, body: unknown, headers: Record<string, string> = {}, at = url): Promise<Answer> =>
  call(at, 'POST', `/api/v1/auth${path}`, { body, headers });
const forget = (identifier: string) => post('/password/forgot', { identifier });
const reset = (token: string, password = newPassword) => post('/password/reset', { token, password });

/** The recovery messages to a mailbox, oldest first. */
async function messagesOfRecovery(mail: string): Promise<OutboxMessage[]> {
  return (await notificationsTo(system.ready.outboxUrl, mail)).filter(({ body }) => body.includes(page));
}

/** Waits for a number of recovery messages, and returns the tokens of the newest. */
async function tokensFor(mail: string, count = 1): Promise<{ token: string; stop: string }> {
  await until(async () => (await messagesOfRecovery(mail)).length >= count);
  const { body = '' } = (await messagesOfRecovery(mail)).at(-1) ?? {};
  const linked = (use: string) => new RegExp(`${page}#${use}=([\\w-]{43})`).exec(body)?.[1] ?? '';
  return { token: linked('token'), stop: linked('stop') };
}

/** The number of recoveries that the limits per name and per address have counted. */
/** The counted recoveries. Old ones leave the count as their window passes, so only new ones say what a request counted. */
async function counted(): Promise<Set<string>> {
  const keys = await behind.keys('ratelimit:*:recoveries-per-*');
  const members = await Promise.all(keys.map((key) => behind.redis.zrange(key, '0', '-1')));
  return new Set(keys.flatMap((key, index) => (members[index] ?? []).map((member) => `${key} ${member}`)));
}

async function assertInvalid(answering: Promise<Answer>): Promise<void> {
  const { status, body } = await answering;
  assert.deepEqual([status, body.error_code], [401, 'INVALID_TOKEN']);
}

describe('A forgotten password', () => {
  it('is replaced once with the token from the message; every session ends and the owner is notified', async () => {
    const ada = await person(300);
    assert.equal((await must(forget(ada.name), 202)).body, undefined);
    const { token } = await tokensFor(ada.mail);
    const weak = await reset(token, 'password123');
    assert.deepEqual([weak.status, weak.body.error_code], [400, 'INVALID_REQUEST']);
    await must(reset(token), 204);
    await assertInvalid(reset(token, 'another-harbour-engraves-94'));
    assert.equal((await api.readSession({ token: ada.token })).status, 401);
    assert.equal((await logIn(ada.name, goodPassword)).status, 401);
    await must(logIn(ada.name, newPassword));
    await until(async () =>
      (await notificationsTo(system.ready.outboxUrl, ada.mail)).some(
        ({ subject }) => subject === 'Your Vyry password was changed',
      ),
    );
  });

  it('is replaced once when its token is used several times at once', async () => {
    const ada = await person(301);
    await must(forget(ada.mail), 202);
    const { token } = await tokensFor(ada.mail);
    const passwords = [1, 2, 3, 4, 5].map((turn) => `violet-harbour-engraves-9${turn}`);
    const answers = await Promise.all(passwords.map((password) => reset(token, password)));
    const won = passwords.filter((_, index) => answers[index]?.status === 204);
    assert.equal(won.length, 1, JSON.stringify(answers.map(({ status }) => status)));
    await must(logIn(ada.name, won[0] ?? ''));
  });

  it('stays valid after "not me" of its owner, whose token has no other use', async () => {
    const ada = await person(302);
    await must(forget(ada.name), 202);
    const { token, stop } = await tokensFor(ada.mail);
    await assertInvalid(reset(stop));
    await assertInvalid(post('/password/stop', { token }));
    await must(post('/password/stop', { token: stop }), 204);
    await assertInvalid(reset(token));
    await must(logIn(ada.name, goodPassword));
    const auditLog = () => behind.auditEvents();
    await until(async () =>
      (await auditLog()).some(({ action, userId }) => action === 'recovery-stop' && userId === ada.userId),
    );
  });

  it('is also notified at the number, once a day and without a token', async () => {
    const ada = await person(311);
    const warned = async () =>
      (await notificationsTo(system.ready.outboxUrl, phoneOf(311))).filter(({ body }) =>
        body.includes('asked to reset'),
      );
    await must(forget(ada.name), 202);
    const { token, stop } = await tokensFor(ada.mail);
    await until(async () => (await warned()).length > 0);
    await must(forget(ada.mail), 202);
    await tokensFor(ada.mail, 2);
    const [warning, ...more] = await warned();
    assert.deepEqual(more, []);
    assert.equal(
      warning?.body,
      'Somebody asked to reset the password of your Vyry account. If this was not you, our e-mail says how to stop it.',
    );
    assert.equal(
      [token, stop].some((secret) => warning?.body.includes(secret)),
      false,
    );
  });

  it('C7: the message goes to the stored address, whatever spelling was typed', async () => {
    const ada = await person(303);
    await must(forget(ada.mail.toUpperCase()), 202);
    await tokensFor(ada.mail);
    const all = (await (await fetch(`${system.ready.outboxUrl}/messages`)).json()) as OutboxMessage[];
    const others = all.filter(({ to, body }) => /person303/i.test(to) && body.includes(page));
    assert.deepEqual([...new Set(others.map(({ to }) => to))], [ada.mail]);
  });

  it('is replaced after an outage of the mail server, with one message', async () => {
    const ada = await person(304);
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'error500' });
    await must(forget(ada.name), 202);
    await until(async () => (await behind.keys('recovery:*')).length > 0);
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'none' });
    const { token } = await tokensFor(ada.mail);
    await must(reset(token), 204);
    assert.equal((await messagesOfRecovery(ada.mail)).length, 1);
  });

  it('sends one message for requests with one idempotency key', async () => {
    const ada = await person(305);
    const ask = () => post('/password/forgot', { identifier: ada.name }, { 'Idempotency-Key': 'recovery-305' });
    await Promise.all([must(ask(), 202), must(ask(), 202)]);
    await tokensFor(ada.mail);
    await must(ask(), 202);
    assert.equal((await messagesOfRecovery(ada.mail)).length, 1);
  });

  it('G8: its tokens have no other use, and other tokens do not replace it', async () => {
    const ada = await person(306);
    await must(forget(ada.name), 202);
    const { token, stop } = await tokensFor(ada.mail);
    for (const bearer of [token, stop]) {
      assert.equal((await api.readSession({ token: bearer })).status, 401);
    }
    await assertInvalid(post('/refresh-token', { refreshToken: token }));
    await assertInvalid(reset('a'.repeat(43)));
    assert.equal((await reset(ada.token)).status, 400);
  });
});

describe('POST /auth/password/forgot', () => {
  it('D1: returns the same response for known, unknown and disabled users, and sends nothing to disabled users', async () => {
    const ada = await person(307);
    const gone = await person(308);
    jsonOf(await vyryFor(system)(['users', 'disable', gone.name, '--json']));
    const answers = await Promise.all([ada.name, gone.name, 'nobody-at-all', 'nobody@example.org'].map(forget));
    const shapes = answers.map(({ status, body, headers }) => {
      const names = [...headers.keys()].sort().join(' ');
      return JSON.stringify([status, body, names]);
    });
    assert.deepEqual([...new Set(shapes)].length, 1, shapes.join('\n'));
    assert.equal(answers[0]?.status, 202);
    await tokensFor(ada.mail);
    assert.deepEqual(await messagesOfRecovery(gone.mail), []);
  });

  it('D2: does the same for unknown and known users before it responds, even when no account can be looked up', async () => {
    const known = await person(312);
    // reaches neither the database nor a worker that queries it
    const namespace = uniqueName('recovery');
    await ensureNamespace(system.ready.temporalAddress, namespace);
    const blind = await startAnotherApi(system, {
      DATABASE_URL: 'mongodb://127.0.0.1:1',
      TEMPORAL_NAMESPACE: namespace,
    });
    for (const identifier of [known.name, 'nobody-to-look-up', known.mail, 'nobody@example.net']) {
      const before = await counted();
      await must(post('/password/forgot', { identifier }, {}, blind.apiUrl), 202);
      const more = [...(await counted())].filter((one) => !before.has(one));
      assert.equal(more.length, 2, identifier);
    }
    assert.deepEqual(await messagesOfRecovery(known.mail), []);
  });

  it('is limited by the typed name, known or not', async () => {
    const strict = await startAnotherApi(system, { LIMIT_RECOVERIES_PER_NAME: '3/3600' });
    for (const identifier of ['person309', 'nobody-else']) {
      const ask = (typed: string) => post('/password/forgot', { identifier: typed }, {}, strict.apiUrl);
      for (let turn = 0; turn < 3; turn++) await must(ask(identifier), 202);
      assertLimited(await ask(identifier.toUpperCase()), 'recoveries-per-name', 3600);
    }
  });

  it('refuses a malformed identifier', async () => {
    for (const identifier of ['', 'a@x.com\r\nBcc: v@y.com', ['person300'], { $ne: '' }]) {
      assert.equal((await post('/password/forgot', { identifier })).status, 400, JSON.stringify(identifier));
    }
  });
});

describe('The stored data of a recovery', () => {
  it('contains no token in plain text', async () => {
    const ada = await person(310);
    await must(forget(ada.name), 202);
    const { token, stop } = await tokensFor(ada.mail);
    const stored = await Promise.all(
      (await behind.keys('recovery*')).map(async (key) => {
        const isHash = (await behind.redis.type(key)) === 'hash';
        return `${key} ${JSON.stringify(isHash ? await behind.redis.hgetall(key) : await behind.redis.get(key))}`;
      }),
    );
    assert.ok(stored.length >= 3);
    for (const secret of [token, stop]) assert.equal(stored.join('\n').includes(secret), false);
  });
});
