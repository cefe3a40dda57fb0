/**
 * The connection to Redis, the only place ioredis is known beside the other files of this folder.
 *
 * Consistency: one command or one script is atomic; nothing spans keys of different hash tags.
 * Timeout: a command fails after 5 s. Away: commands fail at once after one retry and the connection is retried for
 * ever; `isRedisOutage` tells such errors from bugs.
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';

export type { Redis };

/** A Lua script as a function: keys first, then arguments. */
export type Script = (keys: string[], args: (string | number)[]) => Promise<unknown>;

const commandMs = 5000;
const reconnectMsMax = 1000;

/**
 * Opens a connection. It is usable at once; commands wait for it as long as their timeout.
 *
 * @param onError hears every connection error, which ioredis would else print
 * @param options.timeoutMs longest wait for an answer; five seconds without it
 */
export function connectRedis(
  url: string,
  onError: (err: Error) => void,
  { timeoutMs = commandMs }: { timeoutMs?: number } = {},
): Redis {
  const redis = new Redis(url, {
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), reconnectMsMax),
  });
  redis.on('error', onError);
  return redis;
}

/** Loads `adapters/redis/<name>.lua`; Redis runs it as one atomic step. */
export function loadScript(redis: Redis, name: string): Script {
  const command = name.replaceAll('-', '_');
  if (!(command in redis)) {
    redis.defineCommand(command, { lua: readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8') });
  }
  const run = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>)[command];
  if (run === undefined) throw new Error(`Script ${name} was not loaded`);
  return (keys, args) => run.call(redis, keys.length, ...keys, ...args);
}

/** Tells whether an error means that Redis could not be asked, rather than that it was asked something wrong. */
export function isRedisOutage(err: unknown): boolean {
  if (!(err instanceof Error)) return false;
  const text = `${err.name} ${err.message}`;
  return /MaxRetriesPerRequest|Command timed out|Connection is closed|ECONNREFUSED|ECONNRESET|LOADING|stream isn't/i.test(
    text,
  );
}
