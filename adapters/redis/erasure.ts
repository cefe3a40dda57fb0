/**
 * What Redis holds of one person: found by going through all keys, since most of them end by themselves long before anybody
 * asks whose they were. What is sealed, or named by a keyed hash alone, ends by its own time to live: idempotency keys,
 * seals, limits of numbers and addresses.
 *
 * Consistency: a key that is written meanwhile may be missed, so nothing of the person may run any more. Away: throws.
 */
import type { Redis } from './connect.ts';

/** Whose keys. */
export interface ErasedPerson {
  userId: string;
  /** Under which limits count acts of the person. */
  limitKey: string;
}

/** Keys that are looked at together. */
const pageSize = 500;
/** Hashes with a field that says whose they are. */
const owned = ['session:', 'refresh:', 'login:{'];

/** Deletes everything that belongs to a person; answers how many keys. Safe to repeat. */
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

/** What is kept beside a flow under its id: codes, receipts, hashes of passwords. */
function besides(key: string): string[] {
  const id = /^(?:login|registration):\{(\w+)\}$/.exec(key)?.[1];
  if (id === undefined) return [];
  const purposes = ['register', 'login', 'pin-reset', 'contact-change'];
  const kinds = ['otp', 'verification', 'reports'];
  return [`credentials:{${id}}`, ...purposes.flatMap((purpose) => kinds.map((kind) => `${kind}:{${id}}:${purpose}`))];
}
