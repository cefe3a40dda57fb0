/**
 * Account deletions: `deletions` by a random id. While a deletion is planned or running it contains the user id.
 * Afterwards it is kept as a receipt, which identifies nobody.
 *
 * Consistency: each write changes one document. When MongoDB is unavailable, calls throw; every write may be repeated.
 */
import { type Connection, Schema } from 'mongoose';
import type { Erased } from '../../domain/deletion.ts';
import { isDuplicateKey } from './connect.ts';

/** A requested deletion. */
export interface NewDeletion {
  deletionId: string;
  userId: string;
  /** The id that replaces the user id in the audit log. */
  alias: string;
  requestedAt: Date;
  effectiveAt: Date;
}

/** A stored deletion. It contains the user id until it is stopped or finished. */
export interface Deletion extends Omit<NewDeletion, 'userId' | 'alias'> {
  userId?: string;
  alias?: string;
  stoppedAt?: Date;
  /** When the erasure started. It cannot be stopped afterwards. */
  begunAt?: Date;
  erasedAt?: Date;
  erased: Erased;
}

/** The store of account deletions. */
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

/** Creates the store of account deletions. */
export function createDeletions(connection: Connection) {
  const deletions = connection.model<DeletionDocument>('Deletion', schema);
  return {
    /** Stores a deletion. Safe to repeat: the first write stays. */
    async insert({ deletionId, ...given }: NewDeletion): Promise<void> {
      try {
        await deletions.create({ _id: deletionId, ...given });
      } catch (err) {
        if (!isDuplicateKey(err)) throw err;
      }
    },

    /** Returns a deletion, or undefined. */
    async read(deletionId: string): Promise<Deletion | undefined> {
      const found = await deletions.findById(deletionId).lean();
      if (found === null) return undefined;
      const { _id, workflows = 0, auditEvents, keys = 0, claims = 0, ...rest } = found;
      const erased = { workflows, keys, claims, ...(auditEvents !== undefined && { auditEvents }) };
      return { deletionId: _id, ...rest, erased };
    },

    /** Records that the user stopped it, and removes the user id. Safe to repeat. */
    async stop(deletionId: string, stoppedAt: Date): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $set: { stoppedAt }, $unset: { userId: 1, alias: 1 } });
    },

    /** Records that the erasure started. Safe to repeat. */
    async begin(deletionId: string, begunAt: Date): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $set: { begunAt } });
    },

    /** Adds to the counts of erased items. A step that is interrupted and repeated may count too few. */
    async count(deletionId: string, erased: Partial<Erased>): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $inc: { ...erased } });
    },

    /** Records that everything was erased, and removes the user id. Safe to repeat. */
    async finish(deletionId: string, erasedAt: Date): Promise<void> {
      await deletions.updateOne({ _id: deletionId }, { $set: { erasedAt }, $unset: { userId: 1, alias: 1 } });
    },
  };
}
