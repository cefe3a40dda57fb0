// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import { inboxScene, listenAsNode, mirrored } from '../../support/inboxes.ts';
import { atOnce, connectTestRedis } from '../../support/redis.ts';
import { eventually } from '../../support/until.ts';

let redis: Redis;
before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

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
    const { inboxes, userId, send } = await inboxScene(redis, { devices: ['1', '2'] });
    await send('m');
    await inboxes.writeDevices(userId, undefined);
    const left = await redis.keys(`inbox*{${userId}}*`);
    assert.deepEqual(left, []);
  });
});
