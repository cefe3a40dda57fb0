/**
 * One-time secrets, passed to an activity outside of Temporal: `secret:{reference}` contains a password or PIN,
 * encrypted with AES-256-GCM, for two minutes. Temporal stores only the reference.
 *
 * The caller that stores a secret removes it when its update returns. Activities only read it: an activity may be
 * killed before Temporal has its result, and its retry must find the secret again.
 */
import { type Cipher, newToken } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of one-time secrets. */
export type OneTimeSecrets = ReturnType<typeof createOneTimeSecrets>;

const lifeSeconds = keyFamilies.secret.life.seconds;

/** Creates the store of one-time secrets. */
export function createOneTimeSecrets(redis: Redis, cipher: Cipher) {
  return {
    /** Encrypts and stores a value. Returns its reference. */
    async put(value: unknown): Promise<string> {
      const reference = newToken();
      await redis.set(keys.secret({ reference }), cipher.encryptText(JSON.stringify(value)), 'EX', lifeSeconds);
      return reference;
    },

    /**
     * Returns the value, or undefined once it expired. It can be read repeatedly, so that an activity can be retried.
     */
    async read(reference: string): Promise<unknown> {
      const encrypted = await redis.get(keys.secret({ reference }));
      return encrypted === null ? undefined : JSON.parse(cipher.decryptText(encrypted));
    },

    /** Deletes a secret that no activity needs any longer. */
    async remove(reference: string): Promise<void> {
      await redis.del(keys.secret({ reference }));
    },
  };
}
