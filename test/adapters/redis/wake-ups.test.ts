// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createPushToken } from '../../../adapters/redis/push-tokens.ts';
import { createWakeUps, type WakeUpId, type WakeUps } from '../../../adapters/redis/wake-ups.ts';
import { wakeUpSeconds } from '../../../domain/push.ts';
import { newId, newToken } from '../../../platform/crypto.ts';
import { assertLife, atOnce, connectTestRedis, testCipher } from '../../support/redis.ts';

let redis: Redis;
let wakeUps: WakeUps;

before(() => {
  redis = connectTestRedis();
  wakeUps = createWakeUps(redis);
});
after(() => redis.disconnect());

const wakeUpOf = (of: Partial<WakeUpId> = {}): WakeUpId => ({
  userId: newId(),
  deviceId: '1',
  wakeUpId: newId(),
  ...of,
});
const keyOf = ({ userId, deviceId }: WakeUpId) => `wake-up:${userId}:${deviceId}`;

describe('createWakeUps()', () => {
  it('gives the place of a device to one of 50 parallel wake-ups, and to its repeats', async () => {
    const one = wakeUpOf();
    const all = Array.from({ length: 50 }, () => ({ ...one, wakeUpId: newId() }));
    const claimed = await atOnce(50, (index) => wakeUps.claim(all[index] ?? one));
    assert.equal(claimed.filter(Boolean).length, 1);
    const winner = all[claimed.indexOf(true)] ?? one;
    assert.equal(await wakeUps.claim(winner), true);
    assert.equal(await wakeUps.claim({ ...one, deviceId: '2' }), true, 'another device');
  });

  it('holds an unconfirmed claim for a minute and a confirmed one for a day', async () => {
    const one = wakeUpOf();
    await assertLife(redis, { key: keyOf(one), seconds: 60 }, () => wakeUps.claim(one));
    await assertLife(redis, { key: keyOf(one), seconds: wakeUpSeconds }, () => wakeUps.confirm(one));
  });

  it('is needed until the device connects, after which another one may follow', async () => {
    const [first, second] = [wakeUpOf(), wakeUpOf()];
    const later = { ...first, wakeUpId: second.wakeUpId };
    await wakeUps.confirm(first);
    assert.equal(await wakeUps.isNeeded(first), true);
    assert.equal(await wakeUps.confirm(later), false);
    await wakeUps.connected(first);
    assert.equal(await wakeUps.isNeeded(first), false);
    assert.equal(await wakeUps.confirm(later), true);
    assert.equal(await wakeUps.confirm(first), false);
  });

  it('confirms a claim that expired while the workflow waited, unless another one took the place', async () => {
    const one = wakeUpOf();
    await wakeUps.claim(one);
    await redis.del(keyOf(one));
    assert.equal(await wakeUps.confirm(one), true);
  });

  it('does not release a later wake-up of the device', async () => {
    const first = wakeUpOf();
    const later = { ...first, wakeUpId: newId() };
    await wakeUps.confirm(first);
    await wakeUps.release(later);
    assert.equal(await wakeUps.isNeeded(first), true);
    await wakeUps.release(first);
    assert.equal(await redis.exists(keyOf(first)), 0);
  });

  it('keeps the last result of each device until the device is forgotten', async () => {
    const one = wakeUpOf();
    const last = { provider: 'webpush', result: 'accepted', at: 1_700_000_000_000 } as const;
    const key = `push-result:${one.userId}`;
    await assertLife(redis, { key, seconds: 180 * 86_400 }, () => wakeUps.recordResult(one.userId, '1', last));
    await wakeUps.recordResult(one.userId, '2', { ...last, result: 'refused' });
    await wakeUps.confirm(one);
    await wakeUps.forget(one);
    assert.deepEqual([...(await wakeUps.lastResults(one.userId))], [['2', { ...last, result: 'refused' }]]);
    assert.equal(await redis.exists(keyOf(one)), 0);
  });
});

describe('createPushToken()', () => {
  it('shares the first of 20 parallel tokens, encrypted, until it is forgotten', async () => {
    await redis.del('push-token:apns');
    const cipher = testCipher('push');
    const shared = await atOnce(20, () => createPushToken(redis, 'apns', cipher).share(newToken(), 600));
    assert.equal(new Set(shared).size, 1);
    const [token = ''] = shared;
    const store = createPushToken(redis, 'apns', cipher);
    assert.equal(await store.read(), token);
    assert.equal((await redis.get('push-token:apns'))?.includes(token), false);
    await store.forget('another');
    assert.equal(await store.read(), token);
    await store.forget(token);
    assert.equal(await store.read(), undefined);
  });
});
