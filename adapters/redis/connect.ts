/**
 * The connection to Redis. Only this folder uses ioredis.
 *
 * Consistency: one command or one script is atomic. No script or transaction uses keys with different hash tags.
 * Timeout: a command fails after 5 s, or when the budget of its request ends. While Redis is unavailable, commands fail after one retry and the connection is
 * retried indefinitely. A connection to a primary that has become a replica is opened again, by the same address.
 * `isRedisOutage` distinguishes such errors from bugs.
 */
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { Redis } from 'ioredis';
import { callTime } from '../../platform/budget.ts';
import { isReadOnly, watchOutages } from './outages.ts';

export type { Redis };

/** A Lua script as a function: keys first, then arguments. */
export type Script = (keys: string[], args: (string | number)[]) => Promise<unknown>;

const commandMs = 5000;
const reconnectMsMax = 1000;
/** Shortest time between two connections that are opened again because Redis is a replica. */
const readOnlyMs = 1000;

/**
 * Sends the commands of one turn of the event loop in one write, in the order of their calls: a write costs as much as
 * several commands, and a request often needs several that do not wait for each other. Unlike the pipelines of ioredis,
 * each command keeps its own promise, timeout and retry, and costs nothing more. The errors of each command note whether
 * they are an outage.
 */
class TurnRedis extends Redis {
  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    holdUntilNextTurn(this.stream);
    const [command] = args;
    watchOutages(command);
    const { commandTimeout = commandMs } = this.options;
    const ms = callTime(commandTimeout);
    // the driver sets its own time where a command has none yet
    if (ms < commandTimeout) command.setTimeout(ms);
    return super.sendCommand(...args);
  }
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

/**
 * Opens a connection. It is usable immediately: commands wait for the connection until their timeout.
 *
 * @param onError called with every connection error; without a listener ioredis prints them
 * @param options.timeoutMs timeout of connecting and of a command; default 5 s
 */
export function connectRedis(
  url: string,
  onError: (err: Error) => void,
  { timeoutMs = commandMs }: { timeoutMs?: number } = {},
): Redis {
  const redis = new TurnRedis(url, {
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), reconnectMsMax),
    reconnectOnError: reconnectToPrimary(),
  });
  redis.on('error', onError);
  return redis;
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
function reconnectToPrimary(): (err: Error) => boolean {
  let lastAt = Number.NEGATIVE_INFINITY;
  return (err) => {
    const now = performance.now();
    if (!isReadOnly(err) || now - lastAt < readOnlyMs) return false;
    lastAt = now;
    return true;
  };
}
