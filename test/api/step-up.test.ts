import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Operation } from '../../contract/operation.ts';
import { operations } from '../../contract/operations.ts';
import type { ProfileChange } from '../../contract/users.ts';
import { ageRecords } from '../support/aging.ts';
import { type Answer, call } from '../support/client.ts';
import { makeDevice, makeIdentity, makeRotation } from '../support/device-keys.ts';
import { assertReached } from '../support/instants.ts';
import { type SignedIn, signedIn } from '../support/people.ts';
import { assertLimited, goodPassword, must } from '../support/registrations.ts';
import type { InputOf } from '../support/rest-client.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

/** Long enough for any machine. Tests age the sessions that need an old authentication. */
const routes = Object.values(operations) as Operation[];
const maxAgeSeconds = 3600;
const challenge = `Bearer realm="vyry", error="insufficient_user_authentication", max_age="${maxAgeSeconds}"`;

const { system, behind, url, api } = await withSystem({
  STEP_UP_SECONDS: String(maxAgeSeconds),
  LIMIT_WRONG_PINS_PER_PERSON: '3/86400',
});

/** A user whose session has an old authentication; `session` is its Redis key. */
async function person(index: number) {
  const who = await signedIn(system, index);
  const [session = ''] = await behind.sessionsOf(who.userId);
  await age({ session });
  return { ...who, session };
}

/** Ages the last authentication of a session beyond the limit. */
const age = ({ session }: { session: string }) => ageRecords(behind.redis, session, maxAgeSeconds + 1);
const put = ({ token }: SignedIn, body: ProfileChange) => api.changeProfile({ token, body });
const stepUp = ({ token }: SignedIn, body: InputOf<'stepUp'>['body']) => api.stepUp({ token, body });

function assertChallenged({ status, headers, body }: Answer, what: string): void {
  assert.deepEqual([status, body.error_code, body.maxAgeSeconds], [401, 'UNAUTHORIZED', maxAgeSeconds], what);
  assert.equal(headers.get('www-authenticate'), challenge, what);
}

describe('G28: a session with an old authentication', () => {
  it('is refused by every route that requires step-up, until the user authenticates again', async () => {
    const identity = makeIdentity();
    const before = await signedIn(system, 440);
    const added = await must(api.addDevice({ token: before.token, body: makeDevice(identity) }), 201);
    const [session = ''] = await behind.sessionsOf(before.userId);
    await age({ session });
    const ada = { ...before, token: added.body.accessToken, session };
    const guarded = routes.filter(({ stepUp: needed }) => needed !== undefined);
    assert.ok(guarded.length >= 3);
    // valid bodies: a body is parsed before the age of the authentication is checked; the profile change is refused after it
    const bodies: Record<string, object> = {
      'put /api/v1/auth/pin': { pin: '830572', currentPassword: goodPassword },
      'put /api/v1/devices/me': makeDevice(identity),
      'put /api/v1/users/me/identity': makeRotation(makeIdentity(), ['1']),
      'post /api/v1/device-links/:linkId/claim': { encapsulation: 'AAAA', nonce: 'AAAA' },
      'put /api/v1/users/me': { phone: '+447700900443', email: 'g28@example.org', username: 'g28' },
    };
    const ask = ({ method, path }: (typeof guarded)[number]) =>
      call(url, method, path, { token: ada.token, body: bodies[`${method} ${path}`] });
    for (const route of guarded) assertChallenged(await ask(route), `${route.method} ${route.path}`);
    await must(stepUp(ada, { password: goodPassword }), 204);
    const [changing] = guarded.filter(({ path, method }) => path === '/api/v1/users/me' && method === 'put');
    assert.ok(changing);
    assert.equal((await ask(changing)).status, 400);
    await age(ada);
    assertChallenged(await ask(changing), 'aged again');
  });

  it('may use every other route, and may change the full name', async () => {
    const ada = await person(441);
    await must(put(ada, { fullName: 'After Change' }));
    assertChallenged(await put(ada, { fullName: 'Later', phone: '+447700900442' }), 'number');
    assert.equal((await must(api.readMe({ token: ada.token }))).body.fullName, 'After Change');
    const { body } = await must(api.readSession({ token: ada.token }));
    assertReached(new Date(Date.parse(body.authenticatedAt) + maxAgeSeconds * 1000).toISOString());
  });

  it('is not renewed by activity or a refresh, but by a log-in', async () => {
    const { userId, refreshToken } = await signedIn(system, 443);
    const [session = ''] = await behind.sessionsOf(userId);
    await age({ session });
    const refreshed = await must(api.refreshTokens({ body: { refreshToken } }));
    const change = { body: { email: 'new443@example.org' } };
    assertChallenged(await api.changeProfile({ token: refreshed.body.accessToken, ...change }), 'refresh');
    const login = { identifier: 'person443', password: goodPassword };
    const again = await must(api.beginLogInAlias({ body: login }));
    await must(api.changeProfile({ token: again.body.accessToken, ...change }), 202);
  });

  it('leaves an audit event when it is refused', async () => {
    const ada = await person(444);
    assertChallenged(await put(ada, { username: 'other' }), 'username');
    const refused = async () =>
      (await behind.auditEvents('access-denied')).filter(
        ({ userId, event }) => [userId, event.reason].join() === `${ada.userId},authentication-too-old`,
      );
    await until(async () => (await refused()).length === 1);
  });
});

describe('POST /auth/step-up', () => {
  it('takes either a password or a PIN', async () => {
    const ada = await person(445);
    const wrong = await stepUp(ada, { password: 'not the password' });
    assert.deepEqual([wrong.status, wrong.body.error_code], [401, 'UNAUTHORIZED']);
    assertChallenged(await put(ada, { username: 'other' }), 'after a wrong password');
    for (const body of [{}, { password: goodPassword, pin: '830571' }])
      assert.equal((await stepUp(ada, body)).status, 400);
    await must(stepUp(ada, { password: goodPassword }), 204);
    const pin = { pin: '830571', currentPassword: goodPassword };
    await must(api.changePin({ token: ada.token, body: pin }), 204);
    await age(ada);
    await must(stepUp(ada, { pin: '830571' }), 204);
    await must(put(ada, { email: 'new445@example.org' }), 202);
  });

  it('is limited like every check of a PIN, and does not revive an ended session', async () => {
    const ada = await person(446);
    for (let turn = 0; turn < 3; turn++) assert.equal((await stepUp(ada, { pin: '000000' })).status, 401);
    assertLimited(await stepUp(ada, { pin: '000000' }), 'wrong-pins-per-person', 86_400);
    await must(api.logOut({ token: ada.token, body: {} }), 204);
    assert.equal((await stepUp(ada, { password: goodPassword })).status, 401);
    assert.deepEqual(await behind.sessionsOf(ada.userId), []);
  });
});
