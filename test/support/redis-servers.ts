/** Servers of Redis of a test's own: a cluster of three nodes, a primary with its replica, a primary that Sentinels watch. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { redisAdministrator, redisPassword, redisUrlOf } from '../../adapters/redis/acl.ts';
import { connectRedis, type Redis, type RedisPlace } from '../../adapters/redis/connect.ts';
import { startChild } from '../../engines/child.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import type { Engine } from '../../engines/engine.ts';
import { freePort } from '../../engines/ports.ts';
import { type RedisOptions, startRedis } from '../../engines/redis.ts';
import { Secret } from '../../platform/config/secret.ts';
import { until } from './until.ts';

/** A server and a connection to it. */
export interface OwnRedis extends AsyncDisposable {
  redis: Redis;
  port: number;
  engine: Engine;
}

/** The number of hash slots of Redis Cluster. */
const slots = 16_384;

/** Returns a new `REDIS_ACL_KEY`. */
export function newAclKey(): Secret {
  return new Secret(randomBytes(32).toString('base64'));
}

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
  redis: Redis;
  place: RedisPlace & Required<Pick<RedisPlace, 'clusterNodes'>>;
}

/** Starts a cluster of three nodes without replicas, each with a third of the slots. With a key they have the users of the roles. */
export async function startOwnCluster({ aclKey }: Pick<RedisOptions, 'aclKey'> = {}): Promise<OwnCluster> {
  const options = async () => ({
    settings: { 'cluster-enabled': 'yes', 'cluster-port': String(await freePort()) },
    ...(aclKey && { aclKey }),
  });
  const nodes = await Promise.all([0, 1, 2].map(async () => startOwnRedis(await options())));
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
  const place = { url: first.engine.url, clusterNodes: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) };
  const redis = connectRedis(place, () => undefined);
  return {
    nodes,
    redis,
    place,
    async [Symbol.asyncDispose]() {
      redis.disconnect();
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

/** A primary with two replicas, and three Sentinels that replace it. */
interface OwnSentinels extends AsyncDisposable {
  place: RedisPlace & Required<Pick<RedisPlace, 'sentinels'>>;
  primary: OwnRedis;
}

/** The name of the primary at the Sentinels. */
const primaryName = 'main';
/** How long a primary does not answer until a Sentinel takes it for dead. */
const downMs = 1000;

/** The password of the Sentinels. */
const sentinelPassword = 'sentinel-password';

/**
 * Starts a primary, its replicas and their Sentinels, and waits until the Sentinels know all of them. The servers have the users
 * of the roles, and the Sentinels a password.
 */
export async function startOwnSentinels(aclKey: Secret): Promise<OwnSentinels> {
  await using open = new AsyncDisposableStack();
  // any of them may become a replica
  const masterauth = redisPassword(aclKey, redisAdministrator);
  const settings = { 'repl-diskless-sync-delay': '0', masterauth };
  const servers = await Promise.all(
    [0, 1, 2].map(async () => open.use(await startOwnRedis({ appendfsync: 'always', aclKey, settings }))),
  );
  const [primary, ...replicas] = servers as [OwnRedis, ...OwnRedis[]];
  for (const replica of replicas) await follow(replica, primary);
  const ports = await Promise.all([0, 1, 2].map(() => freePort()));
  const sentinels = await Promise.all(
    ports.map(async (port) => open.use(await startSentinel(port, primary.port, masterauth))),
  );
  for (const sentinel of sentinels) {
    const knows = (text: string) => /slaves=2,sentinels=3/.test(text);
    await until(async () => knows(await sentinel.redis.info('sentinel')));
  }
  const opened = open.move();
  return {
    primary,
    place: {
      url: redisUrlOf(`redis://${primaryName}`, aclKey, redisAdministrator),
      sentinelPassword: new Secret(sentinelPassword),
      sentinels: ports.map((port) => ({ host: '127.0.0.1', port })),
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function startSentinel(
  port: number,
  primaryPort: number,
  primaryPassword: string,
): Promise<{ redis: Redis } & AsyncDisposable> {
  const folder = await openTemporaryFolder();
  const file = join(folder.path, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder.path}`,
    `sentinel monitor ${primaryName} 127.0.0.1 ${primaryPort} 2`,
    `sentinel auth-pass ${primaryName} ${primaryPassword}`,
    `requirepass ${sentinelPassword}`,
    `sentinel down-after-milliseconds ${primaryName} ${downMs}`,
    `sentinel failover-timeout ${primaryName} 10000`,
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  const redis = connectRedis(`redis://:${sentinelPassword}@127.0.0.1:${port}`, () => undefined);
  await startChild(folder, {
    name: 'sentinel',
    command: 'redis-server',
    args: [file, '--sentinel'],
    ready: () => redis.ping(),
  });
  return {
    redis,
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await folder.close();
    },
  };
}

/** Returns the variables of a system for a place. */
export function variablesFor({
  url,
  sentinels = [],
  sentinelPassword: password,
  clusterNodes = [],
}: RedisPlace): Record<string, string> {
  const listOf = (places: readonly { host: string; port: number }[]) =>
    places.map(({ host, port }) => `${host}:${port}`).join(',');
  return {
    REDIS_URL: url,
    REDIS_SENTINELS: listOf(sentinels),
    REDIS_SENTINEL_PASSWORD: password?.reveal() ?? '',
    REDIS_CLUSTER_NODES: listOf(clusterNodes),
  };
}
