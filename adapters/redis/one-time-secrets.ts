/**
 * Secrets on their way to an activity: `seal:{reference}` holds a password or PIN, sealed by AES-256-GCM, for two
 * minutes. Only the reference travels through Temporal.
 *
 * Who puts a seal removes it, when the order that it went with is answered. An activity only reads it: were it to remove
 * it, the repeat of one that was killed before Temporal had its answer would find nothing and report a loss.
 */
import { type Cipher, newToken } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';

export type OneTimeSecrets = ReturnType<typeof createOneTimeSecrets>;

const lifeSeconds = 120;

/** Creates the store of seals. */
export function createOneTimeSecrets(redis: Redis, cipher: Cipher) {
  return {
    /** Seals a value and answers its reference. */
    async put(value: unknown): Promise<string> {
      const reference = newToken();
      await redis.set(secretKey(reference), cipher.encryptText(JSON.stringify(value)), 'EX', lifeSeconds);
      return reference;
    },

    /** The value, as often as asked while it lives, so that a killed activity can be repeated; then undefined. */
    async read(reference: string): Promise<unknown> {
      const encrypted = await redis.get(secretKey(reference));
      return encrypted === null ? undefined : JSON.parse(cipher.decryptText(encrypted));
    },

    /** Ends the life of a seal, once no activity will ask for it again. */
    async remove(reference: string): Promise<void> {
      await redis.del(secretKey(reference));
    },
  };
}

function secretKey(reference: string): string {
  return `secret:${reference}`;
}
