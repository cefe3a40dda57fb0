/**
 * The connection to Redis. Only this folder uses ioredis.
 *
 * Consistency: one command or one script is atomic. No script or transaction uses keys with different hash tags.
 * Timeout: a command fails after 5 s, or when the budget of its request ends. While Redis is unavailable, commands fail after one retry and the connection is
 * retried indefinitely. A connection to a primary that has become a replica is opened again, by the same address.
 * `isRedisOutage` distinguishes such errors from bugs.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { callTime } from '../../platform/budget.ts';
import type { Config } from '../../platform/config/config.ts';
import type { Role } from '../../platform/config/roles.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { createTlsContext, type TlsFiles } from '../../platform/tls.ts';
import { isReadOnly, watchOutages } from './outages.ts';

export type { Redis };

/** A Lua script as a function: keys first, then arguments. */
export type Script = (keys: string[], args: (string | number)[]) => Promise<unknown>;

const commandMs = 5000;
const reconnectMsMax = 1000;
/** Shortest time between two connections that are opened again because Redis is a replica. */
const readOnlyMs = 1000;
const usualPort = 6379;

/** Which Redis a connection is for. */
export interface RedisPlace {
  /** `redis://` or `rediss://`, with user name and password. With Sentinel its host is the name of the primary. */
  url: string;
  /** Some Sentinels: they know the others, and which server is the primary. */
  sentinels?: readonly Address[] | undefined;
  sentinelPassword?: Secret | undefined;
  /** Some nodes of a Redis Cluster: they know the others. User, password and TLS of `url` are for all of them. */
  clusterNodes?: readonly Address[] | undefined;
  /** Certificates for `rediss://`. */
  tls?: TlsFiles;
}

/** The options of ioredis that are set here. */
type Options = Omit<RedisOptions, 'replyMapping'>;

interface Address {
  host: string;
  port: number;
}

type RedisConfig = Pick<Config<Role>, Extract<keyof Config<Role>, `REDIS_${string}`>>;

/** Reads from the configuration which Redis is used. */
export function readRedisPlace(config: RedisConfig): RedisPlace {
  return {
    url: config.REDIS_URL,
    sentinels: config.REDIS_SENTINELS,
    sentinelPassword: config.REDIS_SENTINEL_PASSWORD,
    clusterNodes: config.REDIS_CLUSTER_NODES,
    tls: { ca: config.REDIS_CA, cert: config.REDIS_CERT, key: config.REDIS_KEY },
  };
}

/**
 * Opens a connection: to one server, to the primary that Sentinel names, or to the nodes of a Redis Cluster, each command
 * to the one that has its keys. It is usable immediately: commands wait for the connection until their timeout.
 *
 * @param onError called with every connection error; without a listener ioredis prints them
 * @param options.timeoutMs timeout of connecting and of a command; default 5 s
 */
export function connectRedis(
  place: RedisPlace | string,
  onError: (err: Error) => void,
  { timeoutMs = commandMs }: { timeoutMs?: number } = {},
): Redis {
  const options = optionsOf(typeof place === 'string' ? { url: place } : place, timeoutMs);
  if (typeof place === 'string' || place.clusterNodes === undefined)
    return holdByTurn(watch(openServer(options, onError), timeoutMs));
  return openCluster(place.clusterNodes, options, onError);
}

/**
 * Opens a connection for subscriptions alone. In a Redis Cluster every node has every publication: the connection is to one
 * node, and after it is lost to the next one, so that each loss is seen as it is with a single server.
 */
export function connectSubscriber(place: RedisPlace, onError: (err: Error) => void): Redis {
  const options = optionsOf(place, commandMs);
  const { clusterNodes } = place;
  if (clusterNodes === undefined) return watch(openServer(options, onError), commandMs);
  // not the same node for all processes
  let turn = randomInt(clusterNodes.length);
  const next = () => clusterNodes[turn++ % clusterNodes.length];
  const redis: Redis = openServer({ ...options, ...next() }, onError, () => Object.assign(redis.options, next()));
  return watch(redis, commandMs);
}

/** Returns the options of a connection to a server, whichever it is. */
function optionsOf({ url, sentinels, sentinelPassword, tls = {} }: RedisPlace, timeoutMs: number): Options {
  const { hostname, port, username, password, pathname } = new URL(url);
  const secured = /^rediss:/.test(url) && { tls: { secureContext: createTlsContext(tls) } };
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(sentinels === undefined
      ? { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || usualPort, db: Number(pathname.slice(1)) || 0 }
      : { sentinels: [...sentinels], name: hostname, db: Number(pathname.slice(1)) || 0 }),
    ...secured,
    ...(secured && sentinels && { sentinelTLS: secured.tls, enableTLSForSentinelMode: true }),
    ...(sentinels && {
      sentinelPassword: sentinelPassword?.reveal(),
      sentinelCommandTimeout: timeoutMs,
      sentinelRetryStrategy: pauseMs,
      // a primary that hangs does not close its connections
      failoverDetector: true,
    }),
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
    reconnectOnError: reconnectToPrimary(),
  };
}

function openServer(options: Options, onError: (err: Error) => void, onLost: () => void = () => undefined): Redis {
  const redis = new Redis({
    ...options,
    retryStrategy(times) {
      onLost();
      return pauseMs(times);
    },
  });
  redis.on('error', onError);
  return redis;
}

function pauseMs(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 6), reconnectMsMax);
}

function openCluster(nodes: readonly Address[], options: Options, onError: (err: Error) => void): Redis {
  const { host: _host, port: _port, db: _db, commandTimeout: timeoutMs = commandMs, ...redisOptions } = options;
  const cluster = new Cluster([...nodes], {
    redisOptions: { ...redisOptions, commandTimeout: timeoutMs },
    clusterRetryStrategy: pauseMs,
    slotsRefreshTimeout: timeoutMs,
    // names as they are, because the certificates of the nodes have them
    dnsLookup: (name, found) => found(null, name),
  });
  const send = cluster.sendCommand.bind(cluster);
  cluster.sendCommand = (...args) => {
    const [command] = args;
    watchOutages(command);
    // without a connection it would wait forever
    command.setTimeout(callTime(timeoutMs));
    return send(...args);
  };
  cluster.on('error', onError);
  cluster.on('node error', onError);
  cluster.on('+node', (node) => holdByTurn(watch(node, timeoutMs)));
  return cluster as unknown as Redis;
}

/** The errors of each command note whether they are an outage, and each ends with the budget of its request. */
function watch(redis: Redis, timeoutMs: number): Redis {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (...args) => {
    const [command] = args;
    watchOutages(command);
    const ms = callTime(timeoutMs);
    // the driver sets its own time where a command has none yet
    if (ms < timeoutMs) command.setTimeout(ms);
    return send(...args);
  };
  return redis;
}

/**
 * Sends the commands of one turn of the event loop in one write, in the order of their calls: a write costs as much as
 * several commands, and a request often needs several that do not wait for each other. Unlike the pipelines of ioredis,
 * each command keeps its own promise, timeout and retry, and costs nothing more.
 */
function holdByTurn(redis: Redis): Redis {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (...args) => {
    holdUntilNextTurn(redis.stream);
    return send(...args);
  };
  return redis;
}

/** The connections that hold what is written to them until the end of this turn. */
const held = new WeakSet<Writable>();

/** There is no connection yet while it is opened, and one that breaks drops what it holds. */
function holdUntilNextTurn(connection: Writable | undefined): void {
  if (connection === undefined || held.has(connection)) return;
  held.add(connection);
  connection.cork();
  setImmediate(() => {
    held.delete(connection);
    connection.uncork();
  });
}

/** Returns a connection to each primary: those of a Redis Cluster, or the one server. */
export async function primariesOf(redis: Redis): Promise<Redis[]> {
  if (!redis.isCluster) return [redis];
  // the nodes are known when there was an answer
  await redis.ping();
  return (redis as unknown as Cluster).nodes('master');
}

/** Checks that Redis answers; of a Redis Cluster, that every slot has a primary. @throws {Error} it does not */
export async function pingRedis(redis: Redis): Promise<void> {
  if (!redis.isCluster) await redis.ping();
  else if (!(await redis.cluster('INFO')).includes('cluster_state:ok')) throw new Error('CLUSTERDOWN');
}

/**
 * Finds all keys that match a pattern, on every primary, in pages. A key that exists all the time occurs, perhaps twice. Slots
 * that move to another node meanwhile may be missed.
 */
export async function* scanKeys(redis: Redis, options: { match?: string; count: number }): AsyncIterable<string[]> {
  for (const primary of await primariesOf(redis)) yield* primary.scanStream(options) as AsyncIterable<string[]>;
}

/** Loads `adapters/redis/<name>.lua`. Redis runs a script atomically. */
export function loadScript(redis: Redis, name: string): Script {
  const command = name.replaceAll('-', '_');
  if (!(command in redis)) {
    redis.defineCommand(command, { lua: readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8') });
  }
  const run = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>)[command];
  if (run === undefined) throw new Error(`Script ${name} was not loaded`);
  return (keys, args) => run.call(redis, keys.length, ...keys, ...args);
}

/** Returns the time of Redis, in milliseconds since the Unix epoch. */
export async function timeOf(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}

/**
 * Returns whether to connect again after an error: after a fail-over the address leads to the new primary, but an open
 * connection stays with the old one, which is a replica now. At most once a second, so that an address that leads to a
 * replica for good costs little.
 */
function reconnectToPrimary(): (err: Error) => false | 2 {
  let lastAt = Number.NEGATIVE_INFINITY;
  return (err) => {
    const now = performance.now();
    if (!isReadOnly(err) || now - lastAt < readOnlyMs) return false;
    lastAt = now;
    // 2: and send the command again, which the replica has not run
    return 2;
  };
}
