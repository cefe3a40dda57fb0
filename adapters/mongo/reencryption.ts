/**
 * Moves accounts to the current keys of a rotated `DATA_KEY`: claims, hashes, and encrypted numbers, addresses and ids of
 * directory entries.
 *
 * Consistency: a field is replaced only if it is still the one that was read, so a change of the account meanwhile wins. Safe
 * to repeat: an account with current keys is not written. When MongoDB is unavailable, calls throw.
 */
import { type Connection, type Model, trusted } from 'mongoose';
import { emailKey } from '../../domain/identity.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { type ClaimDocument, identityOf, type UserDocument } from './accounts.ts';
import { claimGroups, hashesWith } from './identity-hashes.ts';

/** A page of accounts that have the current keys. */
export interface ReencryptedPage {
  userIds: string[];
  /** The accounts that were changed. */
  changed: number;
  /** The hashes of passwords and PINs. Their pepper changes only when their secret is known. */
  hashes: string[];
}

/** The store that moves accounts to the current keys. */
export type Reencryption = ReturnType<typeof createReencryption>;

/** The fields with an encrypted value, and those with its hash. */
const fields = [
  { encrypted: 'emailEncrypted', hash: 'emailHash', kind: 'email' },
  { encrypted: 'phoneNumberEncrypted', hash: 'phoneNumberHash', kind: 'phone' },
  { encrypted: 'directoryIdEncrypted', hash: 'directoryHash', kind: 'directory' },
] as const;

/** Creates the store. The first of `hashKeys` is the current one. The models are those of createAccounts(). */
export function createReencryption(connection: Connection, hashKeys: readonly [Buffer, ...Buffer[]], cipher: Cipher) {
  const [users, claims] = [connection.model<UserDocument>('User'), connection.model<ClaimDocument>('Claim')];
  const hashOf = hashesWith(hashKeys);
  return {
    /**
     * Moves the next accounts in order of their ids; fewer than `size` are the last ones.
     *
     * @param options.retire also deletes the claims by earlier keys
     */
    async movePage(after: string, { size, retire }: { size: number; retire: boolean }): Promise<ReencryptedPage> {
      const page = await users
        .find({ _id: trusted({ $gt: after }) })
        .sort({ _id: 1 })
        .limit(size)
        .lean();
      let changed = 0;
      for (const user of page) {
        const claimed = claimGroups(identityOf(user, cipher), hashOf);
        const hasClaims = await moveClaims({ users, claims }, user._id, claimed);
        const isMoved = await moveFields(
          users,
          user,
          (kind, value) => ({
            hash: hashOf(kind, kind === 'email' ? emailKey(value) : value),
            encrypted: cipher.encryptText(value),
          }),
          cipher,
        );
        if (retire) await retireClaims(claims, user._id, claimed);
        if (hasClaims || isMoved) changed++;
      }
      const hashes = page.flatMap(({ password, pin }) => [password ?? [], pin ?? []].flat());
      return { userIds: page.map(({ _id }) => _id), changed, hashes };
    },
  };
}

/**
 * Adds the claims by the current key to those that the user has by another one. Returns whether any was missing. Somebody
 * else may hold one whose attempt to claim the same failed, or was terminated: such a user has no account, and loses it.
 */
async function moveClaims(
  { users, claims }: { users: Model<UserDocument>; claims: Model<ClaimDocument> },
  userId: string,
  groups: string[][],
): Promise<boolean> {
  let isMoved = false;
  for (const group of groups.filter(({ length }) => length > 1)) {
    const [known] = await claims.find({ _id: trusted({ $in: group }), userId }).lean();
    const [current] = group;
    if (known === undefined || current === undefined) continue;
    const { upsertedCount } = await claims.updateOne(
      { _id: current },
      { $setOnInsert: { userId, createdAt: known.createdAt } },
      { upsert: true },
    );
    isMoved ||= upsertedCount > 0;
    const holder = upsertedCount > 0 ? undefined : await claims.findOne({ _id: current }).lean();
    if (!holder || holder.userId === userId || (await users.exists({ _id: holder.userId })) !== null) continue;
    const { modifiedCount } = await claims.updateOne(
      { _id: current, userId: holder.userId },
      { $set: { userId, createdAt: known.createdAt } },
    );
    isMoved ||= modifiedCount > 0;
  }
  return isMoved;
}

async function retireClaims(claims: Model<ClaimDocument>, userId: string, groups: string[][]): Promise<void> {
  for (const [current, ...older] of groups) {
    if (current === undefined || older.length === 0) continue;
    if ((await claims.exists({ _id: current, userId })) === null) continue;
    await claims.deleteMany({ _id: trusted({ $in: older }), userId });
  }
}

async function moveFields(
  users: Model<UserDocument>,
  user: UserDocument,
  made: (kind: string, value: string) => { hash: string; encrypted: string },
  cipher: Cipher,
): Promise<boolean> {
  let isMoved = false;
  for (const { encrypted, hash, kind } of fields) {
    const before = user[encrypted];
    if (before === undefined || before.startsWith(`${cipher.keyId}.`)) continue;
    const next = made(kind, cipher.decryptText(before));
    const $set = { [encrypted]: next.encrypted, ...(user[hash] !== undefined && { [hash]: next.hash }) };
    const { modifiedCount } = await users.updateOne({ _id: user._id, [encrypted]: before }, { $set });
    isMoved ||= modifiedCount > 0;
  }
  return isMoved;
}
