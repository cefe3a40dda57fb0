// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import { inboxScene } from '../../support/inboxes.ts';
import { atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

const now = Date.now();
const window = { max: 3, windowSeconds: 6 };

describe('message-sender.lua', () => {
  it('returns what is cached about the sender: its devices and its decision about the recipient', async () => {
    const { inboxes, userId, device, sender } = await inboxScene(redis, { devices: ['1', '2'], conversation: 'ba' });
    const { devices, conversation } = await inboxes.beginSend(device(), sender.userId, window);
    assert.deepEqual({ devices, conversation }, { devices: 2, conversation: 'ba' });
    const stranger = await inboxes.beginSend(device(), uniqueName('eve'), window);
    assert.deepEqual([stranger.devices, stranger.conversation], [2, undefined]);
    await inboxes.writeDevices(userId, undefined);
    const unknown = await inboxes.beginSend(device(), sender.userId, window);
    assert.deepEqual([unknown.devices, unknown.conversation], [undefined, 'ba']);
  });

  it('allows parallel messages of a device up to its limit, then one after the other, and counts no refused one', async () => {
    const { inboxes, device } = await inboxScene(redis);
    const send = async (at: number) => (await inboxes.beginSend(device(), 'bob', window, at)).limit;
    const states = await atOnce(10, () => send(now));
    assert.deepEqual(
      states.filter(({ allowed }) => allowed).map(({ remaining }) => remaining),
      [2, 1, 0],
    );
    const refused = { allowed: false, max: 3, remaining: 0, resetSeconds: 2 };
    assert.deepEqual(
      states.filter(({ allowed }) => !allowed),
      Array(7).fill(refused),
    );
    assert.deepEqual(await send(now + 500), refused);
    assert.deepEqual(await send(now + 2000), { allowed: true, max: 3, remaining: 0, resetSeconds: 2 });
    assert.equal((await send(now + 3000)).allowed, false);
    assert.deepEqual(await send(now + 7000), { allowed: true, max: 3, remaining: 1, resetSeconds: 1 });
  });

  it('counts each device alone, and over processes', async () => {
    const { inboxes, userId, device } = await inboxScene(redis, { devices: ['1', '2'] });
    const other = connectTestRedis();
    const second = await inboxScene(other);
    for (const store of [inboxes, second.inboxes, inboxes]) await store.beginSend(device('1'), 'bob', window, now);
    assert.equal((await second.inboxes.beginSend(device('1'), 'bob', window, now)).limit.allowed, false);
    assert.equal((await inboxes.beginSend(device('2'), 'bob', window, now)).limit.allowed, true);
    assert.equal(
      (await inboxes.beginSend({ userId: `${userId}x`, deviceId: '1' }, 'bob', window, now)).limit.allowed,
      true,
    );
    other.disconnect();
  });

  it('allows exactly as many as its limit where the spacing is no whole number of milliseconds', async () => {
    const { inboxes, device } = await inboxScene(redis);
    const odd = { max: 7, windowSeconds: 1 };
    const states = [];
    for (let index = 0; index < 8; index++) states.push((await inboxes.beginSend(device(), 'bob', odd, now)).limit);
    assert.deepEqual(
      states.map(({ remaining }) => remaining),
      [6, 5, 4, 3, 2, 1, 0, 0],
    );
    assert.deepEqual(
      states.map(({ allowed }) => allowed),
      [...Array(7).fill(true), false],
    );
  });

  it('keeps the limit until it is free again', async () => {
    const { inboxes, device } = await inboxScene(redis);
    for (let index = 0; index < 3; index++) await inboxes.beginSend(device(), 'bob', { max: 3, windowSeconds: 600 });
    const left = await redis.pttl(keys.messageLimit(device()));
    assert.ok(left > 590_000 && left <= 600_000, String(left));
  });
});
