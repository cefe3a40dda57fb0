/**
 * Idempotency keys: `idempotency:{hash}` HASH for 24 h. The ids and tokens that an operation mints are stored encrypted
 * before it runs. A repeat, even a parallel one or one after a crash, uses the same ids and has the same result.
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of idempotency keys. */
export type Idempotency = ReturnType<typeof createIdempotency>;

/** The stored values of a key: those minted at its first use and, once the request completed, the answer. */
export interface Reservation {
  /** False when the key was first used with another body. */
  sameBody: boolean;
  minted: unknown;
  answer?: unknown;
}

const lifeSeconds = keyFamilies.idempotency.life.seconds;

/** Creates the store of idempotency keys. When Redis is unavailable: fails closed. */
export function createIdempotency(redis: Redis, cipher: Cipher) {
  const reserve = loadScript(redis, 'idempotency-reserve');
  const release = loadScript(redis, 'idempotency-release');
  return {
    /** Reserves a key, or reads the values of its first use. One atomic step. */
    async reserve(key: string, bodyHash: string, minted: unknown): Promise<Reservation> {
      const reply = await reserve(
        [keys.idempotency({ keyHash: key })],
        [bodyHash, cipher.encryptText(JSON.stringify(minted ?? null)), lifeSeconds],
      );
      const [storedBodyHash, encryptedMinted, encryptedAnswer] = reply as [string, string, string | null];
      return {
        sameBody: storedBodyHash === bodyHash,
        minted: JSON.parse(cipher.decryptText(encryptedMinted)),
        ...(encryptedAnswer && { answer: JSON.parse(cipher.decryptText(encryptedAnswer)) }),
      };
    },

    /** Stores the answer for later repeats. The first answer stays. */
    async keep(key: string, answer: unknown): Promise<void> {
      await redis.hsetnx(keys.idempotency({ keyHash: key }), 'answer', cipher.encryptText(JSON.stringify(answer)));
    },

    /** Frees a key whose request did nothing. One atomic step: a key with an answer stays. */
    async release(key: string): Promise<void> {
      await release([keys.idempotency({ keyHash: key })], []);
    },
  };
}
