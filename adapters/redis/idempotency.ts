/**
 * Idempotency keys: `idempotency:{hash}` HASH for 24 h. What an operation mints (ids, tokens) is stored before it runs,
 * sealed, so that a repeat, even a parallel one or one after a crash, runs with the same ids and comes to the same end.
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';

export type Idempotency = ReturnType<typeof createIdempotency>;

/** What is known of a key: what was minted at its first use and, once there is one, the answer. */
export interface Reservation {
  /** False when the key was first used with another body. */
  sameBody: boolean;
  minted: unknown;
  answer?: unknown;
}

const lifeSeconds = 86_400;

/** Creates the store of idempotency keys. Away: fails closed. */
export function createIdempotency(redis: Redis, cipher: Cipher) {
  const reserve = loadScript(redis, 'idempotency-reserve');
  return {
    /** Reserves a key, or reads what its first use left. One atomic step. */
    async reserve(key: string, bodyHash: string, minted: unknown): Promise<Reservation> {
      const reply = await reserve(
        [`idempotency:${key}`],
        [bodyHash, cipher.encryptText(JSON.stringify(minted ?? null)), lifeSeconds],
      );
      const [storedBodyHash, encryptedMinted, encryptedAnswer] = reply as [string, string, string | null];
      return {
        sameBody: storedBodyHash === bodyHash,
        minted: JSON.parse(cipher.decryptText(encryptedMinted)),
        ...(encryptedAnswer && { answer: JSON.parse(cipher.decryptText(encryptedAnswer)) }),
      };
    },

    /** Keeps the answer for later repeats; the first one stays. */
    async keep(key: string, answer: unknown): Promise<void> {
      await redis.hsetnx(`idempotency:${key}`, 'answer', cipher.encryptText(JSON.stringify(answer)));
    },
  };
}
