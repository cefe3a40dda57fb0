// @rerun never
/** What outlives a change of an account, and what a code alone opens. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, call, codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { type Chosen, signedIn, type Who } from '../support/people.ts';
import { completedRegistration, goodPassword, must, phoneOf, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const pin = '830571';
const newPassword = 'violet-harbour-engraves-93';
const page = 'https://app.example/account';

const { system, behind, url, outboxUrl } = await withSystem({
  OTP_TTL: '3600',
  RECOVERY_URL: page,
  RECOVERY_TTL: '3600',
});

interface Person {
  name: string;
  mail: string;
  phone: string;
  userId: string;
  token: string;
}

/** A user with a password, a PIN and a session. */
async function person(index: number, chosen: Chosen = { pin }): Promise<Person> {
  const { userId, accessToken: token } = await signedIn(system, index, chosen);
  const name = `person${index}`;
  return { name, mail: `${name}@example.org`, phone: phoneOf(index), userId, token };
}

const send = (method: string, path: string, body: unknown, token?: string, headers = {}): Promise<Answer> =>
  call(url, method, `/api/v1${path}`, { body, headers, ...(token && { token }) });
const post = (path: string, body: unknown, token?: string) => send('POST', path, body, token);
const isAlive = async (token: string) => (await call(url, 'GET', '/api/v1/auth/session', { token })).status === 200;

/** Begins something that sends a code, and returns its answer and the code. */
async function coded(to: string, begin: () => Promise<Answer>): Promise<{ begun: Answer['body']; code: string }> {
  const before = (await messagesTo(outboxUrl, to)).length;
  const { body: begun } = await must(begin(), 202);
  return { begun, code: await codeFor(outboxUrl, to, before + 1) };
}

/** A log-in by code that waits for its verification. */
async function logInAt(to: string, identifier: string): Promise<{ loginId: string; code: string }> {
  const { begun, code } = await coded(to, () => post('/auth/login/init', { identifier }));
  return { loginId: begun.loginId, code };
}

/** Requests a recovery, and returns its token from the message to an address. */
async function recoveryAt(to: string, identifier: string): Promise<string> {
  await must(post('/auth/password/forgot', { identifier }), 202);
  const read = async () => {
    const bodies = (await notificationsTo(outboxUrl, to)).map(({ body }) => body);
    return new RegExp(`${page}#token=([\\w-]{43})`).exec(bodies.join('\n'))?.[1];
  };
  await until(async () => (await read()) !== undefined);
  return (await read()) ?? '';
}

const newDevices = async (to: string) =>
  (await notificationsTo(outboxUrl, to)).filter(({ body }) => /new device/i.test(body));

async function changeMail({ token }: Person, email: string): Promise<void> {
  const { begun, code } = await coded(email, () => send('PUT', '/users/me', { email }, token));
  await must(post(`/users/me/changes/${begun.changeId}/verify`, { code }, token));
}

function assertLocked({ status, body }: Answer): void {
  assert.deepEqual([status, body.error_code, body.asks], [423, 'REGISTRATION_LOCKED', ['pin', 'password']]);
  assert.ok(body.timeRemainingSeconds > 0 && body.timeRemainingSeconds <= 3600);
}

describe('A code by SMS', () => {
  it('F22 alone does not open an account with a PIN and a password; each of them opens it, with step-up', async () => {
    const ada = await person(300);
    for (const own of [{ pin }, { password: goodPassword }]) {
      const proof = await logInAt(ada.phone, ada.name);
      assertLocked(await post('/auth/login/verify', proof));
      const { body } = await must(post('/auth/login/verify', { ...proof, ...own }));
      await must(send('PUT', '/users/me', { email: 'f22@example.org' }, body.accessToken), 202);
    }
    assert.equal((await behind.sessionsOf(ada.userId)).length, 3);
  });

  it('F22 with a wrong PIN or password opens nothing, and both together are malformed', async () => {
    const ada = await person(301);
    const proof = await logInAt(ada.phone, ada.phone);
    assertLocked(await post('/auth/login/verify', { ...proof, pin: '000000' }));
    assertLocked(await post('/auth/verify', { ...proof, password: 'not-the-password' }));
    assert.equal((await post('/auth/verify', { ...proof, pin, password: goodPassword })).status, 400);
    assert.equal((await behind.sessionsOf(ada.userId)).length, 1);
  });

  it('F22 opens an account that has neither, and counts as its step-up', async () => {
    const who: Who = { phone: '+447700903022', username: 'neither' };
    await signedIn(system, who, { password: null });
    const proof = await logInAt('+447700903022', 'neither');
    const { body } = await must(post('/auth/login/verify', proof));
    await must(send('PUT', '/users/me', { email: 'neither@example.org' }, body.accessToken), 202);
  });

  it('F22 opens an account with a PIN where LOGIN_CODE_ASKS is never, but is not its step-up', async () => {
    const ada = await person(302);
    const { apiUrl } = await startAnotherApi(system, { LOGIN_CODE_ASKS: 'never' });
    const proof = await logInAt(ada.phone, ada.name);
    const { body } = await must(call(apiUrl, 'POST', '/api/v1/auth/login/verify', { body: proof }));
    assert.equal((await send('PUT', '/users/me', { email: 'x@example.org' }, body.accessToken)).status, 401);
  });
});

describe('A code by e-mail', () => {
  it('F22 alone is no step-up for an account that has more, until the password was typed', async () => {
    const ada = await person(303);
    const { body } = await must(post('/auth/login/verify', await logInAt(ada.mail, ada.mail)));
    const change = () => send('PUT', '/users/me', { email: 'f22-303@example.org' }, body.accessToken);
    const refused = await change();
    assert.match(refused.headers.get('www-authenticate') ?? '', /insufficient_user_authentication/);
    assert.equal((await post('/auth/pin/reset/code', {}, body.accessToken)).status, 401);
    await must(post('/auth/step-up', { password: goodPassword }, body.accessToken), 204);
    await must(change(), 202);
  });
});

describe('A recovery by SMS', () => {
  it('F22 asks for the PIN of the account, as a code by SMS does; a wrong PIN does not use the token', async () => {
    const phone = '+447700903023';
    const { accessToken } = await signedIn(system, { phone, username: 'onlynumber' }, { pin });
    const token = await recoveryAt(phone, 'onlynumber');
    for (const given of [{}, { pin: '000000' }]) {
      const refused = await post('/auth/password/reset', { token, password: newPassword, ...given });
      assert.deepEqual([refused.status, refused.body.error_code], [423, 'REGISTRATION_LOCKED']);
      assert.deepEqual(refused.body.asks, ['pin']);
    }
    assert.equal(await isAlive(accessToken), true);
    await must(post('/auth/password/reset', { token, password: newPassword, pin }), 204);
    await must(post('/auth/login', { identifier: 'onlynumber', password: newPassword }));
  });
});

describe('A log-in from a new device', () => {
  it('F22 is told to the owner once for each device, by the channel that the code did not use', async () => {
    const ada = await person(304);
    const logInFrom = async (to: string, userAgent: string) => {
      const proof = await logInAt(to, to);
      const headers = { 'User-Agent': userAgent };
      await must(send('POST', '/auth/login/verify', { ...proof, pin }, undefined, headers));
    };
    await logInFrom(ada.phone, 'one/1');
    await until(async () => (await newDevices(ada.mail)).length === 1);
    await logInFrom(ada.phone, 'one/1');
    await logInFrom(ada.mail, 'two/2');
    await until(async () => (await newDevices(ada.phone)).length === 1);
    await logInFrom(ada.phone, 'two/2');
    await logInFrom(ada.phone, 'three/3');
    await until(async () => (await newDevices(ada.mail)).length === 2);
    assert.equal((await newDevices(ada.phone)).length, 1);
  });

  it('F22 is told by every channel after a password, and the first session of a registration is no news', async () => {
    const registration = await completedRegistration(system, 305);
    await must(registration.call('POST', '/session'), 201);
    const body = { identifier: 'person305', password: goodPassword };
    await must(call(url, 'POST', '/api/v1/auth/login', { body, headers: { 'User-Agent': 'other/1' } }));
    for (const to of ['person305@example.org', phoneOf(305)]) {
      await until(async () => (await newDevices(to)).length > 0);
      assert.equal((await newDevices(to)).length, 1);
    }
  });
});

const everywhere = { everywhere: true };

describe('A proof that was begun before a change', () => {
  it('F23 the token of a recovery dies with a change of password, PIN, address and state, and with a log-out everywhere', async () => {
    const vyry = vyryFor(system);
    const changes: [number, (who: Person) => Promise<unknown>][] = [
      [
        310,
        ({ token }) => must(send('PUT', '/auth/password', { currentPassword: goodPassword, newPassword }, token), 204),
      ],
      [311, ({ token }) => must(send('PUT', '/auth/pin', { currentPin: pin, pin: '274916' }, token), 204)],
      [312, (who) => changeMail(who, 'f23-312@example.org')],
      [313, ({ token }) => must(post('/auth/logout', everywhere, token), 204)],
      [
        314,
        async ({ name }) => {
          for (const act of ['disable', 'enable']) assert.equal((await vyry(['users', act, name])).code, 0);
        },
      ],
    ];
    for (const [index, change] of changes) {
      const who = await person(index);
      const token = await recoveryAt(who.mail, who.name);
      await change(who);
      const late = await post('/auth/password/reset', { token, password: 'another-harbour-engraves-94' });
      assert.deepEqual([late.status, late.body.error_code], [401, 'INVALID_TOKEN'], String(index));
    }
  });

  it('F23 of two tokens of recoveries the second dies with the use of the first', async () => {
    const ada = await person(315);
    const first = await recoveryAt(ada.mail, ada.name);
    await must(post('/auth/password/forgot', { identifier: ada.mail }), 202);
    const tokens = async () => {
      const bodies = (await notificationsTo(outboxUrl, ada.mail)).map(({ body }) => body).join('\n');
      return [...bodies.matchAll(new RegExp(`${page}#token=([\\w-]{43})`, 'g'))].map(([, token]) => token);
    };
    await until(async () => (await tokens()).length === 2);
    const [, second] = await tokens();
    await must(post('/auth/password/reset', { token: first, password: newPassword }), 204);
    assert.equal((await post('/auth/password/reset', { token: second, password: goodPassword })).status, 401);
  });

  it('F23 the code of a log-in dies, and is not called wrong', async () => {
    const ada = await person(316);
    const proof = await logInAt(ada.mail, ada.mail);
    await must(post('/auth/logout', everywhere, ada.token), 204);
    const late = await post('/auth/login/verify', { ...proof, pin });
    assert.deepEqual([late.status, late.body.error_code], [410, 'GONE']);
    assert.deepEqual(await behind.sessionsOf(ada.userId), []);
    await must(post('/auth/login/verify', await logInAt(ada.mail, ada.mail)));
  });

  it('F23 the code of a PIN reset dies with a change of address, and the session goes on', async () => {
    const ada = await person(317);
    const { begun, code } = await coded(ada.phone, () => post('/auth/pin/reset/code', {}, ada.token));
    await changeMail(ada, 'f23-317@example.org');
    const late = await post('/auth/pin/reset', { resetId: begun.resetId, code, pin: '274916' }, ada.token);
    assert.deepEqual([late.status, late.body.error_code], [410, 'GONE']);
    await must(post('/auth/pin/verify', { pin }, ada.token), 204);
  });

  it('F23 the code of a new number dies with a change of password, and can be repeated after its own change', async () => {
    const ada = await person(318);
    const [old, other] = ['+447700903181', '+447700903182'];
    const begin = (phone: string) => coded(phone, () => send('PUT', '/users/me', { phone }, ada.token));
    const first = await begin(old);
    await must(send('PUT', '/auth/password', { currentPassword: goodPassword, newPassword }, ada.token), 204);
    const verify = ({ begun, code }: Awaited<ReturnType<typeof begin>>) =>
      post(`/users/me/changes/${begun.changeId}/verify`, { code }, ada.token);
    const late = await verify(first);
    assert.deepEqual([late.status, late.body.error_code], [410, 'GONE']);
    const next = await begin(other);
    assert.equal((await must(verify(next))).body.phone, other);
    assert.equal((await must(verify(next))).body.phone, other);
    const claims = await behind.claimsOf(ada.userId);
    assert.equal(claims.filter((claim) => claim.startsWith('phone:')).length, 1);
  });

  it('F23 of several changes that the same old password proves, one takes effect', async () => {
    const ada = await person(322);
    const passwords = [1, 2, 3, 4].map((turn) => `violet-harbour-engraves-9${turn}`);
    const change = (wanted: string) => {
      const body = { currentPassword: goodPassword, newPassword: wanted };
      return send('PUT', '/auth/password', body, ada.token);
    };
    const answers = await Promise.all(passwords.map(change));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401, 401, 401]);
    const won = passwords[answers.findIndex(({ status }) => status === 204)];
    await must(post('/auth/login', { identifier: ada.name, password: won }));
  });

  it('F23 the token of a completed registration begins no session after a log-out everywhere', async () => {
    const registration = await completedRegistration(system, 319);
    const login = { identifier: 'person319', password: goodPassword };
    const { body } = await must(post('/auth/login', login));
    await must(post('/auth/logout', everywhere, body.accessToken), 204);
    const late = await registration.call('POST', '/session');
    assert.deepEqual([late.status, late.body.error_code], [409, 'CONFLICT']);
    assert.deepEqual(await behind.sessionsOf(body.user.userId), []);
  });
});

describe('A second step', () => {
  it('F24 does not use the channel that recovered the account, while another exists', async () => {
    const [ada, eve] = [await person(320), await person(321)];
    const { apiUrl } = await startAnotherApi(system, { LOGIN_SECOND_STEP: 'true' });
    const strict = (path: string, body: unknown) => call(apiUrl, 'POST', `/api/v1/auth${path}`, { body });
    const token = await recoveryAt(ada.mail, ada.name);
    await must(post('/auth/password/reset', { token, password: newPassword }), 204);
    for (const request of [{ identifier: ada.mail }, { identifier: ada.name, channel: 'email' }]) {
      const { begun, code } = await coded(ada.phone, () => strict('/login', { ...request, password: newPassword }));
      assert.equal(begun.channel, 'sms');
      await must(strict('/login/verify', { loginId: begun.loginId, code }));
    }
    assert.deepEqual(await messagesTo(outboxUrl, ada.mail), []);
    const usual = await coded(eve.mail, () => strict('/login', { identifier: eve.mail, password: goodPassword }));
    assert.equal(usual.begun.channel, 'email');
  });
});
