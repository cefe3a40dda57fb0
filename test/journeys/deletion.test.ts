// @rerun never
/**
 * N16: deletes a user with data in every store, then searches every store. Only the receipt is left, which contains no
 * personal data. Also: a deletion can be stopped, and continues after a crash.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createArchive } from '../../adapters/mongo/archive.ts';
import { createInboxes } from '../../adapters/redis/inboxes.ts';
import { type KeyFamily, keyFamilies, parseKey } from '../../adapters/redis/keys.ts';
import { type Answer, call, codeFor, isNotification, notificationsTo, type OutboxMessage } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { setFault } from '../support/faults.ts';
import { type Footprint, readAuditIndex, readDatabase, readRedis, readTemporal, search } from '../support/footprint.ts';
import { deviceOwner, messageTo } from '../support/messages.ts';
import type { SignedIn } from '../support/people.ts';
import { goodPassword, must, phoneOf, startAnotherApi } from '../support/registrations.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const graceSeconds = 1;

const { system, behind, url, api, person, registrant, logIn } = await withSystem(
  { OTP_RESEND_WAITS: '1', DELETION_GRACE_SECONDS: String(graceSeconds) },
  { start: startOwnTestSystem, elasticsearch: true },
);
/** URL of an api where users have an hour to stop a deletion. */
const patient = (await startAnotherApi(system, { DELETION_GRACE_SECONDS: '3600' })).apiUrl;
await holdToContract(patient);

const me = ({ token }: Pick<SignedIn, 'token'>, method: string, path = '', at = url): Promise<Answer> =>
  call(at, method, `/api/v1/users/me${path}`, { token });
const receiptOf = ({ deletionId, deletionToken: token }: { deletionId: string; deletionToken: string }) =>
  api.readDeletion({ deletionId, token });

async function erased(deletion: { deletionId: string; deletionToken: string }): Promise<Answer> {
  await until(async () => (await receiptOf(deletion)).body.state === 'erased');
  return receiptOf(deletion);
}

async function everywhere(): Promise<Footprint> {
  // first, because it waits until all events are shipped: every event passes through Redis
  const audit = await readAuditIndex(system, behind);
  const redis = await readRedis(system, behind);
  // the file keeps everything ever written until Redis rewrites it; no process reads it
  const live = Object.entries(redis).filter(([place]) => !place.startsWith('redis file'));
  const { stored, decoded } = await readTemporal(system, behind);
  return { ...Object.fromEntries(live), ...(await readDatabase(behind)), ...audit, ...stored, ...decoded };
}

/** Returns the Redis keys that belong to no family, and those with personal data in a family that erasure leaves. */
function unfoundKeys(footprint: Footprint, personal: string[]): string[] {
  const withData = new Set(personal.flatMap((text) => search(footprint, text)));
  return Object.keys(footprint).filter((place) => {
    if (!place.startsWith('redis ')) return false;
    const known = parseKey(place.slice('redis '.length));
    if (known === undefined) return true;
    const family: KeyFamily = keyFamilies[known.family];
    return withData.has(place) && (typeof family.personal === 'string' || 'expires' in family.personal);
  });
}

/** Performs actions that leave data of a user in every store. */
async function live(who: SignedIn): Promise<void> {
  await must(api.changePin({ token: who.token, body: { pin: '830571', currentPassword: goodPassword } }), 204);
  await api.verifyPin({ token: who.token, body: { pin: '000000' } });
  await must(api.beginLogInAlias({ body: { identifier: who.name } }), 202);
  await codeFor(system.ready.outboxUrl, phoneOf(Number(who.name.slice(-3))), 2);
  await must(api.forgetPassword({ body: { identifier: `${who.name}@example.org` } }), 202);
  const refreshed = await must(logIn(who.name));
  await must(api.refreshTokens({ body: { refreshToken: refreshed.body.refreshToken } }));
  await must(api.changeProfile({ token: who.token, body: { email: `${who.name}.new@example.org` } }), 202);
  await must(api.beginPinReset({ token: who.token, body: {} }), 202);
  await until(async () => (await notificationsTo(system.ready.outboxUrl, `${who.name}@example.org`)).length >= 3);
}

describe('N16: a deleted account', () => {
  it('leaves nothing in MongoDB, Redis, Elasticsearch and Temporal but a receipt without personal data', async () => {
    const ada = await registrant(500);
    await live(ada);
    const eve = await person(508);
    await must(api.changeConversation({ userId: ada.userId, token: eve.token, body: { state: 'blocked' } }));
    const blocked = (await jsonOf(await vyryFor(system)(['audit', 'pseudonym', ada.userId, '--json']))) as {
      pseudonym: string;
    };
    const { body: profile } = await must(me(ada, 'GET'));
    const personal = [
      ada.userId,
      ada.name,
      profile.phone,
      profile.email,
      profile.fullName,
      `${ada.name}.new@example.org`,
      blocked.pseudonym,
    ];
    const before = await everywhere();
    assert.deepEqual(
      search(before, blocked.pseudonym).map((place) => place.split(' ').at(-1)),
      ['user-block'],
    );
    for (const store of ['redis', 'database', 'elasticsearch', 'history', 'decoded history']) {
      const places = search(before, ada.userId).filter((place) => place.startsWith(store));
      assert.ok(places.length > 0 || store === 'history', `${store} had data`);
    }
    assert.deepEqual(unfoundKeys(before, personal), []);
    const { body: deletion } = await must(me(ada, 'DELETE'), 202);
    const { body: receipt } = await erased(deletion);
    assert.ok(receipt.erased.workflows >= 6 && receipt.erased.auditEvents >= 20 && receipt.erased.keys >= 8);
    assert.equal(receipt.erased.claims, 5);
    assert.ok(Date.parse(receipt.erasedAt) >= Date.parse(receipt.effectiveAt));
    const left = await everywhere();
    for (const text of personal) assert.deepEqual(search(left, text), [], text);
    const receipts = search(left, deletion.deletionId).sort();
    console.log(`left of ${ada.name}: ${receipts.join(', ')}`);
    assert.ok(receipts.includes('database deletions'));
    assert.deepEqual(
      receipts.filter(
        (place) =>
          !/^(database deletions|elasticsearch \S+ (user-delete|deletion-start)|temporal list|(decoded )?history account-erasure:\w+)$/.test(
            place,
          ),
      ),
      [],
    );
    assert.equal((await me(ada, 'GET')).status, 401);
    assert.equal((await logIn(ada.name)).status, 401);
    const auditLog = (await jsonOf(await vyryFor(system)(['audit', 'verify', '--json']))) as {
      faults: unknown[];
      events: number;
    };
    assert.deepEqual(auditLog.faults, [], 'the audit log is still intact');
  });

  it('takes its inbox, its archived messages and its conversations along, on both sides', async () => {
    const [ada, bob] = [await deviceOwner(system, 506), await deviceOwner(system, 507)];
    const body = messageTo([ada], 'hello');
    await must(api.sendMessage({ userId: ada.userId, token: bob.token, body }));
    await must(api.changeConversation({ userId: bob.userId, token: ada.token, body: { state: 'accepted' } }));
    const { createdAt = 0 } = (await createInboxes(behind.redis).readStates(ada.userId))[0] ?? {};
    const entries = [{ messageId: '1-1', entry: 'sender 1 message 1 0 content' }];
    const page = { userId: ada.userId, deviceId: ada.deviceId, createdAt, moveId: 'move', entries };
    await createArchive(behind.database).put([page]);
    const places = search(await everywhere(), ada.userId);
    for (const place of ['redis inbox:', 'redis inboxes:', 'redis sent:', 'redis conversation:']) {
      assert.ok(
        places.some((one) => one.startsWith(place)),
        place,
      );
    }
    for (const place of ['database archive', 'database conversations']) assert.ok(places.includes(place), place);
    const { body: deletion } = await must(me(ada, 'DELETE'), 202);
    await erased(deletion);
    assert.deepEqual(search(await everywhere(), ada.userId), []);
  });

  it('is announced by e-mail and SMS, when it is requested and when it is done; its name may be registered again', async () => {
    const ada = await person(501);
    const { body: deletion } = await must(me(ada, 'DELETE'), 202);
    await erased(deletion);
    const subjects = (await notificationsTo(system.ready.outboxUrl, `${ada.name}@example.org`)).map(
      ({ subject }) => subject,
    );
    for (const subject of ['Your Vyry account will be deleted', 'Your Vyry account was deleted']) {
      assert.equal(subjects.filter((one) => one === subject).length, 1, subject);
    }
    const texts = (await notificationsTo(system.ready.outboxUrl, phoneOf(501))).map(({ body }) => body);
    assert.equal(texts.filter((body) => body.includes('asked to delete')).length, 1);
    assert.equal(texts.filter((body) => body.includes('was deleted')).length, 1);
    assert.notEqual((await registrant(501)).userId, ada.userId);
  });

  it('is erased completely when the erasing process is killed, and the mail server was unavailable', async () => {
    const ada = await person(502);
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'error500' });
    const { body: deletion } = await must(me(ada, 'DELETE'), 202);
    await until(async () => (await me(ada, 'GET')).status === 401);
    await system.kill('registration');
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'none' });
    await system.restart('registration');
    // the erasure may be finished before the first poll
    await until(async () => ['erasing', 'erased'].includes((await receiptOf(deletion)).body.state));
    await system.kill('registration');
    await system.restart('registration');
    await erased(deletion);
    assert.deepEqual(await behind.accountsOf(ada.name), []);
    assert.deepEqual(search(await everywhere(), ada.userId), []);
  });
});

describe('DELETE /users/me', () => {
  it('ends every other session, is shown in the profile, and can be stopped after a log-in', async () => {
    const ada = await person(503);
    const elsewhere = (await must(logIn(ada.name))).body.accessToken;
    const { body: deletion } = await must(me(ada, 'DELETE', '', patient), 202);
    assert.equal((await api.readSession({ token: elsewhere })).status, 401);
    assert.equal((await must(me(ada, 'GET'))).body.deletionAt, deletion.effectiveAt);
    assert.equal((await must(receiptOf(deletion))).body.state, 'planned');
    const again = { ...ada, token: (await must(logIn(ada.name))).body.accessToken };
    await must(me(again, 'POST', '/deletion/cancel'), 204);
    assert.equal((await must(me(again, 'GET'))).body.deletionAt, undefined);
    assert.equal((await must(receiptOf(deletion))).body.state, 'stopped');
    assert.deepEqual(
      search(await readDatabase(behind).then(({ 'database deletions': kept = '' }) => ({ kept })), ada.userId),
      [],
    );
    assert.equal((await me(again, 'POST', '/deletion/cancel')).status, 404);
    assert.notEqual((await must(me(again, 'DELETE', '', patient), 202)).body.deletionId, deletion.deletionId);
  });

  it('starts one deletion, also for concurrent requests', async () => {
    const ada = await person(504);
    const answers = await Promise.all(Array.from({ length: 10 }, () => must(me(ada, 'DELETE', '', patient), 202)));
    assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
    await until(async () => {
      const all = (await (await fetch(`${system.ready.outboxUrl}/messages`)).json()) as OutboxMessage[];
      return (
        all.filter(
          (one) =>
            isNotification(one) && one.to === `${ada.name}@example.org` && one.subject?.includes('will be deleted'),
        ).length === 1
      );
    });
  });

  it('returns its receipt only with its token', async () => {
    const ada = await person(505);
    const { body: deletion } = await must(me(ada, 'DELETE', '', patient), 202);
    for (const token of [ada.token, 'a'.repeat(43)]) {
      assert.equal((await receiptOf({ ...deletion, deletionToken: token })).status, 404);
    }
    assert.equal((await api.readDeletion({ deletionId: deletion.deletionId })).status, 401);
    assert.equal((await api.readSession({ token: deletion.deletionToken })).status, 401);
  });
});
