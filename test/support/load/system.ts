/**
 * The system of a load: gateways as processes of their own, a Redis that can be killed, on request a replica that can take
 * over, and devices of users who accept each other. MongoDB is the only other engine.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { connectMongo } from '../../../adapters/mongo/connect.ts';
import { type DataFolder, openTemporaryFolder } from '../../../engines/data-folder.ts';
import type { EngineProcess } from '../../../engines/engine.ts';
import type { EngineUrls } from '../../../engines/engines.ts';
import { migrateDatabase } from '../../../engines/mongo.ts';
import { type Processes, startProcesses, withDatabase } from '../../../engines/processes.ts';
import { startRedis } from '../../../engines/redis.ts';
import { readSecrets } from '../../../engines/secrets.ts';
import { deviceOwner, type TestDevice } from '../messages.ts';
import { processOf } from '../outages.ts';
import type { PeopleStores } from '../people.ts';
import { LoadDevice, Tally } from './devices.ts';
import { type RedisRelay, startRedisRelay } from './redis-relay.ts';
import { partnersOf } from './run.ts';

/** How the system is started. */
interface LoadSystemOptions {
  /** URL of the server of MongoDB. */
  databaseUrl: string;
  gateways: number;
  devices: number;
  database: string;
  appendfsync?: 'always' | 'everysec';
  /** Starts a replica of Redis. */
  hasReplica?: boolean;
  env?: Record<string, string>;
  compileCache?: string | undefined;
}

/** A running system. */
export interface LoadSystem {
  /** Users with one device each, who have accepted their partners. */
  people: TestDevice[];
  /** The gateways. */
  urls: string[];
  redisUrl: string;
  /** Kills a gateway with SIGKILL, and starts it again. */
  restartGateway(index: number): Promise<void>;
  /** Kills Redis with SIGKILL, and starts it again on its append-only file. */
  restartRedis(): Promise<void>;
  /**
   * The network between Redis and its replica loses what is sent, then Redis is killed, and the replica takes over. The
   * former primary starts as its replica.
   */
  failOver(): Promise<void>;
  /** The process ids, of the latest start. */
  pids(): { gateways: number[]; redis: number };
}

/** Devices that stay connected, and what they count together. */
interface ConnectedDevices {
  devices: LoadDevice[];
  tally: Tally;
}

/** Messages need none of these engines. Nothing listens there. */
const nowhere = 'http://127.0.0.1:1';
const unused: Omit<EngineUrls, 'databaseUrl' | 'redisUrl'> = {
  temporalAddress: '127.0.0.1:1',
  ldap: { url: 'ldap://127.0.0.1:1', baseDn: '', bindDn: '', bindPassword: '' },
  outboxUrl: nowhere,
  twilioUrl: nowhere,
  smtpUrl: 'smtp://127.0.0.1:1',
  webpushUrl: nowhere,
  apnsUrl: nowhere,
  captchaUrls: { hcaptcha: nowhere, turnstile: nowhere, recaptcha: nowhere },
  signalServerUrl: nowhere,
};

/** How long the replica is behind before it takes over. */
const lagMs = 1000;
/** How many users are written at once. */
const writers = 8;

/** Starts the system in an open folder, which stops it when it is closed. */
export async function startLoadSystem(folder: DataFolder, options: LoadSystemOptions): Promise<LoadSystem> {
  const store = await startStore(folder, options);
  const urls = { ...unused, databaseUrl: options.databaseUrl, redisUrl: store.url };
  await migrateDatabase({ ...readSecrets(folder.path), DATABASE_URL: withDatabase(urls.databaseUrl, options.database) });
  const gateways = await Promise.all(
    Array.from({ length: options.gateways }, (_, index) => startGateway(folder, { ...options, urls, index })),
  );
  const [first] = gateways;
  if (first === undefined) throw new Error('No gateway');
  const stores = {
    folder,
    secrets: readSecrets(folder.path),
    processes: first,
    ready: { databaseUrl: first.databaseUrl, redisUrl: store.url },
  };
  return {
    people: await writePeople(stores, options.devices),
    urls: gateways.map(({ apiUrl }) => apiUrl),
    redisUrl: store.url,
    async restartGateway(index) {
      await gateways[index]?.kill('gateway');
      await gateways[index]?.restart('gateway');
    },
    restartRedis: store.restart,
    failOver: store.failOver,
    pids: () => ({ gateways: gateways.flatMap((one) => one.pids().gateway ?? []), redis: store.pid() }),
  };
}

/** Connects every device to a gateway, in turn, until the folder of the system is closed. */
export function connectDevices(folder: DataFolder, { people, urls }: LoadSystem): ConnectedDevices {
  const tally = new Tally();
  const devices = people.map((device, turn) => new LoadDevice(device, { urls, turn, tally }));
  folder.onClose(async () => {
    for (const device of devices) device[Symbol.dispose]();
  });
  return { devices, tally };
}

function startGateway(
  folder: DataFolder,
  { urls, index, database, env = {}, compileCache }: LoadSystemOptions & { urls: EngineUrls; index: number },
): Promise<Processes> {
  return startProcesses(folder, {
    urls,
    secrets: readSecrets(folder.path),
    bundle: '',
    roles: ['gateway'],
    database,
    logPrefix: `${index}-`,
    env: { LOG_LEVEL: 'warn', ...env },
    compileCache,
  });
}

interface Store {
  url: string;
  pid(): number;
  restart(): Promise<void>;
  failOver(): Promise<void>;
}

async function startStore(
  folder: DataFolder,
  { hasReplica = false, appendfsync = 'everysec' }: LoadSystemOptions,
): Promise<Store> {
  const primary = await startRedis({ folder, appendfsync });
  const process = processOf(primary);
  const restart = async () => {
    await process.kill();
    await process.start();
  };
  if (!hasReplica) {
    const failOver = () => Promise.reject(new Error('There is no replica'));
    return { url: primary.url, restart, failOver, pid: () => process.pid };
  }
  const second = await openTemporaryFolder();
  folder.onClose(() => second.close());
  const replica = await startRedis({ folder: second, appendfsync });
  const pair: [Node, Node] = [nodeOf(primary.url, process), nodeOf(replica.url, processOf(replica))];
  return await replicate(folder, pair);
}

interface Node {
  port: number;
  process: EngineProcess;
}

function nodeOf(url: string, process: EngineProcess): Node {
  return { port: Number(new URL(url).port), process };
}

async function replicate(folder: DataFolder, [primary, replica]: [Node, Node]): Promise<Store> {
  let roles = { primary, replica };
  const clients = await startRedisRelay(primary.port);
  const link = await startRedisRelay(primary.port);
  folder.onClose(async () => {
    await Promise.all([clients[Symbol.asyncDispose](), link[Symbol.asyncDispose]()]);
  });
  await command(primary, sendAtOnce);
  await follow(replica, link);
  return {
    url: `redis://127.0.0.1:${clients.port}`,
    pid: () => roles.primary.process.pid,
    async restart() {
      await roles.primary.process.kill();
      await roles.primary.process.start();
      await command(roles.primary, sendAtOnce);
    },
    async failOver() {
      link.hold();
      await wait(lagMs);
      const { primary: former, replica: next } = roles;
      await former.process.kill();
      await command(next, (redis) => redis.replicaof('NO', 'ONE'));
      clients.switchTo(next.port);
      link.switchTo(next.port);
      await former.process.start();
      await follow(former, link);
      roles = { primary: next, replica: former };
    },
  };
}

/** Makes a node the replica of the one behind a relay, and resolves when it has its data. */
async function follow(node: Node, link: RedisRelay): Promise<void> {
  await command(node, async (redis) => {
    await sendAtOnce(redis);
    await redis.replicaof('127.0.0.1', link.port);
    while (!(await redis.info('replication')).includes('master_link_status:up')) await wait(20);
  });
}

/** By default a primary waits 5 s for more replicas before it sends its data to one. */
async function sendAtOnce(redis: Redis): Promise<void> {
  await redis.config('SET', 'repl-diskless-sync-delay', '0');
}

async function command(node: Node, job: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis({ port: node.port });
  await job(redis);
  redis.disconnect();
}

/** Writes users with one device each, who have accepted their partners. */
async function writePeople(stores: PeopleStores, count: number): Promise<TestDevice[]> {
  const people: TestDevice[] = [];
  let next = 0;
  const write = async () => {
    for (let index = next++; index < count; index = next++) {
      people[index] = await deviceOwner(stores, { username: `load${index}`, fullName: 'A Person' });
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  await using database = connectMongo(stores.ready.databaseUrl, () => undefined);
  const accepted = people.flatMap(({ userId }, index) =>
    partnersOf(index, count).map((partner) => ({
      _id: `${userId}/${people[partner]?.userId}` as never,
      state: 'accepted',
      receipts: true,
      changedAt: new Date(),
    })),
  );
  await database.connection.collection('conversations').insertMany(accepted);
  return people;
}
