import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { type Answer, call, notificationsTo } from '../support/client.ts';
import type { SignedIn } from '../support/people.ts';
import { assertLimited, goodPassword, must, newPassword, wrongCode } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const breached = 'quartz-lantern-meadow-47-known';

/** The hash prefixes that the server of breached passwords was queried for. */
const asked: string[] = [];

const list = rangeServer();
list.listen(0, '127.0.0.1');
await once(list, 'listening');
after(() => list.close());
const { system, behind, url, api, person, logIn, isAlive, codeBy } = await withSystem({
  OTP_TTL: '3600',
  LIMIT_WRONG_PINS_PER_PERSON: '10/86400',
  LIMIT_WRONG_PASSWORDS_PER_NAME: '5/3600',
  BREACHED_PASSWORDS_URL: `http://127.0.0.1:${(list.address() as AddressInfo).port}`,
});

/** Format of https://haveibeenpwned.com/API/v3#PwnedPasswords: suffixes and counts; padding has the count 0. */
function rangeServer(): Server {
  const known = createHash('sha1').update(breached).digest('hex').toUpperCase();
  return createServer((req, res) => {
    const prefix = req.url?.replace('/range/', '') ?? '';
    asked.push(prefix);
    const padding = createHash('sha1').update(newPassword).digest('hex').toUpperCase();
    const lines = [`${'0'.repeat(35)}:3`, `${padding.slice(5)}:0`];
    if (known.startsWith(prefix)) lines.push(`${known.slice(5)}:42`);
    res.end(lines.join('\r\n'));
  });
}

const ask = ({ token }: Pick<SignedIn, 'token'>, method: string, path: string, body: unknown): Promise<Answer> =>
  call(url, method, `/api/v1/auth${path}`, { token, body });
const changePassword = ({ token }: SignedIn, currentPassword: string, password = newPassword) =>
  api.changePassword({ token, body: { currentPassword, newPassword: password } });

describe('PUT /auth/password', () => {
  it('changes the password, ends every other session and notifies the owner', async () => {
    const ada = await person(200);
    const elsewhere = (await must(logIn(ada.name, goodPassword))).body.accessToken;
    await must(changePassword(ada, goodPassword), 204);
    assert.ok(await isAlive(ada.token));
    assert.equal(await isAlive(elsewhere), false);
    assert.equal((await logIn(ada.name, goodPassword)).status, 401);
    await must(logIn(ada.name, newPassword));
    const told = async () => await notificationsTo(system.ready.outboxUrl, `${ada.name}@example.org`);
    await until(async () => (await told()).some(({ subject }) => subject === 'Your Vyry password was changed'));
  });

  it('refuses a wrong current password, a weak new one and one made of the user name, and changes nothing', async () => {
    const ada = await person(201);
    const wrong = await changePassword(ada, 'not the password');
    assert.deepEqual([wrong.status, wrong.body.error_code], [401, 'UNAUTHORIZED']);
    for (const weak of ['password123', `${ada.name}${ada.name}`]) {
      const { status, body } = await changePassword(ada, goodPassword, weak);
      assert.deepEqual([status, body.error_code, body.details[0].path], [400, 'INVALID_REQUEST', 'password'], weak);
    }
    await must(logIn(ada.name, goodPassword));
  });

  it('refuses a breached password, and sends only five digits of its hash to the server of breached passwords', async () => {
    const ada = await person(202);
    asked.length = 0;
    const { status, body } = await changePassword(ada, goodPassword, breached);
    assert.deepEqual([status, body.details[0].path], [400, 'password']);
    assert.deepEqual(asked, [createHash('sha1').update(breached).digest('hex').toUpperCase().slice(0, 5)]);
    await must(logIn(ada.name, goodPassword));
  });

  it('refuses even the right password for a while after five wrong ones, also in parallel', async () => {
    const ada = await person(203);
    const answers = await Promise.all(Array.from({ length: 20 }, () => changePassword(ada, 'not the password')));
    assert.equal(answers.filter(({ status }) => status === 401).length, 5);
    assertLimited(await changePassword(ada, goodPassword), 'wrong-passwords-per-name', 3600);
    const events = await checksOf(ada, 'password-verify');
    assert.equal(events, 5);
  });
});

/** Counts the failed checks of a user in the audit log before the event of an export: an api writes events in order. */
async function checksOf({ userId, token }: SignedIn, action: string): Promise<number> {
  await must(api.exportAccount({ token }));
  const own = async () => (await behind.auditEvents()).filter((event) => event.userId === userId);
  await until(async () => (await own()).some((event) => event.action === 'data-export'));
  return (await own()).filter((event) => event.action === action && event.status === 'failure').length;
}

describe('/auth/pin', () => {
  it('is set with the password, changed with the current PIN, and verified', async () => {
    const ada = await person(204);
    assert.equal((await ask(ada, 'POST', '/pin/verify', { pin: '830571' })).status, 401);
    assert.equal((await ask(ada, 'PUT', '/pin', { pin: '830571' })).status, 400);
    assert.equal((await ask(ada, 'PUT', '/pin', { pin: '830571', currentPassword: 'not it' })).status, 401);
    await must(ask(ada, 'PUT', '/pin', { pin: '830571', currentPassword: goodPassword }), 204);
    await must(ask(ada, 'POST', '/pin/verify', { pin: '830571' }), 204);

    const elsewhere = (await must(logIn(ada.name, goodPassword))).body.accessToken;
    const byPassword = await ask(ada, 'PUT', '/pin', { pin: '274916', currentPassword: goodPassword });
    assert.deepEqual([byPassword.status, byPassword.body.details[0].path], [400, 'currentPin']);
    await must(ask(ada, 'PUT', '/pin', { pin: '274916', currentPin: '830571' }), 204);
    assert.equal(await isAlive(elsewhere), false);
    assert.equal((await ask(ada, 'POST', '/pin/verify', { pin: '830571' })).status, 401);
    await must(ask(ada, 'POST', '/pin/verify', { pin: '274916' }), 204);
    const told = async () => await notificationsTo(system.ready.outboxUrl, `${ada.name}@example.org`);
    await until(
      async () => (await told()).filter(({ subject }) => subject === 'Your Vyry PIN was changed').length === 2,
    );
  });

  it('refuses sequences, repeated digits and malformed PINs', async () => {
    const ada = await person(205);
    for (const pin of ['1234', '9876', '0000', '12a4', '123', '1'.repeat(21)]) {
      assert.equal((await ask(ada, 'PUT', '/pin', { pin, currentPassword: goodPassword })).status, 400, pin);
    }
  });

  it('O1: compares ten wrong PINs a day, in parallel and across sessions, then refuses even the right one', async () => {
    const ada = await person(206);
    await must(ask(ada, 'PUT', '/pin', { pin: '830571', currentPassword: goodPassword }), 204);
    const other = { token: (await must(logIn(ada.name, goodPassword))).body.accessToken as string };
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        ask(index % 2 ? ada : other, 'POST', '/pin/verify', { pin: String(2000 + 7 * index) }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 401).length, 10);
    assert.equal(answers.filter(({ status }) => status === 429).length, 40);
    assertLimited(await ask(other, 'POST', '/pin/verify', { pin: '830571' }), 'wrong-pins-per-person', 86_400);
    assertLimited(
      await ask(ada, 'PUT', '/pin', { pin: '274916', currentPin: '830571' }),
      'wrong-pins-per-person',
      86_400,
    );
    assert.equal(await checksOf(ada, 'pin-verify'), 10);
  });

  it('is reset once by a new code, which works for no other user and for no other purpose', async () => {
    const [ada, bob] = [await person(207), await person(208)];
    await must(ask(ada, 'PUT', '/pin', { pin: '830571', currentPassword: goodPassword }), 204);
    const { resetId, code } = await codeBy(ada.phone, () => api.beginPinReset({ token: ada.token, body: {} }));
    const reset = ({ token }: SignedIn, typed: string, pin = '274916') =>
      api.resetPin({ token, body: { resetId, code: typed, pin } });
    assert.equal((await reset(bob, code)).status, 404);
    const wrong = await reset(ada, wrongCode(code));
    assert.deepEqual([wrong.status, wrong.body.error_code], [400, 'INVALID_OTP']);
    const asLogIn = await api.verify({ body: { loginId: resetId, code } });
    assert.deepEqual([asLogIn.status, asLogIn.body.error_code], [404, 'NOT_FOUND'], 'A13');
    await must(reset(ada, code), 204);
    assert.equal((await reset(ada, code, '385206')).status, 410);
    await must(ask(ada, 'POST', '/pin/verify', { pin: '274916' }), 204);
  });

  it('O10: PINs and passwords are stored as Argon2id hashes', async () => {
    const user = await behind.database.collection('users').findOne({ pin: { $exists: true } });
    for (const secret of [user?.pin, user?.password]) assert.match(String(secret), /^\$argon2id\$v=19\$m=19456,/);
  });
});
