/**
 * Deletions of accounts: `deletions` by a random id. While one is planned or under way it names the person; what is kept
 * afterwards is the receipt, which names nobody.
 *
 * Consistency: each write is one document. Away: throws; every write may be repeated.
 */
import { type Connection, Schema } from 'mongoose';
import type { Erased } from '../../domain/deletion.ts';
import { isDuplicateKey } from './connect.ts';

/** A deletion that was asked for. */
export interface NewDeletion {
  deletionId: string;
  userId: string;
  /** What the audit log calls the person afterwards. */
  alias: string;
  requestedAt: Date;
  effectiveAt: Date;
}

/** A deletion as it stands. Whom it is about is known until it is over. */
export interface Deletion extends Omit<NewDeletion, 'userId' | 'alias'> {
  userId?: string;
  alias?: string;
  stoppedAt?: Date;
  /** Since when it cannot be stopped. */
  begunAt?: Date;
  erasedAt?: Date;
  erased: Erased;
}

export type Deletions = ReturnType<typeof createDeletions>;

interface DeletionDocument {
  _id: string;
  userId?: string;
  alias?: string;
  requestedAt: Date;
  effectiveAt: Date;
  stoppedAt?: Date;
  begunAt?: Date;
  erasedAt?: Date;
  workflows?: number;
  auditEvents?: number;
  keys?: number;
  claims?: number;
}

const text = { type: String, required: false } as const;
const instant = { type: Date, required: false } as const;
const count = { type: Number, required: false } as const;
const schema = new Schema<DeletionDocument>(
  {
    _id: { type: String, required: true },
    userId: text,
    alias: text,
    requestedAt: { type: Date, required: true },
    effectiveAt: { type: Date, required: true },
    stoppedAt: instant,
    begunAt: instant,
    erasedAt: instant,
    workflows: count,
    auditEvents: count,
    keys: count,
    claims: count,
  },
  { collection: 'deletions', versionKey: false, strict: 'throw' },
);

/** Creates the store. */
export function createDeletions(connection: Connection) {
  const deletions = connection.model<DeletionDocument>('Deletion', schema);
  return {
    /** Writes a deletion. Safe to repeat: the first write stays. */
    async insert({ deletionId, ...given }: NewDeletion): Promise<void> {
      try {
        await deletions.create({ _id: deletionId, ...given });
      } catch (err) {
        if (!isDuplicateKey(err)) throw err;
      }
    },

    /** The deletion, or undefined. */
    async read(deletionId: string): Promise<Deletion | undefined> {
      const found = await deletions.findById(deletionId).lean();
      if (found === null) return undefined;
      const { _id, workflows = 0, auditEvents, keys = 0, claims = 0, ...rest } = found;
      const erased = { workflows, keys, claims, ...(auditEvents !== undefined && { auditEvents }) };
      return { deletionId: _id, ...rest, erased };
    },

    /** Its person stopped it: whose it was is forgotten. Safe to repeat. */
    async stop(deletionId: string, stoppedAt: Date): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $set: { stoppedAt }, $unset: { userId: 1, alias: 1 } });
    },

    /** It cannot be stopped any more. Safe to repeat. */
    async begin(deletionId: string, begunAt: Date): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $set: { begunAt } });
    },

    /** Adds to what was erased. A step that is cut short and repeated may count less than there was. */
    async count(deletionId: string, erased: Partial<Erased>): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $inc: { ...erased } });
    },

    /** Everything was erased: whose it was is forgotten. Safe to repeat. */
    async finish(deletionId: string, erasedAt: Date): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $set: { erasedAt }, $unset: { userId: 1, alias: 1 } });
    },
  };
}
