/**
 * Idempotency keys: `idempotency:{hash}` HASH for 24 h. What an operation mints (ids, tokens) is stored before it runs,
 * sealed, so that a repeat, even a parallel one or one after a crash, runs with the same ids and comes to the same end.
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import type { Box } from '../../platform/crypto.ts';
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
export function createIdempotency(redis: Redis, box: Box) {
  const reserve = loadScript(redis, 'idempotency-reserve');
  return {
    /** Reserves a key, or reads what its first use left. One atomic step. */
    async reserve(key: string, bodyHash: string, minted: unknown): Promise<Reservation> {
      const reply = await reserve(
        [`idempotency:${key}`],
        [bodyHash, box.sealText(JSON.stringify(minted ?? null)), lifeSeconds],
      );
      const [storedBodyHash, sealedMinted, sealedAnswer] = reply as [string, string, string | null];
      return {
        sameBody: storedBodyHash === bodyHash,
        minted: JSON.parse(box.openText(sealedMinted)),
        ...(sealedAnswer && { answer: JSON.parse(box.openText(sealedAnswer)) }),
      };
    },

    /** Keeps the answer for later repeats; the first one stays. */
    async keep(key: string, answer: unknown): Promise<void> {
      await redis.hsetnx(`idempotency:${key}`, 'answer', box.sealText(JSON.stringify(answer)));
    },
  };
}
