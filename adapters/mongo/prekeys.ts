/**
 * One-time keys of devices: `prekeySets` describes the keys that a device uploaded together, and `prekeyPages` holds
 * them, ten on a page, because the database reads and writes whole documents. Both are immutable. The device names its
 * set and counts how many were handed out (device-keys.ts), so an index is given once and the keys are never rewritten.
 *
 * The id of a set begins with its user, so that `_id` is the only index that is needed.
 *
 * Consistency: a set is stored before its device refers to it and removed after, header first and last, so that the
 * purge finds what a crash left. When MongoDB is unavailable, calls throw; removals may be repeated.
 */
import { hash } from 'node:crypto';
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import type { KeySet, OneTimeKey } from '../../domain/device.ts';
import { type KnownKey, type UploadedKeys, unspentOf } from '../../domain/one-time-keys.ts';
import { newId } from '../../platform/crypto.ts';

/** The fields of a device that name its sets: of Curve25519 keys and of KEM keys. */
export const oneTimeKinds = ['preKeys', 'pqPreKeys'] as const;
/** One of these fields. */
export type OneTimeKind = (typeof oneTimeKinds)[number];

/** What is known of a set without reading its keys: it has those of its upload that were not spent before. */
export interface KeySetHeader extends UploadedKeys {
  setId: string;
  userId: string;
  kind: OneTimeKind;
  /** Keys in the set. */
  total: number;
}

/** The store of one-time keys. */
export type PreKeys = ReturnType<typeof createPreKeys>;

interface SetDocument {
  _id: string;
  userId: string;
  kind: OneTimeKind;
  keyIds: number[];
  hashes: string[];
  spentIds: number[];
  spentHashes: string[];
  total: number;
  createdAt: Date;
}

interface PageDocument {
  _id: string;
  keys: Record<string, OneTimeKey>;
}

const setSchema = new Schema<SetDocument>(
  {
    _id: { type: String, required: true },
    userId: { type: String, required: true },
    kind: { type: String, required: true },
    keyIds: [Number],
    hashes: [String],
    spentIds: [Number],
    spentHashes: [String],
    total: { type: Number, required: true },
    createdAt: { type: Date, required: true },
  },
  { collection: 'prekeySets', versionKey: false, strict: 'throw' },
);

const pageSchema = new Schema<PageDocument>(
  { _id: { type: String, required: true }, keys: { type: Schema.Types.Mixed, required: true } },
  { collection: 'prekeyPages', versionKey: false, strict: 'throw' },
);

/** Keys on a page. */
const pageKeys = 10;
/** Headers that the purge reads at once. */
const headersPage = 1000;

/** Creates the store. */
export function createPreKeys(connection: Connection) {
  const sets = connection.model<SetDocument>('PreKeySet', setSchema);
  const pages = connection.model<PageDocument>('PreKeyPage', pageSchema);

  async function store(
    userId: string,
    kind: OneTimeKind,
    keys: readonly OneTimeKey[],
    { spent = [] }: { spent?: readonly KnownKey[] } = {},
  ): Promise<KeySet> {
    const setId = `${userId}/${newId()}`;
    const uploaded = keys.map((key) => ({ ...knownKey(key), key }));
    const kept = unspentOf(uploaded, spent).map(({ key }) => key);
    const total = kept.length;
    // lean: what was built here needs neither casts nor checks, which would cost more than the signatures
    const header = headerDocument({ setId, userId, kind, uploaded, spent: [...spent], total });
    await sets.insertMany([header], { lean: true });
    if (total > 0) await pages.insertMany(pagesOf(setId, kept), { lean: true });
    return { setId, total, next: 0 };
  }

  return {
    /**
     * Stores one-time keys in the order in which they are handed out, and returns their set. Each call makes another
     * set, which counts for nothing until a device refers to it.
     *
     * @param options.spent the keys that were handed out from earlier sets of the device; they are left out
     */
    store,

    /** Stores the one-time keys of a device that has no earlier ones, and returns the set of each list that has keys. */
    async storeLists(
      userId: string,
      lists: { [K in OneTimeKind]?: readonly OneTimeKey[] | undefined },
    ): Promise<{ [K in OneTimeKind]?: KeySet }> {
      const kinds = oneTimeKinds.filter((kind) => (lists[kind]?.length ?? 0) > 0);
      const stored = await Promise.all(
        kinds.map(async (kind) => [kind, await store(userId, kind, lists[kind] ?? [])] as const),
      );
      return Object.fromEntries(stored);
    },

    /** Returns a key of a set by its index from 0; undefined if the set does not have it, or was removed. */
    async read(setId: string, index: number): Promise<OneTimeKey | undefined> {
      const name = nameOf(index);
      const page = await pages.findById(pageId(setId, index), { [`keys.${name}`]: 1 }).lean();
      return page?.keys[name];
    },

    /** Returns the header of a set, or undefined. */
    async header(setId: string): Promise<KeySetHeader | undefined> {
      const found = await sets.findById(setId).lean();
      return found === null ? undefined : headerOf(found);
    },

    /** Removes sets with their keys. Safe to repeat. */
    remove: (setIds: readonly string[]): Promise<void> => removeSets(sets, pages, setIds),

    /** Removes every set of a user. Safe to repeat. */
    async eraseOf(userId: string): Promise<void> {
      const own = { _id: trusted({ $gte: `${userId}/`, $lt: `${userId}0` }) };
      await pages.deleteMany(own);
      await sets.deleteMany(own);
    },

    /**
     * Removes sets stored before an instant to which no device refers, and returns their number. They remain when a
     * process ends between storing keys and changing the device, or the reverse. Safe to repeat.
     *
     * @param setsInUse returns the ids of the sets to which devices of these users refer
     */
    removeOrphans: (
      before: Date,
      setsInUse: (userIds: readonly string[]) => Promise<ReadonlySet<string>>,
    ): Promise<number> => removeOrphanSets({ sets, pages }, before, setsInUse),
  };
}

/** Returns what recognizes a key: SHA-256 of its public key, shortened to the 128 bits that make a second one infeasible. */
export function knownKey({ keyId, publicKey }: Pick<OneTimeKey, 'keyId' | 'publicKey'>): KnownKey {
  return { keyId, hash: hash('sha256', publicKey, 'buffer').subarray(0, 16).toString('base64') };
}

function headerDocument({ setId, userId, kind, uploaded, spent, total }: KeySetHeader): SetDocument {
  return {
    _id: setId,
    userId,
    kind,
    keyIds: uploaded.map(({ keyId }) => keyId),
    hashes: uploaded.map(({ hash }) => hash),
    spentIds: spent.map(({ keyId }) => keyId),
    spentHashes: spent.map(({ hash }) => hash),
    total,
    createdAt: new Date(),
  };
}

function headerOf({ _id, userId, kind, keyIds, hashes, spentIds, spentHashes, total }: SetDocument): KeySetHeader {
  const uploaded = keyIds.map((keyId, index) => ({ keyId, hash: hashes[index] ?? '' }));
  const spent = spentIds.map((keyId, index) => ({ keyId, hash: spentHashes[index] ?? '' }));
  return { setId: _id, userId, kind, uploaded, spent, total };
}

function pagesOf(setId: string, keys: readonly OneTimeKey[]): PageDocument[] {
  const pages = Map.groupBy(keys.entries(), ([index]) => pageId(setId, index));
  return [...pages].map(([_id, entries]) => ({
    _id,
    keys: Object.fromEntries(entries.map(([index, key]) => [nameOf(index), key])),
  }));
}

function pageId(setId: string, index: number): string {
  return `${setId}/${Math.floor(index / pageKeys)}`;
}

function nameOf(index: number): string {
  return `k${index % pageKeys}`;
}

/** The header goes last: it says which pages there are. Their ids are named, because each of them is found by an index. */
async function removeSets(
  sets: Model<SetDocument>,
  pages: Model<PageDocument>,
  setIds: readonly string[],
): Promise<void> {
  for (const setId of setIds) {
    const header = await sets.findById(setId, { total: 1 }).lean();
    if (header === null) continue;
    const pageIds = Array.from({ length: Math.ceil(header.total / pageKeys) }, (_, page) => `${setId}/${page}`);
    if (pageIds.length > 0) await pages.bulkWrite(pageIds.map((_id) => ({ deleteOne: { filter: { _id } } })));
    await sets.deleteOne({ _id: setId });
  }
}

async function removeOrphanSets(
  { sets, pages }: { sets: Model<SetDocument>; pages: Model<PageDocument> },
  before: Date,
  setsInUse: (userIds: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<number> {
  let removed = 0;
  for (let last = ''; ; ) {
    const headers = await sets
      .find({ _id: trusted({ $gt: last }) }, { userId: 1, createdAt: 1 })
      .sort({ _id: 1 })
      .limit(headersPage)
      .lean();
    const old = headers.filter(({ createdAt }) => createdAt < before);
    const used = old.length === 0 ? new Set() : await setsInUse([...new Set(old.map(({ userId }) => userId))]);
    const orphans = old.flatMap(({ _id }) => (used.has(_id) ? [] : [_id]));
    await removeSets(sets, pages, orphans);
    removed += orphans.length;
    const end = headers.at(-1);
    if (end === undefined || headers.length < headersPage) return removed;
    last = end._id;
  }
}
