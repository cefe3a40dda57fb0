import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { search } from '../support/footprint.ts';
import { deviceOwner, messageTo } from '../support/messages.ts';
import type { SignedIn } from '../support/people.ts';
import { assertLimited, goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, url, api, person, registrant } = await withSystem({}, { elasticsearch: true });

const ask = ({ token }: SignedIn, at = url) => api.exportAccount({ at, token });

describe('GET /users/me/export', () => {
  it('returns the account, claims, sessions, registrations and audit events of the user as a file', async () => {
    const ada = await registrant(460);
    const login = { identifier: 'person460', password: goodPassword };
    await must(api.beginLogInAlias({ body: login, headers: { 'User-Agent': 'of the person' } }));
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
    const [ada, eve] = await Promise.all([registrant(461), registrant(462)]);
    await must(api.refreshTokens({ body: { refreshToken: ada.refreshToken } }));
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

  it('lists conversations, and of messages how many wait', async () => {
    const [ada, eve] = await Promise.all([deviceOwner(system, 466), deviceOwner(system, 467)]);
    const body = messageTo([ada], 'canary of a message');
    await must(api.sendMessage({ userId: ada.userId, token: eve.token, body }));
    const { messages, conversations, ...rest } = (await must(api.exportAccount({ token: ada.token }))).body;
    const content = body.messages[0]?.content ?? '';
    assert.deepEqual(messages, [{ deviceId: '1', count: 1, bytes: content.length }]);
    const known = conversations.map(({ changedAt: _at, ...one }) => one);
    assert.deepEqual(known, [{ userId: eve.userId, state: 'requested', receipts: true }]);
    assert.equal(JSON.stringify(rest).includes(content), false);
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
