import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { type Answer, call } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { search } from '../support/footprint.ts';
import { signedIn } from '../support/people.ts';
import {
  assertLimited,
  type Behind,
  completedRegistration,
  goodPassword,
  lookBehind,
  must,
  startAnotherApi,
} from '../support/registrations.ts';
import { startTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

let system: System;
let behind: Behind;
let url: string;

before(async () => {
  system = await startTestSystem({ elasticsearch: true, env: { CAPTCHA_COST: '2' } });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  await holdToContract(url);
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

interface Person {
  userId: string;
  registrationId: string;
  token: string;
  refreshToken: string;
}

/** A user who registered through the API, with all data that a registration leaves. */
async function registered(index: number): Promise<Person> {
  const registration = await completedRegistration(system, index);
  const { body } = await must(registration.call('POST', '/session'), 201);
  const { accessToken: token, refreshToken } = body;
  return { userId: body.user.userId, registrationId: registration.id, token, refreshToken };
}

async function person(index: number): Promise<Person> {
  const { userId, registrationId, accessToken: token, refreshToken } = await signedIn(system, index);
  return { userId, registrationId, token, refreshToken };
}

const ask = ({ token }: Person, at = url): Promise<Answer> => call(at, 'GET', '/api/v1/users/me/export', { token });

describe('GET /users/me/export', () => {
  it('returns the account, claims, sessions, registrations and audit events of the user as a file', async () => {
    const ada = await registered(460);
    const login = { identifier: 'person460', password: goodPassword };
    await must(call(url, 'POST', '/api/v1/auth/login', { body: login, headers: { 'User-Agent': 'of the person' } }));
    const wanted = ['user-register', 'session-start', 'login', 'ldap-login', 'message-send', 'notification-send'];
    await until(async () => {
      const { items } = (await ask(ada)).body.auditEvents;
      return wanted.every((action) => items.some((event: { action: string }) => event.action === action));
    });
    const { body, headers } = await must(ask(ada));
    assert.equal(headers.get('content-disposition'), 'attachment; filename="vyry-export.json"');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.deepEqual([body.account.phone, body.account.username], ['+447700900460', 'person460']);
    assert.deepEqual(body.credentials, { hasPassword: true, hasPin: false, isLinkedToDirectory: true });
    assert.deepEqual(
      body.claims.map(({ kind }: { kind: string }) => kind),
      ['username', 'phone', 'email'],
    );
    assert.deepEqual(body.registrationIds, [ada.registrationId]);
    assert.equal(body.sessions.length, 2);
    assert.ok(
      body.workflows.items.some(
        ({ type, id }: { type: string; id: string }) => type === 'registration' && id.includes(ada.registrationId),
      ),
    );
    const actions = new Set(body.auditEvents.items.map(({ action }: { action: string }) => action));
    for (const action of wanted) assert.ok(actions.has(action), action);
    assert.deepEqual([body.workflows.state, body.auditEvents.state], ['complete', 'complete']);
  });

  it('contains no secret and no data of other users', async () => {
    const [ada, eve] = await Promise.all([registered(461), registered(462)]);
    await must(call(url, 'POST', '/api/v1/auth/refresh-token', { body: { refreshToken: ada.refreshToken } }));
    const text = JSON.stringify((await must(ask(ada))).body);
    const hashes = await behind.database.collection('users').findOne({ _id: ada.userId as never });
    for (const secret of [
      ada.token,
      ada.refreshToken,
      goodPassword,
      hashes?.password,
      '$argon2',
      eve.userId,
      'person462',
    ]) {
      assert.deepEqual(search({ text }, String(secret)), [], String(secret));
    }
  });

  it('is limited per user, and each export leaves an audit event', async () => {
    const [ada, eve] = await Promise.all([person(463), person(464)]);
    const strict = await startAnotherApi(system, { LIMIT_EXPORTS_PER_PERSON: '2/86400' });
    for (let turn = 0; turn < 2; turn++) await must(ask(ada, strict.apiUrl));
    assertLimited(await ask(ada, strict.apiUrl), 'exports-per-person', 86_400);
    await must(ask(eve, strict.apiUrl));
    await until(async () => {
      const { body } = await ask(ada);
      return body.auditEvents.items.filter(({ action }: { action: string }) => action === 'data-export').length >= 2;
    });
  });

  it('reports an unavailable audit log, and returns the rest', async () => {
    const ada = await person(465);
    const away = await startAnotherApi(system, { PRIVACY_ELASTICSEARCH_URL: 'http://127.0.0.1:9' });
    const { body } = await must(ask(ada, away.apiUrl));
    assert.deepEqual(body.auditEvents, { state: 'unavailable', items: [] });
    assert.equal(body.account.userId, ada.userId);
  });
});
