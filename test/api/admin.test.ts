import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { changeSession } from '../support/aging.ts';
import { call, startRegistration } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { signedIn } from '../support/people.ts';
import { type Behind, completedRegistration, goodPassword, lookBehind, must } from '../support/registrations.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';

interface Person {
  userId: string;
  token: string;
}

const admin = '/api/v1/admin';

let system: System;
let behind: Behind;
let url: string;
let alice: Person;
let bob: Person;
let carol: Person;

before(async () => {
  system = await startOwnTestSystem({ env: { CAPTCHA_COST: '2' } });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  await holdToContract(url);
  [alice, bob, carol] = await Promise.all([registered(70), loggedIn(71), loggedIn(72)]);
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

async function loggedIn(person: number): Promise<Person> {
  const { userId, accessToken: token } = await signedIn(system, person);
  return { userId, token };
}

/** A user with a completed registration, which the list contains. */
async function registered(person: number): Promise<Person> {
  const registration = await completedRegistration(system, person);
  const { body } = await must(registration.call('POST', '/session'), 201);
  return { userId: body.user.userId, token: body.accessToken };
}

const setRoles = (by: Person, whom: Person, roles: unknown) =>
  call(url, 'PUT', `${admin}/users/${whom.userId}/roles`, { token: by.token, body: { roles } });
const rolesSeenBy = async ({ token }: Person) =>
  (await must(call(url, 'GET', '/api/v1/auth/session', { token }))).body.roles;

async function assertForbidden({ token }: Person): Promise<void> {
  const calls: [string, string, unknown?][] = [
    ['GET', `/users/${alice.userId}/roles`],
    ['PUT', `/users/${bob.userId}/roles`, { roles: ['admin'] }],
    ['POST', `/users/${alice.userId}/disable`],
    ['GET', '/registrations'],
  ];
  for (const [method, path, body] of calls) {
    const answer = await call(url, method, `${admin}${path}`, { token, ...(body !== undefined && { body }) });
    assert.deepEqual([answer.status, answer.body.error_code], [403, 'FORBIDDEN'], `${method} ${path}`);
  }
}

describe('/admin', () => {
  it('refuses every user until an operator grants the first admin role', async () => {
    await assertForbidden(alice);
    for (const path of ['/registrations', `/users/${alice.userId}/roles`]) {
      assert.equal((await call(url, 'GET', `${admin}${path}`)).status, 401);
    }
    const granted = jsonOf(await vyryFor(system)(['users', 'grant', 'person070', 'admin', '--yes', '--json']));
    assert.deepEqual(granted, { userId: alice.userId, roles: ['admin', 'user'] });
    const { body } = await must(call(url, 'GET', `${admin}/users/${alice.userId}/roles`, { token: alice.token }));
    assert.deepEqual(body, { userId: alice.userId, roles: ['admin', 'user'] });
    assert.deepEqual(await rolesSeenBy(alice), ['admin', 'user']);
    await assertForbidden(bob);
  });

  it('grants and revokes access with the role at once, for the same token', async () => {
    const { body } = await must(setRoles(alice, bob, ['support', 'admin', 'admin']));
    assert.deepEqual(body, { userId: bob.userId, roles: ['admin', 'support', 'user'] });
    await must(call(url, 'GET', `${admin}/registrations`, { token: bob.token }));
    assert.deepEqual(await rolesSeenBy(bob), ['admin', 'support', 'user']);
    await must(setRoles(alice, bob, []));
    await assertForbidden(bob);
    assert.deepEqual(await rolesSeenBy(bob), ['user']);
  });

  it('refuses an admin who revokes their own role or disables their own account', async () => {
    const own = await setRoles(alice, alice, ['user']);
    assert.deepEqual([own.status, own.body.error_code], [403, 'FORBIDDEN']);
    const path = `${admin}/users/${alice.userId}/disable`;
    assert.equal((await call(url, 'POST', path, { token: alice.token })).status, 403);
    await must(setRoles(alice, alice, ['admin', 'support']));
  });

  it('F25 asks an admin who has not authenticated for 15 minutes to do so again, on every route', async () => {
    const { body } = await must(call(url, 'GET', '/api/v1/auth/session', { token: alice.token }));
    await changeSession(behind.redis, body.sessionId, { authenticatedAt: Date.now() - 901_000 });
    const calls: [string, string, unknown?][] = [
      ['GET', `/users/${alice.userId}/roles`],
      ['PUT', `/users/${bob.userId}/roles`, { roles: ['admin'] }],
      ['POST', `/users/${bob.userId}/disable`],
      ['GET', '/registrations'],
    ];
    for (const [method, path, sent] of calls) {
      const answer = await call(url, method, `${admin}${path}`, {
        token: alice.token,
        ...(sent ? { body: sent } : {}),
      });
      assert.deepEqual([answer.status, answer.body.maxAgeSeconds], [401, 900], `${method} ${path}`);
    }
    assert.deepEqual(await rolesSeenBy(bob), ['user']);
    const again = { token: alice.token, body: { password: goodPassword } };
    await must(call(url, 'POST', '/api/v1/auth/step-up', again), 204);
    await must(call(url, 'GET', `${admin}/registrations`, { token: alice.token }));
  });

  it('refuses malformed roles and unknown users, and changes nothing', async () => {
    for (const roles of [['Admin'], [''], ['a b'], ['x'.repeat(33)], 'admin', [1], Array(21).fill('a')]) {
      assert.equal((await setRoles(alice, bob, roles)).status, 400, JSON.stringify(roles));
    }
    const nobody = { ...bob, userId: 'f'.repeat(32) };
    assert.equal((await setRoles(alice, nobody, ['admin'])).status, 404);
    const disabled = await call(url, 'POST', `${admin}/users/${nobody.userId}/disable`, { token: alice.token });
    assert.equal(disabled.status, 404);
    assert.deepEqual(await rolesSeenBy(bob), ['user']);
  });

  it('disables a user and ends every session; a repeat changes nothing', async () => {
    await must(setRoles(alice, carol, ['admin']));
    const path = `${admin}/users/${carol.userId}/disable`;
    assert.deepEqual((await must(call(url, 'POST', path, { token: alice.token }))).body, {
      userId: carol.userId,
      sessionsEnded: 1,
    });
    assert.equal((await call(url, 'GET', `${admin}/registrations`, { token: carol.token })).status, 401);
    assert.equal((await must(call(url, 'POST', path, { token: alice.token }))).body.sessionsEnded, 0);
  });

  it('logs every role change with its operator', async () => {
    await until(async () => {
      const text = await readFile(system.processes.logFile('registration'), 'utf8');
      const lines = text.split('\n').filter((line) => line.includes('"user.roles-changed"'));
      const changes = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      return changes.some(({ userId, operator }) => userId === bob.userId && operator === alice.userId);
    });
  });

  it('lets the CLI revoke a role, and refuses an invalid one', async () => {
    const { userId, roles } = jsonOf(await vyryFor(system)(['users', 'revoke', alice.userId, 'support', '--json']));
    assert.deepEqual([userId, roles], [alice.userId, ['admin', 'user']]);
    const wrong = await vyryFor(system)(['users', 'grant', 'person070', 'No Role']);
    assert.equal(wrong.code, 2);
  });
});

describe('GET /admin/registrations', () => {
  it('lists registrations by page and by state, without personal data', async () => {
    await Promise.all(
      [1, 2, 3].map(async () => {
        const registration = await startRegistration(url, { fullName: 'Canary Person', phone: '+447700900199' });
        await must(registration.call('PUT', '/credentials', { pin: '739182' }));
      }),
    );
    const list = async (query: string) =>
      (await must(call(url, 'GET', `${admin}/registrations${query}`, { token: alice.token }))).body;
    await until(async () => (await list('?state=pending')).items.length === 3);
    const first = await list('?state=pending&limit=2');
    assert.equal(first.items.length, 2);
    const second = await list(`?state=pending&limit=2&cursor=${first.nextCursor}`);
    const ids = [...first.items, ...second.items].map(({ registrationId }) => registrationId);
    assert.equal(new Set(ids).size, 3);
    const all = await list('');
    assert.ok(all.items.length >= 4);
    assert.equal(all.nextCursor, null);
    assert.doesNotMatch(JSON.stringify(all), /Canary|447700900199/);
  });

  it('refuses an invalid filter and an invalid cursor', async () => {
    for (const query of ['?state=x', '?state=pending"%20OR%20"1', '?limit=0', '?limit=101', '?cursor=*', '?x=1']) {
      const { status, body } = await call(url, 'GET', `${admin}/registrations${query}`, { token: alice.token });
      assert.deepEqual([status, body.error_code], [400, 'INVALID_REQUEST'], query);
    }
    const rubbish = await call(url, 'GET', `${admin}/registrations?cursor=AAAA.${'A'.repeat(43)}`, {
      token: alice.token,
    });
    assert.deepEqual(
      [rubbish.status, rubbish.body.details],
      [400, [{ path: 'cursor', message: 'was not issued by this list' }]],
    );
  });
});
