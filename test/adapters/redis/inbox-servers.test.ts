// @rerun never
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { connectRedis } from '../../../adapters/redis/connect.ts';
import { checkDurability } from '../../../adapters/redis/durability.ts';
import { createInboxes } from '../../../adapters/redis/inboxes.ts';
import { inboxScene, listenAsNode, mirrored } from '../../support/inboxes.ts';
import { uniqueName } from '../../support/redis.ts';
import { follow, type OwnRedis, startOwnCluster, startOwnRedis } from '../../support/redis-servers.ts';
import { eventually } from '../../support/until.ts';

const now = Date.now();

describe('on a Redis Cluster of three nodes', () => {
  it('every script of messages has its keys on one node, and publications reach processes on any node', async () => {
    await using cluster = await startOwnCluster();
    const [first] = cluster.nodes;
    assert.ok(first);
    const nodeId = uniqueName('n').slice(0, 20);
    await using node = await listenAsNode(first.redis, nodeId);
    const people = 30;
    for (let index = 0; index < people; index++) {
      const { inboxes, device, send, ids, userId } = await inboxScene(cluster.redis, {
        devices: ['1', '2'],
        conversation: 'n',
        caps: { count: 2, bytes: 1000 },
      });
      await inboxes.connect(device('1'), { nodeId, connectionId: 'c1' }, now);
      assert.deepEqual(await inboxes.renew([{ ...device('1'), connectionId: 'c1' }], nodeId, now), [true]);
      assert.equal((await inboxes.beginSend(device('1'), 'bob', { max: 1, windowSeconds: 1 })).devices, 2);
      assert.equal((await send('m', { now })).outcome, 'stored');
      assert.equal((await send('m', { now })).outcome, 'duplicate');
      assert.equal(await inboxes.announce(userId, { event: 'keys:low', payload: {} }, now), 1);
      const [message] = await inboxes.read(device('1'), { count: 10 });
      await inboxes.acknowledge(device('1'), [message?.messageId ?? '']);
      await inboxes.disconnect(device('1'), { nodeId, connectionId: 'c1' }, now);
      const dated = { ...device('2'), createdAt: 1000 };
      const move = await inboxes.beginMove(dated, 'move', now + 1);
      assert.equal(await inboxes.finishMove(dated, 'move', move?.entries ?? []), true);
      assert.deepEqual(await ids('2'), []);
      assert.equal(await inboxes.expireMessages(dated, now, 10), 0);
      const { archive } = await inboxes.acknowledge(device('2'), ['1-1']);
      await inboxes.settleArchived(device('2'), { count: 1, bytes: 4, archive });
      await inboxes.noteGap(device('2'), { from: 1, to: 2, count: 1, reason: 'expired' });
      await inboxes.clearGap(device('2'), { from: 1, to: 2, count: 1, reason: 'expired' });
      assert.equal(await inboxes.suspend(device('2'), now), true);
      assert.equal(await inboxes.writeDevices(userId, { version: 2, devices: [mirrored('2')] }), true);
    }
    const sizes = await Promise.all(cluster.nodes.map(({ redis }) => redis.dbsize()));
    assert.ok(
      sizes.every((size) => size > 0),
      `keys by node: ${sizes}`,
    );
    await eventually(() => node.heard[people * 3 - 1]);
    const kinds = node.heard.map(({ kind }) => kind);
    assert.deepEqual(new Set(kinds), new Set(['message', 'check', 'event']));
  });

  it('is the test of every script of messages', () => {
    const tested =
      'announce connect devices disconnect expire gap-clear move-begin move-finish read renew settle suspend';
    const ofMessages = ['message-acknowledge.lua', 'message-send.lua', 'message-sender.lua'];
    const scripts = readdirSync(new URL('../../../adapters/redis', import.meta.url));
    assert.deepEqual(
      scripts.filter((name) => /^(inbox|message)-.*\.lua$/.test(name)).sort(),
      [...tested.split(' ').map((name) => `inbox-${name}.lua`), ...ofMessages].sort(),
    );
  });
});

describe('with a replica', () => {
  it('answers a send when the replica has it, refuses it while the replica does not, and a repeat is safe', async () => {
    await using primary = await startOwnRedis({ settings: { 'repl-diskless-sync-delay': '0' } });
    await using replica = await startOwnRedis();
    await follow(replica, primary);
    await using patient = connectForSends(primary);
    await using hasty = connectForSends(primary);
    const scene = await inboxScene(primary.redis, { ...replicated, sends: patient.redis, replicaTimeoutMs: 30_000 });
    const { send, ids, userId } = scene;
    const idsOfReplica = async () => (await replica.redis.xrange(`inbox:{${userId}}:1`, '-', '+')).map(([id]) => id);
    const group = await Promise.all(Array.from({ length: 50 }, (_one, index) => send(`m${index}`)));
    assert.deepEqual(
      group.map((result) => 'messageId' in result && result.messageId),
      await idsOfReplica(),
    );

    const other = createInboxes(primary.redis, { ...replicated, sends: hasty.redis, replicaTimeoutMs: 20 });
    process.kill(replica.engine.process?.pid ?? 0, 'SIGSTOP');
    const refused = await Promise.allSettled(['late', 'later'].map((id) => send(id, { store: other })));
    process.kill(replica.engine.process?.pid ?? 0, 'SIGCONT');
    assert.deepEqual(
      refused.map((result) => result.status === 'rejected' && result.reason.code),
      ['unavailable', 'unavailable'],
    );
    assert.equal((await send('late')).outcome, 'duplicate');
    assert.deepEqual(await ids(), await idsOfReplica());
    assert.equal((await ids()).length, 52);
    assert.deepEqual(await checkDurability(primary.redis, 'replica'), { problems: [], warnings: [], replicas: 1 });
  });
});

const replicated = { durability: 'replica' } as const;

function connectForSends({ engine }: OwnRedis) {
  const redis = connectRedis(engine.url, () => undefined, { timeoutMs: 600_000 });
  return { redis, [Symbol.asyncDispose]: async () => redis.disconnect() };
}

describe('checkDurability()', () => {
  it('names what the configuration does not keep, and what it cannot know', async () => {
    await using server = await startOwnRedis();
    const { redis, engine } = server;
    const problemsOf = async (setting: 'memory' | 'disk' | 'replica') =>
      (await checkDurability(redis, setting)).problems.join();
    assert.equal(await problemsOf('memory'), '');
    assert.match(await problemsOf('disk'), /appendfsync everysec/);
    await redis.config('SET', 'appendfsync', 'always');
    assert.equal(await problemsOf('disk'), '');
    await redis.config('SET', 'appendonly', 'no');
    assert.match(await problemsOf('disk'), /no append-only file/);
    assert.match(await problemsOf('replica'), /no replica/);
    await redis.config('SET', 'stream-node-max-bytes', '4096');
    assert.match((await checkDurability(redis, 'memory')).warnings.join(), /stream-node-max-bytes of Redis is 4096/);
    await redis.acl('SETUSER', 'limited', 'on', '>word', '~*', '&*', '+@all', '-config');
    const limited = connectRedis(engine.url.replace('//', '//limited:word@'), () => undefined);
    assert.match((await checkDurability(limited, 'disk')).problems.join(), /no append-only file/);
    await redis.config('SET', 'appendonly', 'yes');
    const { problems, warnings } = await checkDurability(limited, 'disk');
    assert.deepEqual([problems, warnings.length], [[], 1]);
    limited.disconnect();
  });
});
