/**
 * Records made older in the store: a life or a wait of an hour is over without one second of waiting, and no test has to be
 * faster than it. Nothing may write the record meanwhile.
 */
import type { Redis } from 'ioredis';

/**
 * Makes records of Redis older: every instant in them, and the end of their life, moves so many seconds into the past; a
 * record whose life is over by that is gone. A negative number makes them younger.
 *
 * Instants are the fields of a hash whose names end in `At`, before a number of theirs, also inside of JSON, and the scores
 * of a sorted set.
 *
 * @param pattern the keys, as SCAN has them: `*{registrationId}*` is all that is stored of one registration
 * @throws {Error} no record has such a key
 */
export async function ageRecords(redis: Redis, pattern: string, seconds: number): Promise<void> {
  const keys = new Set<string>();
  for await (const some of redis.scanStream({ match: pattern, count: 500 })) {
    for (const key of some as string[]) keys.add(key);
  }
  if (keys.size === 0) throw new Error(`No record is named ${pattern}`);
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

/** A value of JSON whose instants are older; inside of an instant every number is one. */
function older(value: unknown, ms: number, isAt: boolean): unknown {
  if (typeof value === 'number') return isAt ? value - ms : value;
  if (Array.isArray(value)) return value.map((item) => older(item, ms, isAt));
  if (typeof value !== 'object' || value === null) return value;
  const items = Object.entries(value).map(([name, item]) => [name, older(item, ms, isAt || isInstant(name))]);
  return Object.fromEntries(items);
}

/** `createdAt`, `sentAt:2`. */
function isInstant(name: string): boolean {
  return /[a-z]At(:\d+)?$/.test(name);
}
