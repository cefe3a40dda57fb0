/**
 * Idempotency keys: `idempotency:{hash}` HASH. The ids and tokens that an operation mints are stored encrypted before
 * it runs. A repeat, even a parallel one or one after a crash, uses the same ids and has the same result.
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The store of idempotency keys. */
export type Idempotency = ReturnType<typeof createIdempotency>;

/** The stored values of a key: those minted at its first use and, once the request completed, the answer. */
export interface Reservation {
  /** False when the key was first used with another body. */
  sameBody: boolean;
  minted: unknown;
  answer?: unknown;
  /** Identifies this use of the key. */
  use: string;
}

/** Creates the store of idempotency keys. When Redis is unavailable: fails closed. */
export function createIdempotency(redis: Redis, cipher: Cipher) {
  const reserve = loadScript(redis, 'idempotency-reserve');
  const keep = loadScript(redis, 'idempotency-keep');
  const release = loadScript(redis, 'idempotency-release');
  return {
    /** Reserves a key for `seconds`, or reads the values of its first use. One atomic step. */
    async reserve(key: string, bodyHash: string, minted: unknown, seconds: number): Promise<Reservation> {
      const reply = await reserve(
        [keys.idempotency({ keyHash: key })],
        [bodyHash, cipher.encryptText(JSON.stringify(minted ?? null)), seconds],
      );
      const [storedBodyHash, use, encryptedAnswer] = reply as [string, string, string | null];
      return {
        sameBody: storedBodyHash === bodyHash,
        minted: JSON.parse(cipher.decryptText(use)),
        use,
        ...(encryptedAnswer && { answer: JSON.parse(cipher.decryptText(encryptedAnswer)) }),
      };
    },

    /**
     * Stores the answer of a use for repeats during `seconds`, and returns what is stored: the first answer stays. A use
     * that was forgotten stores nothing. One atomic step.
     */
    async keep<A>(key: string, { use, answer }: { use: string; answer: A }, seconds: number): Promise<A> {
      const values = [use, cipher.encryptText(JSON.stringify(answer)), seconds];
      const stored = (await keep([keys.idempotency({ keyHash: key })], values)) as string | null;
      return stored === null ? answer : (JSON.parse(cipher.decryptText(stored)) as A);
    },

    /** Forgets a use whose request did nothing. One atomic step: one with an answer stays. */
    async release(key: string, use: string): Promise<void> {
      await release([keys.idempotency({ keyHash: key })], [use, 0]);
    },

    /** Forgets a use and its answer. One atomic step: a later use of the key stays. */
    async forget(key: string, use: string): Promise<void> {
      await release([keys.idempotency({ keyHash: key })], [use, 1]);
    },
  };
}
