// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { presenceChannel } from '../../../adapters/redis/node-channel.ts';
import { inboxScene, listenAsNode } from '../../support/inboxes.ts';
import { atOnce, connectTestRedis } from '../../support/redis.ts';
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
