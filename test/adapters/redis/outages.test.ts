/** Each answer is that of a real Redis which was brought into the state that it describes. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectRedis, type Redis } from '../../../adapters/redis/connect.ts';
import { isRedisOutage, redisOutageOf } from '../../../adapters/redis/outages.ts';
import { follow, type OwnCluster, type OwnRedis, startOwnCluster, startOwnRedis } from '../../support/redis-servers.ts';
import { until } from '../../support/until.ts';

/** Resolves to the reason of the outage that a command ends with; to undefined if it ends with another error or with none. */
async function reasonOf(command: Promise<unknown>): Promise<string | undefined> {
  return await command.then(
    () => undefined,
    (err: unknown) => redisOutageOf(err)?.reason,
  );
}

/** Writes in the three ways of the product: by a command, a script and a transaction. */
function writesOf(redis: Redis): Promise<unknown>[] {
  return [
    redis.set('key', 'value'),
    redis.eval("return redis.call('SET', KEYS[1], 'value')", 1, 'key'),
    redis.multi().set('key', 'value').exec(),
  ];
}

/** Asserts why each write is refused while Redis has some settings, and that writes succeed with those before. */
async function assertRefused({ redis }: OwnRedis, settings: Record<string, string>, reason: string): Promise<void> {
  const before = await Promise.all(Object.keys(settings).map((name) => redis.config('GET', name)));
  for (const [name, value] of Object.entries(settings)) await redis.config('SET', name, value);
  assert.deepEqual(await Promise.all(writesOf(redis).map(reasonOf)), [reason, reason, reason]);
  for (const [name, value] of before as [string, string][]) await redis.config('SET', name, value);
  await Promise.all(writesOf(redis));
}

describe('a Redis that answers and cannot work', () => {
  let server: OwnRedis;
  before(async () => {
    // rename(2) refuses to replace a folder by a file, so that no snapshot can be written
    const settings = { dbfilename: 'folder', 'enable-debug-command': 'yes' };
    server = await startOwnRedis({ settings });
    const [, dir] = (await server.redis.config('GET', 'dir')) as [string, string];
    mkdirSync(join(dir, 'folder', 'file'), { recursive: true });
  });
  after(() => server[Symbol.asyncDispose]());

  it('refuses writes without memory', () => assertRefused(server, { maxmemory: '1' }, 'out-of-memory'));

  it('refuses writes without its replicas', () =>
    assertRefused(server, { 'min-replicas-to-write': '1' }, 'replicas-missing'));

  it('refuses writes that it cannot persist', async () => {
    const { redis } = server;
    await redis.config('SET', 'save', '900 1');
    await redis.bgsave();
    await until(async () => (await redis.info('persistence')).includes('rdb_last_bgsave_status:err'));
    assert.deepEqual(await Promise.all(writesOf(redis).map(reasonOf)), Array(3).fill('cannot-persist'));
    await redis.config('SET', 'save', '');
    await Promise.all(writesOf(redis));
  });

  it('refuses commands during a long script', async () => {
    const { redis } = server;
    await redis.config('SET', 'busy-reply-threshold', '1');
    const other = redis.duplicate();
    const looping = other.eval('while true do end', 0).catch(() => undefined);
    await until(async () => (await reasonOf(redis.get('key'))) === 'busy');
    await redis.script('KILL');
    await looping;
    other.disconnect();
    await redis.get('key');
  });

  it('refuses commands while it reads its data', async () => {
    const { redis } = server;
    await redis.debug('POPULATE', '10000', 'key', '100');
    await redis.bgrewriteaof();
    await until(async () => !/aof_rewrite_(in_progress|scheduled):1/.test(await redis.info('persistence')));
    // as long as the test likes
    await redis.config('SET', 'key-load-delay', '10000');
    await redis.config('SET', 'loading-process-events-interval-bytes', '1024');
    const other = redis.duplicate();
    const loading = other.debug('LOADAOF').catch(() => undefined);
    await until(async () => (await reasonOf(redis.get('key'))) === 'loading');
    await redis.config('SET', 'key-load-delay', '0');
    await loading;
    await until(async () => (await redis.get('key')) !== undefined);
    other.disconnect();
  });

  it('refuses writes as a replica, and reads as one without a primary', async () => {
    const { redis } = server;
    await redis.config('SET', 'replica-serve-stale-data', 'yes');
    await redis.replicaof('127.0.0.1', 1);
    assert.equal(await reasonOf(redis.set('key', 'value')), 'read-only');
    await redis.config('SET', 'replica-serve-stale-data', 'no');
    assert.equal(await reasonOf(redis.get('key')), 'primary-away');
    await redis.replicaof('NO', 'ONE');
    await Promise.all(writesOf(redis));
  });

  it('is not mistaken for a wrong command, whatever its words are', async () => {
    const { redis } = server;
    const errors = [
      redis.eval("return redis.error_reply('ERR LOADING Connection is closed READONLY')", 0),
      redis.call('NONSENSE', 'LOADING'),
    ];
    const settled = await Promise.allSettled(errors);
    const found = settled.map((one) => one.status === 'rejected' && !isRedisOutage(one.reason));
    assert.deepEqual(found, [true, true]);
    assert.equal(isRedisOutage(new Error('connect ECONNREFUSED')), false);
  });
});

describe('a node of a cluster', () => {
  let cluster: OwnCluster;
  before(async () => {
    cluster = await startOwnCluster();
  });
  after(() => cluster[Symbol.asyncDispose]());

  it('sends its client elsewhere, and refuses what two nodes have while slots move or are missing', async () => {
    const [first, second] = cluster.nodes as [OwnRedis, OwnRedis];
    // the first node has the slot of b, and the last one that of a
    const slot = await first.redis.cluster('KEYSLOT', 'b');
    await first.redis.set('b', 'value');
    assert.equal(await reasonOf(first.redis.set('a', 'value')), 'slot-elsewhere');
    await first.redis.cluster('SETSLOT', slot, 'MIGRATING', await second.redis.cluster('MYID'));
    assert.equal(await reasonOf(first.redis.mget('b', '{b}2')), 'slot-moving');
    assert.equal(await reasonOf(first.redis.get('{b}2')), 'slot-elsewhere');
    await first.redis.cluster('SETSLOT', slot, 'STABLE');
    await first.redis.cluster('DELSLOTS', slot);
    await until(async () => (await reasonOf(first.redis.get('b'))) === 'cluster-down');
  });
});

describe('a primary that became a replica', () => {
  it('is left for the new primary by its address', async () => {
    // a replica is sent the data at once, not with others that may come
    const settings = { 'repl-diskless-sync-delay': '0' };
    await using old = await startOwnRedis({ settings });
    await using next = await startOwnRedis({ settings });
    await using address = await openAddress(old.port);
    await follow(next, old);
    const redis = connectRedis(`redis://127.0.0.1:${address.port}`, () => undefined, { timeoutMs: 600_000 });
    await redis.set('key', 'before');
    await next.redis.replicaof('NO', 'ONE');
    await old.redis.replicaof('127.0.0.1', next.port);
    address.lead(next.port);
    // the replica refuses it, and the new primary gets it
    assert.equal(await redis.set('key', 'after'), 'OK');
    assert.equal(await next.redis.get('key'), 'after');
    redis.disconnect();
  });
});

/** Opens an address that leads to a server, and to another one later; open connections stay where they are. */
async function openAddress(port: number): Promise<AsyncDisposable & { port: number; lead(port: number): void }> {
  let target = port;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const upstream = connect(target, '127.0.0.1');
    for (const end of [socket, upstream]) sockets.add(end.on('error', () => undefined));
    socket.on('close', () => upstream.destroy());
    upstream.on('close', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    lead(next) {
      target = next;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
