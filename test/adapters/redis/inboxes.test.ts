// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createConversationCache } from '../../../adapters/redis/conversations.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import { presenceChannel } from '../../../adapters/redis/node-channel.ts';
import type { ConversationCode } from '../../../domain/message.ts';
import { copyFor, inboxScene, listenAsNode, mirrored } from '../../support/inboxes.ts';
import { atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';
import { eventually } from '../../support/until.ts';

let redis: Redis;
before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

const now = Date.now();

describe('leases: inbox-connect.lua, inbox-renew.lua, inbox-disconnect.lua', () => {
  it('of parallel connections of a device one stays, and each of the others is told that it was replaced', async () => {
    const { inboxes, device, nodeId } = await inboxScene(redis);
    await using node = await listenAsNode(redis, nodeId);
    const place = (index: number) => ({ nodeId, connectionId: `c${index}` });
    await atOnce(20, (index) => inboxes.connect(device(), place(index)));
    const connections = Array.from({ length: 20 }, (_, index) => ({ ...device(), connectionId: `c${index}` }));
    const kept = await inboxes.renew(connections, nodeId);
    assert.equal(kept.filter(Boolean).length, 1);
    await eventually(() => node.heard[18]);
    const replaced = node.heard.map(({ connectionId }) => connectionId);
    const lost = connections.filter((_one, index) => !kept[index]).map(({ connectionId }) => connectionId);
    assert.deepEqual(replaced.sort(), lost.sort());
    assert.ok(node.heard.every((told) => told.kind === 'close' && told.reason === 'replaced'));
  });

  it('lets a connection that was replaced neither renew nor end the lease', async () => {
    const { inboxes, device, nodeId } = await inboxScene(redis);
    const [first, second] = [
      { nodeId, connectionId: 'c1' },
      { nodeId: 'other', connectionId: 'c2' },
    ];
    await inboxes.connect(device(), first, now);
    await inboxes.connect(device(), second, now);
    assert.deepEqual(await inboxes.renew([{ ...device(), connectionId: 'c1' }], nodeId, now), [false]);
    assert.deepEqual(await inboxes.disconnect(device(), first, now), { waiting: 0, wake: false });
    assert.equal((await inboxes.isOnline(device().userId, now)).isOnline, true);
    assert.deepEqual(await inboxes.renew([{ ...device(), connectionId: 'c2' }], 'other', now + 40_000), [true]);
    assert.deepEqual(await inboxes.isOnline(device().userId, now + 80_000), { isOnline: true, until: now + 85_000 });
  });

  it('ends with its time where nobody renews it, and is taken again by the same connection', async () => {
    const { inboxes, device, nodeId, send } = await inboxScene(redis, { push: ['1'] });
    await inboxes.connect(device(), { nodeId, connectionId: 'c1' }, now);
    assert.equal((await inboxes.isOnline(device().userId, now + 45_000)).isOnline, false);
    const result = await send('m', { now: now + 45_000 });
    assert.deepEqual(result.outcome === 'stored' && [result.wake, result.local], [['1'], []]);
    assert.deepEqual(await inboxes.renew([{ ...device(), connectionId: 'c1' }], nodeId, now + 46_000), [true]);
  });

  it('says what waits, and connects only the device that the set has', async () => {
    const { inboxes, device, nodeId, send, ids } = await inboxScene(redis);
    await send('m');
    await send('n');
    const at = { nodeId, connectionId: 'c1' };
    assert.equal(await inboxes.connect(device('2'), at), undefined);
    assert.equal(await inboxes.connect({ ...device(), createdAt: 999 }, at), undefined);
    const opened = { last: (await ids())[1], count: 2, wasSuspended: false };
    assert.deepEqual(await inboxes.connect({ ...device(), createdAt: 1000 }, at), opened);
    assert.deepEqual(await inboxes.resume(device()), opened);
  });

  it('publishes when the first device of a user connects and the last one leaves', async () => {
    const { inboxes, device, userId, nodeId } = await inboxScene(redis, { devices: ['1', '2'] });
    const follower = redis.duplicate();
    const heard: string[] = [];
    follower.on('message', (_channel: string, text: string) => heard.push(text));
    await follower.subscribe(presenceChannel(userId));
    const at = (deviceId: string) => ({ nodeId, connectionId: `c${deviceId}` });
    for (const id of ['1', '2']) await inboxes.connect(device(id), at(id), now);
    for (const id of ['1', '2']) await inboxes.disconnect(device(id), at(id), now + 5);
    await eventually(() => heard[1]);
    assert.deepEqual(heard, ['online', 'offline']);
    assert.deepEqual(await inboxes.isOnline(userId, now + 5), { isOnline: false, seenAt: now + 5 });
    follower.disconnect();
  });
});

describe('inbox-announce.lua', () => {
  it('reaches connected devices: all, one, or all but one', async () => {
    const { inboxes, device, userId, nodeId } = await inboxScene(redis, { devices: ['1', '2', '3'] });
    await using node = await listenAsNode(redis, nodeId);
    for (const id of ['1', '2']) await inboxes.connect(device(id), { nodeId, connectionId: `c${id}` });
    const event = { event: 'keys:low', payload: { count: 0 } };
    assert.equal(await inboxes.announce(userId, { ...event, deviceId: '2' }), 1);
    assert.equal(await inboxes.announce(userId, { ...event, exceptDeviceId: '2' }), 1);
    assert.equal(await inboxes.announce(userId, event), 2);
    assert.equal(await inboxes.announce(userId, { ...event, deviceId: '3' }), 0);
    await eventually(() => node.heard[3]);
    assert.deepEqual(node.heard[0], { kind: 'event', ...device('2'), connectionId: 'c2', ...event });
    assert.deepEqual(
      node.heard.slice(0, 2).map(({ deviceId }) => deviceId),
      ['2', '1'],
    );
  });
});

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

describe('inbox-devices.lua', () => {
  it('of parallel writers the latest version stays, whatever their order', async () => {
    const { inboxes, userId } = await inboxScene(redis);
    const set = (version: number) => ({ version, devices: [{ ...mirrored('1'), registrationId: version }] });
    await atOnce(30, (index) => inboxes.writeDevices(userId, set(((index * 7) % 30) + 2)));
    assert.deepEqual(await redis.hmget(keys.inboxes({ userId }), 'set', 'd1'), ['31', '31:1000:0']);
    assert.equal(await inboxes.writeDevices(userId, set(31)), false);
  });

  it('J15 deletes the inbox of a removed device, which cannot be written any more, and ends its connection', async () => {
    const { inboxes, device, userId, nodeId, send, ids } = await inboxScene(redis, { devices: ['1', '2'] });
    await using node = await listenAsNode(redis, nodeId);
    await send('m');
    await inboxes.connect(device('2'), { nodeId, connectionId: 'c2' });
    await inboxes.writeDevices(userId, { version: 2, devices: [mirrored('1')] });
    assert.deepEqual(await send('n'), { outcome: 'mismatched', missingDevices: [], extraDevices: ['2'] });
    assert.deepEqual(await ids('2'), []);
    await eventually(() => node.heard[0]);
    assert.deepEqual(node.heard, [{ kind: 'close', ...device('2'), connectionId: 'c2', reason: 'revoked' }]);
    const fields = Object.keys(await redis.hgetall(keys.inboxes({ userId })));
    assert.deepEqual(
      fields.filter((field) => field.endsWith('2')),
      [],
    );
    assert.equal(await inboxes.connect(device('2'), { nodeId, connectionId: 'c3' }), undefined);
  });

  it('B8 gives nothing of a removed device to the next one with its id, though only the latest set was seen', async () => {
    const { inboxes, device, userId, nodeId, send, ids } = await inboxScene(redis, { devices: ['1', '2'] });
    await send('m');
    await inboxes.connect(device('2'), { nodeId, connectionId: 'c2' });
    const set = { version: 9, devices: [mirrored('1'), mirrored('2', false, 2000)] };
    await inboxes.writeDevices(userId, set);
    assert.deepEqual([(await ids('1')).length, await ids('2')], [1, []]);
    assert.deepEqual(await inboxes.renew([{ ...device('2'), connectionId: 'c2' }], nodeId), [false]);
    assert.deepEqual(await inboxes.connect(device('2'), { nodeId, connectionId: 'c3' }), {
      count: 0,
      wasSuspended: false,
    });
  });

  it('leaves nothing of a user without devices', async () => {
    const { inboxes, userId, send, sender } = await inboxScene(redis, { devices: ['1', '2'] });
    await send('m');
    await inboxes.writeDevices(userId, undefined);
    const left = await redis.keys(`inbox*{${userId}}*`);
    assert.deepEqual(left, []);
    assert.deepEqual(await inboxes.senderSide(userId, sender.userId), { conversation: 'a', devices: undefined });
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

describe('the cache of conversations', () => {
  it('ends with what MongoDB has after parallel changes, and no filler replaces that', async () => {
    const cache = createConversationCache(redis);
    const side = { userId: uniqueName('bob'), peerId: uniqueName('ann') };
    let stored: ConversationCode = 'n';
    const change = (code: ConversationCode) =>
      cache.change(side, {
        write: async () => {
          stored = code;
        },
        read: async () => stored,
      });
    const fill = async () => cache.fill(side, stored);
    await Promise.all([change('a'), fill(), change('ba'), fill(), change('a'), change('bn'), fill()]);
    assert.equal(await cache.read(side), stored);
    await cache.fill(side, 'r');
    assert.equal(await cache.read(side), stored);
    await cache.forget(side);
    assert.equal(await cache.read(side), undefined);
  });
});

it('K9 an entry says who sent it, as the server knows it', async () => {
  const { inboxes, device, send, sender } = await inboxScene(redis);
  await send('m', { timestamp: 5, messages: [{ ...copyFor('1', 'QUJD'), type: 'prekey' }], isUrgent: false });
  const [message] = await inboxes.read(device(), { count: 1 });
  const { messageId: _id, ...rest } = message ?? { messageId: '' };
  assert.deepEqual(rest, { from: sender, type: 'prekey', content: 'QUJD', timestamp: 5, isUrgent: false });
});
