// @rerun never
/** Attacks on the accounts of others, with the case ids of the abuse catalogue. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, notificationsTo } from '../support/client.ts';
import { signedIn } from '../support/people.ts';
import { assertLimited, must, newPassword, registrationWithCode } from '../support/registrations.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const page = 'https://app.example/account';

const { system, behind, api, codeBy, logIn } = await withSystem({ RECOVERY_URL: page });

/** A user with an account, a PIN and a session. */
const person = (index: number) => signedIn(system, index, { pin: '830571' });

/** The session of an attacker who controls only the mailbox of a user, and recovered the password with it. */
async function recovered({ name, mail }: { name: string; mail: string }): Promise<string> {
  await must(api.forgetPassword({ body: { identifier: name } }), 202);
  const read = async () => {
    const bodies = (await notificationsTo(system.ready.outboxUrl, mail)).map(({ body }) => body);
    return new RegExp(`${page}#token=([\\w-]{43})`).exec(bodies.join('\n'))?.[1];
  };
  await must(api.resetPassword({ body: { token: await eventually(read), password: newPassword } }), 204);
  return (await must(logIn(name, newPassword))).body.accessToken;
}

describe('A password recovery', () => {
  it('O6: allows no PIN reset by the same mailbox for a day; a code by SMS resets it at once', async () => {
    const ada = await person(600);
    const token = await recovered(ada);
    assertLimited(await api.beginPinReset({ token, body: { channel: 'email' } }), 'pin-reset-after-recovery', 86_400);
    const { resetId, code } = await codeBy(ada.phone, () => api.beginPinReset({ token, body: { channel: 'sms' } }));
    await must(api.resetPin({ token, body: { resetId, code, pin: '274916' } }), 204);
    await must(api.verifyPin({ token, body: { pin: '274916' } }), 204);
  });

  it('O6: allows no PIN reset by a number that was added to the account after it', async () => {
    const ada = await person(601);
    const token = await recovered(ada);
    const phone = '+447700901601';
    const { changeId, code } = await codeBy(phone, () => api.changeProfile({ token, body: { phone } }));
    await must(api.verifyContact({ changeId, token, body: { code } }));
    for (const channel of ['sms', 'email'] as const) {
      assertLimited(await api.beginPinReset({ token, body: { channel } }), 'pin-reset-after-recovery', 86_400);
    }
    await must(api.verifyPin({ token, body: { pin: '830571' } }), 204);
  });

  it('O6: allows no PIN reset by a code that was sent before it', async () => {
    const ada = await person(602);
    const send = () => api.beginPinReset({ token: ada.token, body: { channel: 'email' } });
    const { resetId, code } = await codeBy(ada.mail, send);
    const token = await recovered(ada);
    const reset = await api.resetPin({ token, body: { resetId, code, pin: '274916' } });
    assertLimited(reset, 'pin-reset-after-recovery', 86_400);
    await must(api.verifyPin({ token, body: { pin: '830571' } }), 204);
  });
});

describe('A log-in with a code by e-mail', () => {
  it('O6: allows no PIN reset for a day by the same mailbox or a number that it adds; an older session is exempt', async () => {
    const ada = await person(660);
    const begun = await codeBy(ada.mail, () => api.beginLogIn({ body: { identifier: ada.mail } }));
    const { body } = await must(api.verify({ body: { loginId: begun.loginId, code: begun.code } }));
    const token = body.accessToken;
    assertLimited(await api.beginPinReset({ token, body: { channel: 'email' } }), 'pin-reset-after-recovery', 86_400);
    const phone = '+447700901660';
    const { changeId, code } = await codeBy(phone, () => api.changeProfile({ token, body: { phone } }));
    await must(api.verifyContact({ changeId, token, body: { code } }));
    assertLimited(await api.beginPinReset({ token, body: { channel: 'sms' } }), 'pin-reset-after-recovery', 86_400);
    await must(api.verifyPin({ token, body: { pin: '830571' } }), 204);

    const { body: own } = await must(api.readSession({ token: ada.token }));
    const times = { createdAt: Date.now() - 86_401_000, authenticatedAt: Date.now() };
    await behind.redis.hset(`session:${own.sessionId}`, times);
    await must(api.beginPinReset({ token: ada.token, body: { channel: 'email' } }), 202);
  });
});

const warning = 'Somebody is registering your number with Vyry';

/** Waits for a number of warnings to an owner, and returns their bodies, oldest first. */
async function warningsOf({ mail }: { mail: string }, count: number): Promise<string[]> {
  const read = async () =>
    (await notificationsTo(system.ready.outboxUrl, mail)).flatMap(({ subject, body }) =>
      subject === warning ? [body] : [],
    );
  await until(async () => (await read()).length >= count);
  return read();
}

const stopTokenOf = (body: string | undefined) =>
  new RegExp(`${page}#stop-registration=([\\w-]{43})`).exec(body ?? '')?.[1] ?? '';
const stop = (token: string) => api.stopRegistrations({ body: { token } });
const assertInvalid = ({ status, body }: Answer) => assert.deepEqual([status, body.error_code], [401, 'INVALID_TOKEN']);

describe('A registration of a number of another user', () => {
  it('O11: notifies the owner of its time and app, and "not me" ends all such registrations, once', async () => {
    const [ada, eve] = [await person(603), await person(604)];
    const registrations = [
      (await registrationWithCode(system, 603)).registration,
      (await registrationWithCode(system, 603)).registration,
    ];
    const bystander = (await registrationWithCode(system, 604)).registration;
    const [body, ...more] = await warningsOf(ada, 1);
    assert.equal(more.length, 0);
    assert.match(body ?? '', /Time \(UTC\): \w+ \d+.* \d\d:\d\d.* App: /);
    const token = stopTokenOf(body);
    assert.equal((await stop(token)).status, 204);
    for (const registration of registrations) {
      const { body: seen } = await must(registration.call('GET', ''));
      assert.deepEqual([seen.state, seen.reason], ['cancelled', 'operator'], 'as an operator cancels one');
    }
    assert.equal((await must(bystander.call('GET', ''))).body.state, 'pending');
    assertInvalid(await stop(token));
    assertInvalid(await stop('a'.repeat(43)));
    assertInvalid(await api.stopRecovery({ body: { token } }));
    const events = () => behind.auditEvents();
    await until(async () =>
      (await events()).some(({ action, userId }) => action === 'registration-stop' && userId === ada.userId),
    );
    assert.notEqual(eve.userId, ada.userId);
  });

  it('O11: notifies the owner again after a stop, and can be stopped again', async () => {
    const ada = await person(605);
    await registrationWithCode(system, 605);
    await must(stop(stopTokenOf((await warningsOf(ada, 1))[0])), 204);
    const { registration } = await registrationWithCode(system, 605);
    await must(stop(stopTokenOf((await warningsOf(ada, 2))[1])), 204);
    assert.equal((await must(registration.call('GET', ''))).body.state, 'cancelled');
  });

  it('O11: accepts one of three concurrent uses of a token, which no Redis key contains in plain text', async () => {
    const ada = await person(606);
    const { registration } = await registrationWithCode(system, 606);
    const token = stopTokenOf((await warningsOf(ada, 1))[0]);
    for (const key of await behind.keys('*')) assert.equal(key.includes(token), false, key);
    const statuses = (await Promise.all([1, 2, 3].map(() => stop(token)))).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [204, 401, 401]);
    assert.equal((await must(registration.call('GET', ''))).body.state, 'cancelled');
  });
});
