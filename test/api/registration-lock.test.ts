/** The registration lock: a number or address whose account has a PIN is given away only with that PIN. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Answer,
  codeFor,
  notificationsTo,
  type RegistrationHandle,
  startRegistration,
} from '../support/client.ts';
import type { Chosen } from '../support/people.ts';
import { assertLimited, goodPassword, must, newPassword } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const pin = '918273';

const { system, behind, url, person, codeBy, isAlive, logIn } = await withSystem({
  REGISTRATION_STEPS: 'code,credentials',
  OTP_TTL: '3600',
  LIMIT_WRONG_PINS_PER_PERSON: '3/86400',
});

/** A registration with a verified number. */
async function proven(phone: string, username?: string): Promise<RegistrationHandle> {
  const registration = await startRegistration(url, { phone, ...(username && { username }) });
  const { code } = await codeBy(normal(phone), () => registration.call('POST', '/codes', { channel: 'sms' }));
  await must(registration.call('PUT', '/code', { code }));
  return registration;
}

/** A user with an account and a session, and by default with a PIN. */
const owner = (phone: string, username: string, credentials: Chosen = { password: goodPassword, pin }) =>
  person({ phone, username }, credentials);

/** Registers an owned number again, with its verified code and a new password. */
async function again(phone: string): Promise<{ registration: RegistrationHandle; last: Answer }> {
  const registration = await proven(phone);
  return { registration, last: await must(registration.call('PUT', '/credentials', { password: newPassword })) };
}

const normal = (phone: string) => `+${phone.replace(/\D/g, '')}`;

function assertLocked({ status, body }: Answer): void {
  assert.deepEqual([status, body.error_code], [423, 'REGISTRATION_LOCKED'], JSON.stringify(body));
  assert.ok(body.timeRemainingSeconds > 0 && Number.isInteger(body.timeRemainingSeconds));
}

describe('a number whose account has a PIN', () => {
  it('O3: is not given to a new holder who has the code: 423, no data, and the account is unchanged', async () => {
    const held = await owner('+447700902001', 'holder');
    const { registration, last } = await again(held.phone);
    assert.equal(last.body.state, 'pending');
    assert.deepEqual(last.body.steps.at(-1), { name: 'approval', status: 'open', reason: 'registration-locked' });
    assertLocked(await registration.call('PUT', '/approval', {}));
    assertLocked(await registration.call('PUT', '/approval', { pin: '000000' }));
    assert.equal((await registration.call('POST', '/session')).status, 409);
    const said = JSON.stringify([last.body, (await registration.call('GET', '')).body]);
    assert.doesNotMatch(said, new RegExp(`${held.userId}|holder|lockedBy`));
    assert.equal(await isAlive(held.token), true);
    assert.equal((await logIn('holder', goodPassword)).status, 200);
    assert.equal((await logIn('holder', newPassword)).status, 401);
    assert.deepEqual((await behind.claimsOf(held.userId)).length, 3);
  });

  it('is returned to its owner with the PIN: the same account, the new password, no other session', async () => {
    const held = await owner('+447700902002', 'returner');
    const { registration } = await again(held.phone);
    const approved = await must(registration.call('PUT', '/approval', { pin }));
    assert.deepEqual([approved.body.state, approved.body.userId], ['completed', held.userId]);
    assert.equal(await isAlive(held.token), false);
    const { body } = await must(registration.call('POST', '/session'), 201);
    assert.equal(body.user.userId, held.userId);
    assert.equal((await logIn('returner', newPassword)).status, 200);
    assert.equal((await logIn('returner', goodPassword)).status, 401);
    assert.equal((await must(registration.call('PUT', '/approval', { pin }))).body.state, 'completed', 'a repeat');
  });

  it('O5: is locked in another spelling too', async () => {
    await owner('+447700902003', 'speller');
    const { registration } = await again('+44 7700 902-003');
    assertLocked(await registration.call('PUT', '/approval', {}));
  });

  it('O8: goes to the one of two concurrent registrations that has the PIN, never to the other', async () => {
    const held = await owner('+447700902004', 'twice');
    const [right, wrong] = [await again(held.phone), await again(held.phone)];
    const [opened, refused] = await Promise.all([
      right.registration.call('PUT', '/approval', { pin }),
      wrong.registration.call('PUT', '/approval', { pin: '000000' }),
    ]);
    assert.deepEqual([opened.status, opened.body.userId], [200, held.userId]);
    assertLocked(refused);
    assert.equal((await wrong.registration.call('GET', '')).body.state, 'pending');
    assert.equal((await wrong.registration.call('POST', '/session')).status, 409);
    assert.deepEqual(await behind.accountsOf('twice'), [held.userId]);
  });

  it('O1, O2: has a limited number of PIN attempts, which only a registration with a verified code can use up', async () => {
    const held = await owner('+447700902005', 'bounded');
    const stranger = await startRegistration(url, { phone: held.phone });
    for (let time = 0; time < 5; time++) {
      assert.equal((await stranger.call('PUT', '/approval', { pin: '000000' })).status, 409);
    }
    const { registration } = await again(held.phone);
    const guesses = await Promise.all(
      Array.from({ length: 8 }, (_, guess) => registration.call('PUT', '/approval', { pin: `00000${guess}` })),
    );
    assert.equal(guesses.filter(({ status }) => status === 423).length, 3);
    for (const limited of guesses.filter(({ status }) => status === 429)) {
      assertLimited(limited, 'wrong-pins-per-person', 86_400);
    }
    assertLimited(await registration.call('PUT', '/approval', { pin }), 'wrong-pins-per-person', 86_400);
  });

  it('notifies the owner by e-mail of the registration and of the new password', async () => {
    const email = 'owner-of-lock@example.com';
    const registration = await startRegistration(url, { email, username: 'mailed' });
    await must(registration.call('POST', '/codes', { channel: 'email' }), 202);
    await must(registration.call('PUT', '/code', { code: await codeFor(system.ready.outboxUrl, email) }));
    await must(registration.call('PUT', '/credentials', { password: goodPassword, pin }));
    const anew = await startRegistration(url, { email });
    await must(anew.call('POST', '/codes', { channel: 'email' }), 202);
    await must(anew.call('PUT', '/code', { code: await codeFor(system.ready.outboxUrl, email, 2) }));
    await must(anew.call('PUT', '/credentials', { password: newPassword }));
    await must(anew.call('PUT', '/approval', { pin }));
    // welcome, registration warning, password changed
    await until(async () => (await notificationsTo(system.ready.outboxUrl, email)).length === 3);
  });
});

describe('without a lock', () => {
  it('a number whose account has no PIN ends a second registration with 409', async () => {
    await owner('+447700902006', 'unlocked', { password: goodPassword });
    const registration = await proven('+447700902006');
    const last = await registration.call('PUT', '/credentials', { password: newPassword });
    assert.deepEqual([last.status, last.body.error_code], [409, 'CONFLICT']);
  });

  it('a taken name with another verified number is refused, without a request for the PIN of its owner', async () => {
    await owner('+447700902007', 'famous');
    const registration = await proven('+447700902008', 'famous');
    const last = await registration.call('PUT', '/credentials', { password: newPassword });
    assert.deepEqual([last.status, last.body.error_code], [409, 'CONFLICT']);
    assert.equal((await registration.call('PUT', '/approval', { pin })).status, 409);
  });

  it('a registration without a locked number has nothing to approve', async () => {
    const registration = await startRegistration(url, { phone: '+447700902009' });
    const { status, body } = await registration.call('PUT', '/approval', { pin });
    assert.deepEqual([status, body.error_code], [409, 'CONFLICT']);
  });
});
