/**
 * Secrets on their way to an activity: `seal:{reference}` holds a password or PIN, sealed by AES-256-GCM, for two
 * minutes. Only the reference travels through Temporal.
 *
 * Who puts a seal removes it, when the order that it went with is answered. An activity only reads it: were it to remove
 * it, the repeat of one that was killed before Temporal had its answer would find nothing and report a loss.
 */
import { type Box, newToken } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';

export type Seals = ReturnType<typeof createSeals>;

const lifeSeconds = 120;

/** Creates the store of seals. */
export function createSeals(redis: Redis, box: Box) {
  return {
    /** Seals a value and answers its reference. */
    async put(value: unknown): Promise<string> {
      const reference = newToken();
      await redis.set(sealKey(reference), box.sealText(JSON.stringify(value)), 'EX', lifeSeconds);
      return reference;
    },

    /** The value, as often as asked while it lives, so that a killed activity can be repeated; then undefined. */
    async read(reference: string): Promise<unknown> {
      const sealed = await redis.get(sealKey(reference));
      return sealed === null ? undefined : JSON.parse(box.openText(sealed));
    },

    /** Ends the life of a seal, once no activity will ask for it again. */
    async remove(reference: string): Promise<void> {
      await redis.del(sealKey(reference));
    },
  };
}

function sealKey(reference: string): string {
  return `seal:${reference}`;
}
