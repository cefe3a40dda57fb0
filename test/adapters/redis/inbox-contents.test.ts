// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import { copyFor, inboxScene } from '../../support/inboxes.ts';
import { atOnce, connectTestRedis } from '../../support/redis.ts';

let redis: Redis;
before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

describe('inbox-read.lua and message-acknowledge.lua', () => {
  it('reads pages by number and by bytes, after and up to an id, and at least one message', async () => {
    const { inboxes, device, send, ids } = await inboxScene(redis);
    for (let index = 0; index < 40; index++) await send(`m${index}`, { content: 'A'.repeat(400) });
    const all = await ids();
    const read = async (part: Parameters<typeof inboxes.read>[1]) =>
      (await inboxes.read(device(), part)).map(({ messageId }) => messageId);
    assert.deepEqual(await read({ count: 100 }), all);
    assert.deepEqual(await read({ count: 33 }), all.slice(0, 33));
    assert.deepEqual(await read({ count: 5, after: all[9] }), all.slice(10, 15));
    assert.deepEqual(await read({ count: 50, after: all[9], upTo: all[11] }), all.slice(10, 12));
    assert.equal((await read({ count: 50, bytes: 2000 })).length, 4);
    assert.equal((await read({ count: 50, bytes: 1 })).length, 1);
    assert.deepEqual(await read({ count: 50, after: all[39] }), []);
  });

  it('counts a message once that is acknowledged in parallel, and deletes the empty stream', async () => {
    const { inboxes, device, userId, send, ids } = await inboxScene(redis);
    for (const id of ['m', 'n', 'o']) await send(id);
    const [first = '', second = '', third = ''] = await ids();
    const answers = await atOnce(10, () => inboxes.acknowledge(device(), [first, first, '1-1']));
    assert.equal(answers.filter(({ unknown }) => unknown.length === 2).length, 1, 'it was known once');
    assert.equal(await redis.hget(keys.inboxes({ userId }), 'c1'), '2');
    assert.equal(await redis.hget(keys.inboxes({ userId }), 'b1'), '8');
    assert.deepEqual(await inboxes.acknowledge(device(), [third, second]), { unknown: [] });
    assert.equal(await redis.exists(keys.inbox(device())), 0);
    assert.deepEqual(await redis.hmget(keys.inboxes({ userId }), 'c1', 'b1'), [null, null]);
    await send('p');
    assert.equal((await ids()).length, 1);
  });

  it('K16 removes nothing from the inbox of another device', async () => {
    const { inboxes, device, send, ids } = await inboxScene(redis, { devices: ['1', '2'] });
    await send('m');
    await inboxes.acknowledge(device('1'), await ids('1'));
    assert.deepEqual([(await ids('1')).length, (await ids('2')).length], [0, 1]);
  });
});

describe('gaps: inbox-gap-clear.lua', () => {
  it('adds up in parallel, and keeps what came after the device was told', async () => {
    const { inboxes, device } = await inboxScene(redis);
    const gap = (from: number) => ({ from, to: from + 5, count: 1, reason: 'expired' as const });
    await atOnce(20, (index) => inboxes.noteGap(device(), gap(100 + index)));
    const told = await inboxes.readGap(device());
    assert.deepEqual(told, { from: 100, to: 124, count: 20, reason: 'expired' });
    await inboxes.noteGap(device(), gap(200));
    await atOnce(2, () => inboxes.clearGap(device(), { from: 100, to: 124, count: 20, reason: 'expired' }));
    assert.equal(await inboxes.readGap(device()), undefined, 'told twice, so it was told all');
    await inboxes.noteGap(device(), gap(300));
    await inboxes.noteGap(device(), gap(400));
    await inboxes.clearGap(device(), gap(300));
    assert.deepEqual(await inboxes.readGap(device()), { from: 305, to: 405, count: 1, reason: 'expired' });
  });
});

it('K9 an entry says who sent it, as the server knows it', async () => {
  const { inboxes, device, send, sender } = await inboxScene(redis);
  await send('m', { timestamp: 5, messages: [{ ...copyFor('1', 'QUJD'), type: 'prekey' }], isUrgent: false });
  const [message] = await inboxes.read(device(), { count: 1 });
  const { messageId: _id, ...rest } = message ?? { messageId: '' };
  assert.deepEqual(rest, { from: sender, type: 'prekey', content: 'QUJD', timestamp: 5, isUrgent: false });
});
