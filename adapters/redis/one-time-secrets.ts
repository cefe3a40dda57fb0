/**
 * One-time secrets, passed to an activity outside of Temporal: `secret:{reference}` contains a password, a PIN or their hash for
 * two minutes, sealed by the api to the one role that opens it and bound to its key. Nobody but the api can make or change one.
 * Temporal stores only the reference.
 *
 * The caller that stores a secret removes it when its update returns. Activities only read it: an activity may be
 * killed before Temporal has its result, and its retry must find the secret again.
 */
import { newToken } from '../../platform/crypto.ts';
import type { Box } from '../../platform/keyring.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of one-time secrets. */
export type OneTimeSecrets = ReturnType<typeof createOneTimeSecrets>;

const lifeSeconds = keyFamilies.secret.life.seconds;

/** Creates the store of the one-time secrets of a role. */
export function createOneTimeSecrets(redis: Redis, box: Pick<Box, 'sealText' | 'openText'>) {
  return {
    /** Seals and stores a value. Returns its reference. */
    async put(value: unknown): Promise<string> {
      const reference = newToken();
      const key = keys.secret({ reference });
      await redis.set(key, box.sealText(JSON.stringify(value), key), 'EX', lifeSeconds);
      return reference;
    },

    /**
     * Returns the value, or undefined once it expired, or if the api has not stored it so. It can be read repeatedly, so that
     * an activity can be retried.
     */
    async read(reference: string): Promise<unknown> {
      const key = keys.secret({ reference });
      const sealed = await redis.get(key);
      if (sealed === null) return undefined;
      try {
        return JSON.parse(box.openText(sealed, key));
      } catch {
        return undefined;
      }
    },

    /** Deletes a secret that no activity needs any longer. */
    async remove(reference: string): Promise<void> {
      await redis.del(keys.secret({ reference }));
    },
  };
}
