/**
 * Makes stored records older, so that an hour-long lifetime or wait passes at once and no test depends on its speed.
 * Nothing may write a record while it is changed.
 */
import { type Redis, scanKeys } from '../../adapters/redis/connect.ts';

/**
 * Makes Redis records older: every instant in them, and their expiry, moves this many seconds into the past. A record
 * that has expired by then is gone. A negative number makes records younger.
 *
 * Instants are hash fields whose names end in `At` or `At:<number>`, such fields inside JSON values, and the scores of
 * sorted sets.
 *
 * @param pattern key pattern as for SCAN: `*{registrationId}*` matches everything stored for one registration
 * @throws {Error} no key matches
 */
export async function ageRecords(redis: Redis, pattern: string, seconds: number): Promise<void> {
  const keys = new Set<string>();
  for await (const some of scanKeys(redis, { match: pattern, count: 500 })) for (const key of some) keys.add(key);
  if (keys.size === 0) throw new Error(`No key matches ${pattern}`);
  for (const key of keys) await ageRecord(redis, key, seconds * 1000);
}

async function ageRecord(redis: Redis, key: string, ms: number): Promise<void> {
  const type = await redis.type(key);
  if (type === 'hash') {
    for (const [name, value] of Object.entries(await redis.hgetall(key))) {
      const older = olderText(name, value, ms);
      if (older !== value) await redis.hset(key, name, older);
    }
  }
  if (type === 'zset') {
    for (const member of await redis.zrange(key, '0', '-1')) await redis.zincrby(key, -ms, member);
  }
  const endsAt = await redis.pexpiretime(key);
  if (endsAt > 0) await redis.pexpireat(key, endsAt - ms);
}

function olderText(name: string, value: string, ms: number): string {
  if (isInstant(name) && /^\d+$/.test(value)) return String(Number(value) - ms);
  return value.startsWith('{') ? JSON.stringify(older(JSON.parse(value), ms, false)) : value;
}

/** Returns a JSON value with older instants. Every number inside an instant is an instant. */
function older(value: unknown, ms: number, isAt: boolean): unknown {
  if (typeof value === 'number') return isAt ? value - ms : value;
  if (Array.isArray(value)) return value.map((item) => older(item, ms, isAt));
  if (typeof value !== 'object' || value === null) return value;
  const items = Object.entries(value).map(([name, item]) => [name, older(item, ms, isAt || isInstant(name))]);
  return Object.fromEntries(items);
}

/** Matches names such as `createdAt` and `sentAt:2`. */
function isInstant(name: string): boolean {
  return /[a-z]At(:\d+)?$/.test(name);
}
