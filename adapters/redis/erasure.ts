/**
 * Deletes the Redis keys of one user, as the table in `keys.ts` says for each family. It scans all keys instead of
 * keeping an index, because most keys expire long before a deletion. Keys that are encrypted or named by a keyed hash
 * cannot be attributed and expire on their own: idempotency keys, one-time secrets, limits of numbers and addresses.
 *
 * Consistency: a key written during the scan may be missed, so no workflow or session of the user may still run. When
 * Redis is unavailable, calls throw.
 */
import { type Redis, scanKeys } from './connect.ts';
import { type KeyFamily, keyFamilies, keysDeletedWith, parseKey } from './keys.ts';

/** The user whose keys are deleted. */
export interface ErasedPerson {
  userId: string;
  /** The key under which rate limits count actions of the user. */
  limitKey: string;
}

/** Keys per step of the scan. */
const pageSize = 500;

/** Deletes all keys of a user and returns their number. Safe to repeat. */
export async function erasePersonKeys(redis: Redis, person: ErasedPerson): Promise<number> {
  let erased = 0;
  for await (const page of scanKeys(redis, { count: pageSize })) {
    const isTheirs = await Promise.all(page.map((key) => isOf(redis, key, person)));
    const found = page.filter((_key, index) => isTheirs[index]);
    // owners last, so that a repeat after an interruption finds what is stored under their ids
    const all = new Set([...found.flatMap(besides), ...found]);
    for (const key of all) erased += await redis.del(key);
  }
  return erased;
}

async function isOf(redis: Redis, key: string, { userId, limitKey }: ErasedPerson): Promise<boolean> {
  const known = parseKey(key);
  // a key of an older version
  if (known === undefined) return key.includes(userId);
  const { personal }: KeyFamily = keyFamilies[known.family];
  if (typeof personal === 'string') return false;
  if ('limitKeyIn' in personal) return known.ids.limitKey === limitKey;
  if (!('userIdIn' in personal)) return false;
  // of messages and conversations there are two users in the key
  if (personal.userIdIn === 'key') return Object.values(known.ids).includes(userId);
  const { userIdIn } = personal;
  const text = userIdIn === 'value' ? await redis.get(key) : await redis.hget(key, userIdIn.field);
  return text === userId || (text?.includes(`"${userId}"`) ?? false);
}

/** Returns the keys stored under the id of a log-in or registration: codes, delivery reports, password hashes. */
function besides(key: string): string[] {
  const { family, ids } = parseKey(key) ?? {};
  if (family === 'registration') return keysDeletedWith(family, ids?.registrationId ?? '');
  if (family === 'login') return keysDeletedWith(family, ids?.loginId ?? '');
  return [];
}
