// @rerun never
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { type AuthSessions, createAuthSessions, createSessionEnds } from '../../../adapters/redis/sessions.ts';
import { createRecordMac, type DerivedKey } from '../../../platform/crypto.ts';
import { connectTestRedis, testSessionMacs, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let sessions: AuthSessions;

before(() => {
  redis = connectTestRedis();
  sessions = createAuthSessions(redis, testSessionMacs);
});
after(() => redis.disconnect());

/** A session with its refresh token, and the copies that a thief of Redis makes of their records. */
async function begin(given: { userId?: string; roles?: string[] } = {}) {
  const { userId = uniqueName('user'), roles = ['user'] } = given;
  const [sessionId, refresh] = [uniqueName('session'), uniqueName()];
  const own = { ip: '', userAgent: '', idleMs: 600_000, lifeMs: 3_600_000 };
  await sessions.create({ sessionId, userId, roles, ...own }, { hash: refresh, seconds: 600 });
  return { userId, sessionId, refresh, key: `session:${sessionId}` };
}

const isValid = async (of: { sessionId: string; userId: string }) => (await sessions.read(of)) !== undefined;
const successor = () => ({ hash: uniqueName(), seconds: 600, encrypted: 'encrypted' });

describe('somebody who can write to Redis, and has no key', () => {
  it('makes no session and no refresh token', async () => {
    const ada = await begin();
    const record = await redis.hgetall(ada.key);
    // for another user, under another id, and from nothing
    const [copy, made] = [uniqueName('session'), uniqueName('session')];
    await redis.hset(`session:${copy}`, record);
    await redis.hset(`session:${made}`, { ...record, mac: '', tokensMac: '', refresh: 'mine' });
    for (const sessionId of [copy, made]) assert.equal(await isValid({ ...ada, sessionId }), false);
    const token = await redis.hgetall(`refresh:${ada.refresh}`);
    await redis.hset('refresh:mine', token);
    assert.equal(await sessions.findByRefresh('mine'), undefined);
    await redis.hset(`refresh:${ada.refresh}`, 'userId', 'admin');
    assert.equal(await sessions.findByRefresh(ada.refresh), undefined);
  });

  it('changes no field that is trusted', async () => {
    const changes = {
      userId: 'admin',
      generation: '9',
      createdAt: '1',
      authenticatedAt: String(Date.now() + 1),
      idleMs: '999999999',
      endsAt: '9999999999999',
      deviceId: 'another',
      mac: 'x',
    };
    for (const [field, value] of Object.entries(changes)) {
      const ada = await begin();
      assert.equal(await isValid(ada), true);
      await redis.hset(ada.key, field, value);
      assert.equal(await isValid(ada), false, field);
      assert.equal(await isValid({ ...ada, userId: value }), false, field);
    }
  });

  it('makes no refresh token of a session valid', async () => {
    const ada = await begin();
    const owner = { ...ada, endsAt: Date.now() + 3_600_000 };
    for (const field of ['refresh', 'previous', 'successor', 'rotatedAt']) {
      const before = (await redis.hget(ada.key, field)) ?? '';
      await redis.hset(ada.key, field, 'mine');
      assert.equal((await sessions.rotate(owner, 'mine', successor(), { roles: [] })).outcome, 'ended', field);
      if (before === '') await redis.hdel(ada.key, field);
      else await redis.hset(ada.key, field, before);
    }
    assert.equal((await sessions.rotate(owner, ada.refresh, successor(), { roles: [] })).outcome, 'rotated');
  });

  it('gives nobody a role, and revives no generation', async () => {
    const ada = await begin();
    await redis.hset(`user:${ada.userId}`, 'roles', 'user,admin');
    assert.equal(await isValid(ada), false);
    await redis.hset(`user:${ada.userId}`, 'roles', 'user');
    assert.deepEqual((await sessions.read(ada))?.roles, ['user']);
    const [session, person] = [await redis.hgetall(ada.key), await redis.hgetall(`user:${ada.userId}`)];
    await createSessionEnds(redis, testSessionMacs.persons).endAll(ada.userId);
    await redis.hset(ada.key, session);
    assert.equal(await isValid(ada), false, 'an older session');
    const next = await begin(ada);
    // this process has seen the newer generation
    await redis.del(`user:${ada.userId}`);
    await redis.hset(`user:${ada.userId}`, person);
    await sessions.read(next);
    await sessions.endAll(ada.userId);
    await redis.hset(`user:${ada.userId}`, person);
    assert.equal(await isValid(ada), false, 'an older session and an older user');
    await redis.del(`user:${ada.userId}`);
    assert.deepEqual([await isValid(ada), await isValid(next)], [false, false], 'no user');
    assert.equal(await isValid(await begin(ada)), true);
    assert.equal(await isValid(ada), false);
  });
});

describe('a rotation of the key', () => {
  it('gives sessions MACs of the current key with their next refresh, so that the earlier key can be removed', async () => {
    const [earlier, current] = ['00000002', '00000003'].map((id) => ({ id, key: randomBytes(32) }));
    assert.ok(earlier && current);
    const storeWith = (...keys: [DerivedKey, ...DerivedKey[]]) =>
      createAuthSessions(redis, { sessions: createRecordMac(keys), persons: createRecordMac(keys) });
    const [userId, sessionId, refresh] = [uniqueName('user'), uniqueName('session'), uniqueName()];
    const own = { ip: '', userAgent: '', idleMs: 600_000, lifeMs: 3_600_000 };
    const [before, between, afterwards] = [storeWith(earlier), storeWith(current, earlier), storeWith(current)];
    await before.create({ sessionId, userId, roles: ['user'], ...own }, { hash: refresh, seconds: 600 });
    const of = { sessionId, userId };
    assert.ok(await between.read(of));
    assert.equal(await afterwards.read(of), undefined);
    const owner = await between.findByRefresh(refresh);
    assert.ok(owner);
    const renewed = successor();
    assert.equal((await between.rotate(owner, refresh, renewed, { roles: ['user'] })).outcome, 'rotated');
    assert.deepEqual((await afterwards.read(of))?.roles, ['user']);
    assert.ok(await afterwards.findByRefresh(renewed.hash));
  });
});

describe('a session that is changed by several at once', () => {
  it('has the last authentication and one valid refresh token', async () => {
    const ada = await begin();
    const owner = { ...ada, endsAt: Date.now() + 3_600_000 };
    const rotations = Array.from({ length: 8 }, () => sessions.rotate(owner, ada.refresh, successor(), { roles: [] }));
    const confirms = Array.from({ length: 8 }, () => sessions.confirm(ada.sessionId));
    const outcomes = (await Promise.all(rotations)).map(({ outcome }) => outcome);
    await Promise.all(confirms);
    assert.deepEqual(outcomes.toSorted(), [...Array(7).fill('repeated'), 'rotated']);
    assert.equal(await isValid(ada), true);
  });
});
