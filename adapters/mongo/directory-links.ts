/**
 * What links accounts to entries of the directory. An account stores the id of its entry encrypted, to look the entry up
 * whatever its name is, and the claim `directory:keyed-hash` finds the account by the id.
 *
 * Consistency: as accounts.ts.
 */
import { trusted } from 'mongoose';
import type { Account, Identifier } from '../../domain/account.ts';
import type { Holder } from '../../domain/directory.ts';
import { type ContactIdentity, emailKey, usernameKey } from '../../domain/identity.ts';
import type { Collections, UserDocument } from './accounts.ts';
import { type AroundChange, changesAround } from './person-changes.ts';

/** An account as the directory sync reads it. */
interface LinkedAccount {
  userId: string;
  username?: string;
  /** Absent for an account of an earlier version, until its entry was seen. */
  directoryId?: string;
  /** Linked to a directory entry and not disabled. */
  hasDirectoryEntry: boolean;
}

/** What the links need of the store of accounts. */
interface LinkTools extends Collections {
  /** The change that raises the epoch of an account. */
  raise: { $inc: { epoch: number } };
  around: AroundChange;
  claimIdsOf: (identity: ContactIdentity) => string[];
  accountOf: (user: UserDocument) => Account;
}

/** Identifiers that the directory gives and that can be transferred. */
const givenKinds = ['username', 'phone', 'email'] as const;

/** Creates the operations on links. */
export function createDirectoryLinks(tools: LinkTools) {
  return { ...createLinks(tools), ...createTransfers(tools), ...changesAround(tools.around, createTakings(tools)) };
}

function createLinks({ users, claims, hashOf, cipher, accountOf }: LinkTools) {
  return {
    /** Returns whether an account is linked to a directory entry. */
    async matchesDirectoryEntry(userId: string, directoryId: string): Promise<boolean> {
      const user = await users.findById(userId, { directoryHash: 1 }).lean();
      return hashOf.all('directory', directoryId).some((hash) => hash === user?.directoryHash);
    },

    /** Returns whether an account is linked to any directory entry. */
    async hasDirectoryEntry(userId: string): Promise<boolean> {
      return (await users.exists({ _id: userId, directoryHash: trusted({ $exists: true }) })) !== null;
    },

    /** Returns the id of the entry that an account is linked to; undefined without a link, or before it was seen. */
    async directoryIdOf(userId: string): Promise<string | undefined> {
      return idOf((await users.findById(userId, { directoryIdEncrypted: 1 }).lean()) ?? {}, cipher).directoryId;
    },

    /** Returns the account that is linked to a directory entry, or undefined. */
    async findByDirectoryId(directoryId: string): Promise<Account | undefined> {
      const ids = hashOf.all('directory', directoryId).map((hash) => `directory:${hash}`);
      const [claim] = await claims.find({ _id: trusted({ $in: ids }) }).lean();
      const user = claim && (await users.findById(claim.userId).lean());
      return user ? accountOf(user) : undefined;
    },

    /** Stores the id of the entry of an account of an earlier version. Safe to repeat; nothing for another entry. */
    async learnDirectoryEntry(userId: string, directoryId: string): Promise<void> {
      const isOwn = { _id: userId, directoryHash: trusted({ $in: hashOf.all('directory', directoryId) }) };
      const isUnknown = { directoryIdEncrypted: trusted({ $exists: false }) };
      await users.updateOne(
        { ...isOwn, ...isUnknown },
        { $set: { directoryIdEncrypted: cipher.encryptText(directoryId) } },
      );
    },

    /** Returns a page of all accounts in order of their ids, after `afterId`, for the directory sync. */
    async listForDirectory(afterId: string, limit: number): Promise<LinkedAccount[]> {
      const wanted = { username: 1, directoryHash: 1, directoryIdEncrypted: 1, disabledAt: 1 };
      const page = await users
        .find({ _id: trusted({ $gt: afterId }) }, wanted)
        .sort({ _id: 1 })
        .limit(limit)
        .lean();
      return page.map((user) => ({
        userId: user._id,
        hasDirectoryEntry: user.directoryHash !== undefined && user.disabledAt === undefined,
        ...(user.username && { username: user.username }),
        ...idOf(user, cipher),
      }));
    },
  };
}

function createTransfers({ users, claims, cipher, claimIdsOf }: LinkTools) {
  return {
    /**
     * Returns the other accounts that hold what the directory gives to an identity, if they are linked to entries as
     * well. It leaves out what people proved themselves, which no directory has given. Empty when an account is linked
     * to the entry of the identity already.
     */
    async findHolders(userId: string, identity: ContactIdentity): Promise<Holder[]> {
      const found = await claims.find({ _id: trusted({ $in: claimIdsOf(identity) }) }).lean();
      const others = found.filter((claim) => claim.userId !== userId);
      if (others.some(({ _id }) => _id.startsWith('directory:'))) return [];
      const holders: Holder[] = [];
      for (const [holder, held] of Map.groupBy(others, (claim) => claim.userId)) {
        const user = await users.findById(holder).lean();
        if (user?.directoryHash === undefined) continue;
        const given = givenKinds.filter(
          (kind) => held.some(({ _id }) => _id.startsWith(`${kind}:`)) && !user.ownKinds?.includes(kind),
        );
        holders.push({
          userId: holder,
          held: given.flatMap((kind) => identifierOf(identity, kind)),
          ...(user.username && { username: user.username }),
          ...idOf(user, cipher),
        });
      }
      return holders.filter(({ held }) => held.length > 0);
    },
  };
}

/** The changes of the account that loses an identifier. */
function createTakings({ users, claims, hashOf, raise, claimIdsOf }: LinkTools) {
  return {
    /**
     * Moves the claim of an identifier from one account to another, which need not exist yet. Safe to repeat: of
     * parallel moves one changes the claim.
     */
    async transfer(fromId: string, toId: string, identifier: Identifier): Promise<void> {
      await unset({ users, hashOf, raise }, fromId, identifier);
      for (const _id of claimIdsOf({ [identifier.kind]: identifier.value })) {
        // a new time, because the purge removes old claims of accounts that were not created
        await claims.updateOne({ _id, userId: fromId }, { $set: { userId: toId, createdAt: new Date() } });
      }
    },

    /** Takes an identifier from an account and deletes its claim, so that anyone can claim it. Safe to repeat. */
    async takeIdentifier(userId: string, identifier: Identifier): Promise<void> {
      await unset({ users, hashOf, raise }, userId, identifier);
      const ids = claimIdsOf({ [identifier.kind]: identifier.value });
      await claims.deleteMany({ _id: trusted({ $in: ids }), userId });
    },
  };
}

function idOf(
  { directoryIdEncrypted }: Pick<UserDocument, 'directoryIdEncrypted'>,
  cipher: LinkTools['cipher'],
): Pick<LinkedAccount, 'directoryId'> {
  return directoryIdEncrypted === undefined ? {} : { directoryId: cipher.decryptText(directoryIdEncrypted) };
}

function identifierOf(identity: ContactIdentity, kind: Identifier['kind']): Identifier[] {
  const value = identity[kind];
  return value === undefined ? [] : [{ kind, value }];
}

/** Removes an identifier from an account, if it still is the one of the account. */
async function unset(
  { users, hashOf, raise }: Pick<LinkTools, 'users' | 'hashOf' | 'raise'>,
  userId: string,
  { kind, value }: Identifier,
): Promise<void> {
  if (kind === 'phone') {
    const fields = { phoneNumberEncrypted: 1, phoneNumberHash: 1 } as const;
    await users.updateOne(
      { _id: userId, phoneNumberHash: trusted({ $in: hashOf.all('phone', value) }) },
      { $unset: fields, ...raise },
    );
  } else if (kind === 'email') {
    const fields = { emailEncrypted: 1, emailHash: 1 } as const;
    await users.updateOne(
      { _id: userId, emailHash: trusted({ $in: hashOf.all('email', emailKey(value)) }) },
      { $unset: fields, ...raise },
    );
  } else {
    const { username } = (await users.findById(userId, { username: 1 }).lean()) ?? {};
    if (username === undefined || usernameKey(username) !== usernameKey(value)) return;
    await users.updateOne({ _id: userId, username }, { $unset: { username: 1 }, ...raise });
  }
}
