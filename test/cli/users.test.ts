import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { AuditEvent } from '../../domain/audit.ts';
import type { System } from '../../engines/system.ts';
import { call } from '../support/client.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { createLinkSteps, type Owner } from '../support/links.ts';
import { registeredPerson, signedIn } from '../support/people.ts';
import {
  type Behind,
  completedRegistration,
  goodPassword,
  lookBehind,
  must,
  phoneOf,
} from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { startTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor, vyryProcessFor } from '../support/vyry.ts';

let system: System;
let behind: Behind;
let vyry: ReturnType<typeof vyryFor>;

before(async () => {
  system = await startTestSystem({ env: { CAPTCHA_COST: '2' } });
  behind = await lookBehind(system);
  vyry = vyryFor(system);
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

const me = (token: string) => call(system.ready.apiUrl, 'GET', '/api/v1/users/me', { token });

describe('vyry users', () => {
  it('disables a user: sessions end at once, new ones are refused, and the command can be repeated', async () => {
    const [tokens, other] = [await signedIn(system, 20), await signedIn(system, 21)];
    await must(me(tokens.accessToken));

    assert.deepEqual(
      jsonOf(await vyryProcessFor(system)(['users', 'disable', 'person020', '--by', 'alice', '--json'])),
      {
        userId: tokens.user.userId,
        isDisabled: true,
        sessionsEnded: 1,
      },
    );
    assert.equal((await me(tokens.accessToken)).status, 401);
    const body = { refreshToken: tokens.refreshToken };
    assert.equal((await call(system.ready.apiUrl, 'POST', '/api/v1/auth/refresh-token', { body })).status, 401);
    assert.equal(jsonOf(await vyry(['users', 'disable', tokens.user.userId, '--json'])).sessionsEnded, 0);
    // other users are not affected
    await must(me(other.accessToken));
  });

  it('refuses a disabled account the session of its registration; once it is enabled, its user logs in', async () => {
    const registration = await completedRegistration(system, 22);
    await vyry(['users', 'disable', 'person022']);
    const refused = await registration.call('POST', '/session');
    assert.deepEqual([refused.status, refused.body.error_code], [403, 'FORBIDDEN']);
    const { stdout } = await vyry(['users', 'enable', 'PERSON022']);
    assert.match(stdout, /is enabled/);
    assert.equal((await registration.call('POST', '/session')).status, 409);
    const own = { identifier: 'person022', password: goodPassword };
    const { body } = await must(call(system.ready.apiUrl, 'POST', '/api/v1/auth/login', { body: own }));
    assert.equal('disabledAt' in body.user, false);
    await must(me(body.accessToken));
  });

  it('records events that name the operator', async () => {
    const { userId } = jsonOf(await vyry(['users', 'show', 'person022', '--json']));
    const { events } = await readLog();
    const own = events.filter((event) => event.userId === userId).map(({ event, operator }) => [event, operator]);
    assert.deepEqual(
      own.map(([event]) => event),
      ['user.disabled', 'user.enabled'],
    );
    for (const [, operator] of own) assert.match(String(operator), /^[\w.-]+$/);
  });

  it('shows an account with masked number and address', async () => {
    const { stdout } = await vyry(['users', 'show', 'person022']);
    assert.match(stdout, /username +person022\n/);
    assert.match(stdout, /email +p•••@example\.org\n/);
    assert.match(stdout, /sessions +1\n/);
    assert.match(stdout, /disabled +no\n/);
    assert.doesNotMatch(stdout, /447700900022|person022@/);
  });

  it('also ends a session that begins while the account is being disabled', async () => {
    const registrations = await Promise.all([23, 24, 25, 26].map((person) => completedRegistration(system, person)));
    const started = registrations.map((registration) => registration.call('POST', '/session'));
    const disabled = Promise.all([23, 24, 25, 26].map((person) => vyry(['users', 'disable', `person0${person}`])));
    const answers = await Promise.all(started);
    await disabled;
    for (const { status, body } of answers) {
      if (status === 201) assert.equal((await me(body.accessToken)).status, 401);
      else assert.equal(status, 403);
    }
  });

  it('F2: releases a number, so that anyone can claim it, and finds a person by the id of their entry', async () => {
    const [ada, bea] = [await signedIn(system, 31), await signedIn(system, 32)];
    const entryId = 'bea00000-0000-4000-8000-000000000031';
    const released = await vyry(['users', 'release', entryId, 'phone', '--by', 'alice', '--json']);
    assert.deepEqual(jsonOf(released), { userId: ada.userId, released: 'phone', sessionsEnded: 1 });
    assert.equal((await me(ada.accessToken)).status, 401);
    await must(me(bea.accessToken));
    const again = await vyry(['users', 'release', 'person031', 'phone']);
    assert.deepEqual([again.code, again.stderr], [1, 'The account has no phone.\n']);
    assert.equal((await vyry(['users', 'release', 'person031', 'roles'])).code, 2);
    await registeredPerson(system, { username: 'next-owner', phone: phoneOf(31) });
  });

  it('reports an unknown user', async () => {
    const { code, stderr } = await vyry(['users', 'disable', 'nobody']);
    assert.deepEqual([code, stderr], [1, 'There is no account with this user name.\n']);
  });

  it('F6: looks up an address, a number, a name and an id as what each is, and shows and asks before it grants', async () => {
    const victim = await signedIn(system, 28);
    // an account of an earlier version, with a name in the form of an address
    const impostor = await registeredPerson(system, { username: 'person028@example.org', phone: '+447700900829' });
    for (const given of [
      ' person028@example.org',
      '\u202a+44 7700 900028\u202c',
      'tel:+447700900028',
      'PERSON028',
      victim.userId,
    ]) {
      assert.equal(jsonOf(await vyry(['users', 'show', given, '--json'])).userId, victim.userId, given);
    }
    const unasked = await vyry(['users', 'grant', 'person028@example.org', 'support']);
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, new RegExp(`userId +${victim.userId}\n(.*\n)*username +person028\n`));
    assert.match(unasked.stderr, /add --yes/);
    assert.deepEqual(jsonOf(await vyry(['users', 'show', victim.userId, '--json'])).roles, 'user');
    const granted = jsonOf(await vyry(['users', 'grant', 'person028@example.org', 'support', '--yes', '--json']));
    assert.deepEqual(granted, { userId: victim.userId, roles: ['support', 'user'] });
    assert.equal(jsonOf(await vyry(['users', 'show', impostor.userId, '--json'])).roles, 'user');
    for (const [given, message] of [
      ['nobody@example.org', 'There is no account with this e-mail address.\n'],
      ['+447700900990', 'There is no account with this number.\n'],
      ['0'.repeat(32), 'There is no account with this user id or id of a directory entry.\n'],
    ] as const) {
      assert.equal((await vyry(['users', 'show', given])).stderr, message);
    }
  });

  it('completes once its worker is back', async () => {
    const { userId, accessToken } = await signedIn(system, 27);
    await system.kill('registration');
    const disabling = vyry(['users', 'disable', 'person027']);
    await until(async () => {
      const { status } = await behind.temporal.workflow.getHandle(`user-administration:${userId}`).describe();
      return status.name === 'RUNNING';
    });
    await system.restart('registration');
    assert.equal((await disabling).code, 0);
    assert.equal((await me(accessToken)).status, 401);
  });
});

describe('vyry devices', () => {
  let owner: Owner;
  let linked: { token: string };

  before(async () => {
    const api = createRestClient(system.ready.apiUrl);
    const [person, identity] = [await signedIn(system, 33), makeIdentity()];
    const keys = makeDevice(identity, { oneTimeKeys: 3 });
    const { body } = await must(api.addDevice({ token: person.token, body: keys }), 201);
    owner = { ...person, ...body, token: body.accessToken, identity, deviceId: '1' };
    linked = await createLinkSteps(api).linked(owner);
    await must(api.setPush({ token: owner.token, body: { provider: 'fcm', token: 'token-of-33' } }), 204);
    await must(api.testPush({ token: owner.token }));
  });

  it('lists the devices of an account: who linked them, their push and keys, without tokens', async () => {
    const [{ devices, ...account }, told] = [
      jsonOf(await vyry(['devices', 'person033', '--json'])),
      await vyryProcessFor(system)(['devices', 'list', '+447700900033']),
    ];
    assert.equal(account.userId, owner.userId);
    const [first, second, ...more] = devices;
    assert.equal(more.length, 0);
    assert.partialDeepStrictEqual(first, { deviceId: '1', name: 'Telephone', client: 'android', linkedBy: null });
    assert.partialDeepStrictEqual(first, {
      keys: { count: 3, pqCount: 3 },
      push: { provider: 'fcm', lastResult: 'accepted' },
    });
    assert.partialDeepStrictEqual(second, { deviceId: '2', linkedBy: '1', keys: { count: 0, pqCount: 0 } });
    assert.ok(second.probationUntil > second.createdAt && first.lastSeenAt >= first.createdAt && first.push.lastAt);
    assert.match(told.stdout, /^userId +[0-9a-f-]{36}\n(.*\n)*device +name +client +created +last seen +linked by /m);
    assert.match(told.stdout, /^1 +Telephone +android +[\dT:-]+Z +[\dT:-]+Z +fcm, accepted [\dT:-]+Z +3 \+ 3 KEM$/m);
    assert.match(told.stdout, /^2 +Telephone +android +\S+ +\S+ +device 1 +[\dT:-]+Z +none +0 \+ 0 KEM$/m);
    assert.doesNotMatch(told.stdout, /token-of-33/);
    assert.match((await vyry(['devices', 'person020'])).stdout, /\nNo devices\.\n$/);
  });

  it('removes one after it has shown it and asked, and records who did; the other stays', async () => {
    const unasked = await vyry(['devices', 'revoke', 'person033', '2']);
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /username +person033\n(.*\n)*2 +Telephone +android [\s\S]*add --yes/);
    await must(me(linked.token));
    const revoke = ['devices', 'revoke', 'person033@example.org', '2', '--yes', '--by', 'alice', '--json'];
    const expected = { userId: owner.userId, deviceId: '2', removed: true, rotationAdvised: true };
    assert.deepEqual(jsonOf(await vyry(revoke)), expected);
    assert.equal((await me(linked.token)).status, 401);
    await must(me(owner.token));
    const again = await vyry(revoke);
    const message = 'The account has no device 2.';
    assert.deepEqual([again.code, JSON.parse(again.stderr)], [1, { error: { code: 'failed', message } }]);
    const ofOwner = ({ user }: AuditEvent) => user?.target?.id === owner.userId;
    // operator-act is the last event of the removal
    await until(async () => (await behind.auditEvents('operator-act')).some(ofOwner));
    const [removal, ...others] = (await behind.auditEvents('device-remove')).filter(ofOwner);
    assert.deepEqual([removal?.event.reason, removal?.userId, others], ['operator', undefined, []]);
    const acts = (await behind.auditEvents('operator-act')).filter(ofOwner);
    assert.deepEqual(
      acts.map(({ vyry: { operator }, metadata }) => ({ ...operator, ...metadata })),
      [{ name: 'alice', act: 'revoke-device', deviceId: '2' }],
    );
  });
});

async function readLog(): Promise<{ events: Record<string, unknown>[] }> {
  const text = await readFile(system.processes.logFile('registration'), 'utf8');
  return {
    events: text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  };
}
