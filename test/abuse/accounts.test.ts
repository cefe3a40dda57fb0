// @rerun never
/** Attacks on the accounts of others, with the case ids of the abuse catalogue. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { changeSession } from '../support/aging.ts';
import { type Answer, call, codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { signedIn } from '../support/people.ts';
import {
  assertLimited,
  type Behind,
  lookBehind,
  must,
  phoneOf,
  registrationWithCode,
} from '../support/registrations.ts';
import { startTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const page = 'https://app.example/account';
const newPassword = 'violet-harbour-engraves-93';

let system: System;
let behind: Behind;
let url: string;

before(async () => {
  system = await startTestSystem({ env: { CAPTCHA_COST: '2', RECOVERY_URL: page } });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  await holdToContract(url);
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

const post = (path: string, body: unknown, token?: string): Promise<Answer> =>
  call(url, 'POST', `/api/v1${path}`, { body, ...(token && { token }) });

/** A user with an account, a PIN and a session. */
async function person(index: number) {
  const { userId, accessToken: token } = await signedIn(system, index, { pin: '830571' });
  const name = `person${index}`;
  return { name, mail: `${name}@example.org`, phone: phoneOf(index), userId, token };
}

/** The session of an attacker who controls only the mailbox of a user, and recovered the password with it. */
async function recovered({ name, mail }: { name: string; mail: string }): Promise<string> {
  await must(post('/auth/password/forgot', { identifier: name }), 202);
  const read = async () => {
    const bodies = (await notificationsTo(system.ready.outboxUrl, mail)).map(({ body }) => body);
    return new RegExp(`${page}#token=([\\w-]{43})`).exec(bodies.join('\n'))?.[1];
  };
  await until(async () => (await read()) !== undefined);
  await must(post('/auth/password/reset', { token: await read(), password: newPassword }), 204);
  return (await must(post('/auth/login', { identifier: name, password: newPassword }))).body.accessToken;
}

describe('A password recovery', () => {
  it('O6: allows no PIN reset by the same mailbox for a day; a code by SMS resets it at once', async () => {
    const ada = await person(600);
    const token = await recovered(ada);
    assertLimited(await post('/auth/pin/reset/code', { channel: 'email' }, token), 'pin-reset-after-recovery', 86_400);
    const before = (await messagesTo(system.ready.outboxUrl, ada.phone)).length;
    const { body: begun } = await must(post('/auth/pin/reset/code', { channel: 'sms' }, token), 202);
    const code = await codeFor(system.ready.outboxUrl, ada.phone, before + 1);
    await must(post('/auth/pin/reset', { resetId: begun.resetId, code, pin: '274916' }, token), 204);
    await must(post('/auth/pin/verify', { pin: '274916' }, token), 204);
  });

  it('O6: allows no PIN reset by a number that was added to the account after it', async () => {
    const ada = await person(601);
    const token = await recovered(ada);
    const phone = '+447700901601';
    const { body } = await must(call(url, 'PUT', '/api/v1/users/me', { token, body: { phone } }), 202);
    const code = await codeFor(system.ready.outboxUrl, phone, 1);
    await must(post(`/users/me/changes/${body.changeId}/verify`, { code }, token));
    for (const channel of ['sms', 'email']) {
      assertLimited(await post('/auth/pin/reset/code', { channel }, token), 'pin-reset-after-recovery', 86_400);
    }
    await must(post('/auth/pin/verify', { pin: '830571' }, token), 204);
  });

  it('O6: allows no PIN reset by a code that was sent before it', async () => {
    const ada = await person(602);
    const before = (await messagesTo(system.ready.outboxUrl, ada.mail)).length;
    const { body: begun } = await must(post('/auth/pin/reset/code', { channel: 'email' }, ada.token), 202);
    const code = await codeFor(system.ready.outboxUrl, ada.mail, before + 1);
    const token = await recovered(ada);
    const reset = await post('/auth/pin/reset', { resetId: begun.resetId, code, pin: '274916' }, token);
    assertLimited(reset, 'pin-reset-after-recovery', 86_400);
    await must(post('/auth/pin/verify', { pin: '830571' }, token), 204);
  });
});

describe('A log-in with a code by e-mail', () => {
  it('O6: allows no PIN reset for a day by the same mailbox or a number that it adds; an older session is exempt', async () => {
    const ada = await person(660);
    const before = (await messagesTo(system.ready.outboxUrl, ada.mail)).length;
    const { body: begun } = await must(post('/auth/login/init', { identifier: ada.mail }), 202);
    const mailed = await codeFor(system.ready.outboxUrl, ada.mail, before + 1);
    const { body } = await must(post('/auth/login/verify', { loginId: begun.loginId, code: mailed }));
    const token = body.accessToken as string;
    assert.equal((await post('/auth/pin/reset/code', { channel: 'email' }, token)).status, 401, 'no step-up');
    await must(post('/auth/step-up', { pin: '830571' }, token), 204);
    assertLimited(await post('/auth/pin/reset/code', { channel: 'email' }, token), 'pin-reset-after-recovery', 86_400);
    const phone = '+447700901660';
    const { body: change } = await must(call(url, 'PUT', '/api/v1/users/me', { token, body: { phone } }), 202);
    const code = await codeFor(system.ready.outboxUrl, phone, 1);
    await must(post(`/users/me/changes/${change.changeId}/verify`, { code }, token));
    assertLimited(await post('/auth/pin/reset/code', { channel: 'sms' }, token), 'pin-reset-after-recovery', 86_400);
    await must(post('/auth/pin/verify', { pin: '830571' }, token), 204);

    const { body: own } = await must(call(url, 'GET', '/api/v1/auth/session', { token: ada.token }));
    const times = { createdAt: Date.now() - 86_401_000, authenticatedAt: Date.now() };
    await changeSession(behind.redis, own.sessionId, times);
    await must(post('/auth/pin/reset/code', { channel: 'email' }, ada.token), 202);
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
const stop = (token: string) => post('/registrations/stop', { token });
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
    assertInvalid(await post('/auth/password/stop', { token }));
    const events = async () =>
      (await behind.redis.xrange('audit', '-', '+')).map(([, [, event = '{}']]) => JSON.parse(event));
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
