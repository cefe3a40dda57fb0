/**
 * Deletes the Redis keys of one user. It scans all keys instead of keeping an index, because most keys expire long
 * before a deletion. Keys that are encrypted or named by a keyed hash cannot be attributed and expire on their own:
 * idempotency keys, one-time secrets, limits of numbers and addresses.
 *
 * Consistency: a key written during the scan may be missed, so no workflow or session of the user may still run. When
 * Redis is unavailable, calls throw.
 */
import type { Redis } from './connect.ts';

/** The user whose keys are deleted. */
export interface ErasedPerson {
  userId: string;
  /** The key under which rate limits count actions of the user. */
  limitKey: string;
}

/** Keys per step of the scan. */
const pageSize = 500;
/** Prefixes of hashes with a field `userId`. */
const owned = ['session:', 'refresh:', 'login:{'];

/** Deletes all keys of a user and returns their number. Safe to repeat. */
export async function erasePersonKeys(redis: Redis, person: ErasedPerson): Promise<number> {
  let erased = 0;
  for await (const page of redis.scanStream({ count: pageSize }) as AsyncIterable<string[]>) {
    const owner = await Promise.all(page.map((key) => isOf(redis, key, person)));
    const found = page.filter((_key, index) => owner[index]);
    const all = new Set([...found, ...found.flatMap(besides)]);
    for (const key of all) erased += await redis.del(key);
  }
  return erased;
}

async function isOf(redis: Redis, key: string, { userId, limitKey }: ErasedPerson): Promise<boolean> {
  if (key.includes(userId) || key.startsWith(`ratelimit:{${limitKey}}`)) return true;
  if (owned.some((prefix) => key.startsWith(prefix))) return (await redis.hget(key, 'userId')) === userId;
  if (key.startsWith('registration:{')) return (await redis.hget(key, 'status'))?.includes(`"${userId}"`) ?? false;
  if (key.startsWith('recovery-token:')) return (await redis.get(key))?.includes(`"${userId}"`) ?? false;
  if (key.startsWith('registration-stop:')) return (await redis.get(key)) === userId;
  return false;
}

/** Returns the keys stored under the id of a log-in or registration: codes, delivery reports, password hashes. */
function besides(key: string): string[] {
  const id = /^(?:login|registration):\{(\w+)\}$/.exec(key)?.[1];
  if (id === undefined) return [];
  const purposes = ['register', 'login', 'pin-reset', 'contact-change'];
  const kinds = ['otp', 'verification', 'reports'];
  return [`credentials:{${id}}`, ...purposes.flatMap((purpose) => kinds.map((kind) => `${kind}:{${id}}:${purpose}`))];
}
