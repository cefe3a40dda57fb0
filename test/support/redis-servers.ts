/** Servers of Redis of a test's own: a cluster of three nodes, a primary with its replica. */
import { Cluster } from 'ioredis';
import { connectRedis, type Redis } from '../../adapters/redis/connect.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import type { Engine } from '../../engines/engine.ts';
import { freePort } from '../../engines/ports.ts';
import { type RedisOptions, startRedis } from '../../engines/redis.ts';
import { until } from './until.ts';

/** A server and a connection to it. */
export interface OwnRedis extends AsyncDisposable {
  redis: Redis;
  port: number;
  engine: Engine;
}

/** The number of hash slots of Redis Cluster. */
const slots = 16_384;

/** Starts a server in a folder of its own. */
export async function startOwnRedis(options: Omit<RedisOptions, 'folder'> = {}): Promise<OwnRedis> {
  const folder = await openTemporaryFolder();
  const engine = await startRedis({ folder, ...options });
  const redis = connectRedis(engine.url, () => undefined);
  return {
    redis,
    engine,
    port: Number(new URL(engine.url).port),
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await folder.close();
    },
  };
}

/** A cluster of three nodes and a connection that knows their slots. */
export interface OwnCluster extends AsyncDisposable {
  nodes: OwnRedis[];
  /** Has the commands of a connection to one server. */
  redis: Redis;
}

/** Starts a cluster of three nodes without replicas, each with a third of the slots. */
export async function startOwnCluster(): Promise<OwnCluster> {
  const settings = async () => ({ 'cluster-enabled': 'yes', 'cluster-port': String(await freePort()) });
  const nodes = await Promise.all([0, 1, 2].map(async () => startOwnRedis({ settings: await settings() })));
  const part = Math.ceil(slots / nodes.length);
  for (const [index, { redis }] of nodes.entries()) {
    await redis.cluster('ADDSLOTSRANGE', index * part, Math.min(slots, (index + 1) * part) - 1);
  }
  const [first, ...others] = nodes as [OwnRedis, ...OwnRedis[]];
  for (const other of others) {
    const [, busPort] = (await other.redis.config('GET', 'cluster-port')) as [string, string];
    await first.redis.cluster('MEET', '127.0.0.1', other.port, Number(busPort));
  }
  for (const { redis } of nodes) {
    await until(async () => /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(await redis.cluster('INFO')));
  }
  const cluster = new Cluster([{ host: '127.0.0.1', port: first.port }]);
  return {
    nodes,
    redis: cluster as unknown as Redis,
    async [Symbol.asyncDispose]() {
      cluster.disconnect();
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

/** Makes a server the replica of another one, and waits until it has everything. */
export async function follow(replica: OwnRedis, primary: OwnRedis): Promise<void> {
  await replica.redis.replicaof('127.0.0.1', primary.port);
  await until(async () => (await replica.redis.info('replication')).includes('master_link_status:up'));
  await until(async () => (await primary.redis.info('replication')).includes('state=online'));
}
