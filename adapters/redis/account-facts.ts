/**
 * What is stored of a person in MongoDB and needed at each refresh, kept in Redis: `account-facts:{userId}` HASH with the
 * facts, encrypted (`facts`); the reader that may store them (`lease`); and the changes that are being made, each with
 * the time of Redis at which it counts as lost (`change-<id>`).
 *
 * Consistency: facts that are read are those of MongoDB at that moment, because every change of MongoDB is made by
 * `around`. It removes the facts first, and from then until it has ended nobody may store any. A reader takes a lease
 * before it reads MongoDB, and a change that begins takes the lease away, so what was read before a change is not stored
 * after it. A process that dies between its write and its end leaves no facts behind, and its mark expires; the same
 * holds for a write whose answer was lost. Marks live longer than a write to MongoDB can take. Without facts a reader
 * asks MongoDB, so a change in progress makes refreshes slower and nothing else. Redis that loses its newest writes, as a
 * replica may that takes over, loses the end of sessions as well; facts live a day at most.
 *
 * When Redis is unavailable, reads and the begin of a change throw.
 */
import { version } from '../../platform/config/version.ts';
import { type Cipher, newId } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The facts of persons. */
export type AccountFacts<F extends object> = ReturnType<typeof createAccountFacts<F>>;

/** Longer than a write to MongoDB takes with its timeouts. */
const changeMs = 60_000;
/** Longer than a read of MongoDB takes with its timeouts. */
const leaseMs = 30_000;
const factsMs = keyFamilies.accountFacts.life.seconds * 1000;

/** Creates the guard of changes, for every process that changes persons. */
export function createFactChanges(redis: Redis): <T>(userId: string, write: () => Promise<T>) => Promise<T> {
  const begin = loadScript(redis, 'account-facts-begin');
  return async (userId, write) => {
    const key = keys.accountFacts({ userId });
    const mark = `change-${newId()}`;
    await begin([key], [mark, changeMs]);
    const result = await write();
    // also what was stored after the mark had expired; if it fails, the mark expires
    await redis.hdel(key, mark, 'facts', 'lease').catch(() => undefined);
    return result;
  };
}

/** Creates the reader of facts. Facts of another version of the product, or of another key, are read again. */
export function createAccountFacts<F extends object>(
  redis: Redis,
  cipher: Pick<Cipher, 'encryptText' | 'decryptText'>,
) {
  const lease = loadScript(redis, 'account-facts-lease');
  const keep = loadScript(redis, 'account-facts-keep');

  function open(userId: string, encrypted: string | null): F | undefined {
    if (encrypted === null) return undefined;
    try {
      const kept = JSON.parse(cipher.decryptText(encrypted)) as { version: string; userId: string; facts: F };
      return kept.version === version && kept.userId === userId ? kept.facts : undefined;
    } catch {
      return undefined;
    }
  }

  return {
    /**
     * Returns the facts of a person, as `load` returns them: from MongoDB if they are not kept, and then kept. Undefined
     * is not kept. They consist of what JSON can express.
     */
    async read(userId: string, load: () => Promise<F | undefined>): Promise<F | undefined> {
      const key = keys.accountFacts({ userId });
      const kept = open(userId, await redis.hget(key, 'facts'));
      if (kept !== undefined) return kept;
      const own = newId();
      const mayStore = (await lease([key], [own, leaseMs])) === 1;
      const facts = await load();
      if (mayStore && facts !== undefined) {
        await keep([key], [own, cipher.encryptText(JSON.stringify({ version, userId, facts })), factsMs]);
      }
      return facts;
    },
  };
}
