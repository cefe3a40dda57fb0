/**
 * Accounts: `users` by id, `claims` by `kind:keyed-hash` → user. The first insert of a claim owns the user name, number
 * or address. Numbers and addresses are stored encrypted, with a keyed hash for lookups. A claim contains no personal
 * data.
 *
 * Consistency: each write changes one document. When MongoDB is unavailable, calls throw; every write may be repeated
 * with the same ids.
 */
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import type { Account, AccountWithHashes, CredentialKind, Identifier } from '../../domain/account.ts';
import { type ContactIdentity, emailKey, usernameKey } from '../../domain/identity.ts';
import { type Cipher, keyedHash } from '../../platform/crypto.ts';
import { isDuplicateKey } from './connect.ts';

/** A new account. Passwords and PINs are Argon2id hashes in PHC format. */
export interface NewAccount {
  userId: string;
  registrationId?: string;
  identity: ContactIdentity;
  password?: string;
  pin?: string;
  createdAt: Date;
  locale?: string;
}

/** An account as the directory sync reads it. */
interface LinkedAccount {
  userId: string;
  username?: string;
  /** Linked to a directory entry and not disabled. */
  hasDirectoryEntry: boolean;
}

/** The store of accounts. */
export type Accounts = ReturnType<typeof createAccounts>;

interface UserDocument {
  _id: string;
  username?: string;
  fullName?: string;
  emailEncrypted?: string;
  emailHash?: string;
  phoneNumberEncrypted?: string;
  phoneNumberHash?: string;
  directoryHash?: string;
  groups: string[];
  roles: string[];
  password?: string;
  pin?: string;
  createdAt: Date;
  disabledAt?: Date;
  locale?: string;
  registrationIds?: string[];
  deletionAt?: Date;
  deletionId?: string;
}

const text = { type: String, required: false } as const;
const userSchema = new Schema<UserDocument>(
  {
    _id: { type: String, required: true },
    username: text,
    fullName: text,
    emailEncrypted: text,
    emailHash: text,
    phoneNumberEncrypted: text,
    phoneNumberHash: text,
    directoryHash: text,
    groups: [String],
    roles: [String],
    password: text,
    pin: text,
    createdAt: { type: Date, required: true },
    disabledAt: { type: Date, required: false },
    locale: text,
    registrationIds: [String],
    deletionAt: { type: Date, required: false },
    deletionId: text,
  },
  { collection: 'users', versionKey: false, strict: 'throw' },
);

interface ClaimDocument {
  _id: string;
  userId: string;
  createdAt: Date;
}

const claimSchema = new Schema<ClaimDocument>(
  {
    _id: { type: String, required: true },
    userId: { type: String, required: true },
    createdAt: { type: Date, required: true },
  },
  { collection: 'claims', versionKey: false, strict: 'throw' },
);

/** Claims per page. */
const claimsPage = 1000;

/**
 * Creates the store. `hashKey` keys the hashes of user names, numbers and addresses; `cipher` encrypts the latter two.
 */
export function createAccounts(connection: Connection, hashKey: Buffer, cipher: Cipher) {
  const users = connection.model<UserDocument>('User', userSchema);
  const claims = connection.model<ClaimDocument>('Claim', claimSchema);
  const hashOf = (kind: string, value: string) => keyedHash(hashKey, kind, value);

  return {
    /**
     * Claims all unique identifiers of an identity for a user; false if another user owns one of them. In that case the
     * caller releases the claims made so far with `release`. Safe to repeat: existing claims of the same user count.
     *
     * Claims are inserted in a fixed order up to the first that is taken, so one of parallel claims of an identity
     * wins.
     */
    async claim(userId: string, identity: ContactIdentity): Promise<boolean> {
      const ids = claimIds(identity, hashOf);
      for (let missing = ids; missing.length > 0; ) {
        if (await insertClaims(claims, missing, userId)) return true;
        const known = await claims.find({ _id: trusted({ $in: ids }) }).lean();
        if (known.some((claim) => claim.userId !== userId)) return false;
        // an earlier attempt of the same user has made some of the claims
        missing = ids.filter((id) => !known.some((claim) => claim._id === id));
      }
      return true;
    },

    /**
     * Returns the account that has the registration lock for an identity: it is the only owner of its claims, owns more
     * than the user name, has a PIN and is not disabled. Returns undefined otherwise.
     */
    async findRegistrationLock(identity: ContactIdentity): Promise<string | undefined> {
      const found = await claims.find({ _id: trusted({ $in: claimIds(identity, hashOf) }) }).lean();
      const [userId, ...others] = new Set(found.map((claim) => claim.userId));
      const isProven = found.some(({ _id }) => !_id.startsWith('username:'));
      if (userId === undefined || others.length > 0 || !isProven) return undefined;
      const isLocked = { _id: userId, pin: trusted({ $exists: true }), disabledAt: trusted({ $exists: false }) };
      return (await users.exists(isLocked)) === null ? undefined : userId;
    },

    /** Deletes the claims of a user on an identity. Safe to repeat, and without claims. */
    async release(userId: string, identity: ContactIdentity): Promise<void> {
      for (const _id of claimIds(identity, hashOf)) await claims.deleteOne({ _id, userId });
    },

    /** Returns whether two identifiers have the same claim, such as two spellings of one address. */
    isSameClaim: (one: Identifier, other: Identifier): boolean =>
      one.kind === other.kind && claimedAs(one) === claimedAs(other),

    /** Creates an account. Safe to repeat: keyed by `userId`, the first write stays. */
    async insert(account: NewAccount): Promise<void> {
      try {
        await users.create(documentOf(account, hashOf, cipher));
      } catch (err) {
        if (!isDuplicateKey(err)) throw err;
      }
    },

    /** Deletes an account that was just created (compensation). Safe to repeat. */
    async remove(userId: string): Promise<void> {
      await users.deleteOne({ _id: userId });
    },

    /**
     * Erases an account and its claims, and returns the number of claims. Safe to repeat: the account is deleted last.
     */
    erase: (userId: string): Promise<number> => eraseAccount({ users, claims, hashOf }, userId),

    /**
     * Deletes claims older than `madeBefore` whose account was never created, and returns their number. Such claims
     * remain when a registration workflow is terminated without compensation. Safe to repeat.
     */
    removeOrphanClaims: (madeBefore: Date): Promise<number> => removeOrphans(claims, users, madeBefore),

    ...createAccountReads({ users, claims, hashOf, cipher }),
    ...createAccountChanges({ users, hashOf, cipher }),
  };
}

interface Collections {
  users: Model<UserDocument>;
  claims: Model<ClaimDocument>;
  hashOf: HashOf;
  cipher: Cipher;
}

/** An id that no account has. */
const nobody = '';

/** The read operations. */
function createAccountReads({ users, claims, hashOf, cipher }: Collections) {
  const namedBy = async (identifier: Identifier): Promise<UserDocument | null> => {
    const { kind } = identifier;
    const claim = await claims.findById(`${kind}:${hashOf(kind, claimedAs(identifier))}`).lean();
    // an unknown identifier costs the same two reads (prevents user enumeration by timing)
    return users.findById(claim?.userId ?? nobody).lean();
  };
  const findBy = async (identifier: Identifier): Promise<Account | undefined> => {
    const user = await namedBy(identifier);
    return user === null ? undefined : accountOf(user, cipher);
  };
  const provable = (user: UserDocument | null): AccountWithHashes | undefined =>
    user === null ? undefined : { account: accountOf(user, cipher), hash: user.password };
  return {
    /** Returns an account by id, or undefined. */
    async read(userId: string): Promise<Account | undefined> {
      const user = await users.findById(userId).lean();
      return user === null ? undefined : accountOf(user, cipher);
    },

    /** Returns the account with an identifier, or undefined. */
    findBy,

    /** Returns the account with an identifier and its password hash, or undefined. */
    findProvable: async (identifier: Identifier): Promise<AccountWithHashes | undefined> =>
      provable(await namedBy(identifier)),

    /** Returns an account by id with its password hash, or undefined. */
    readProvable: async (userId: string): Promise<AccountWithHashes | undefined> =>
      provable(await users.findById(userId).lean()),

    /** Returns the account with a user name, or undefined. */
    find: (username: string): Promise<Account | undefined> => findBy({ kind: 'username', value: username }),

    /** Returns whether an account is linked to a directory entry. */
    async matchesDirectoryEntry(userId: string, directoryId: string): Promise<boolean> {
      const user = await users.findById(userId, { directoryHash: 1 }).lean();
      return user?.directoryHash === hashOf('directory', directoryId);
    },

    /** Returns whether an account is linked to any directory entry. */
    async hasDirectoryEntry(userId: string): Promise<boolean> {
      return (await users.exists({ _id: userId, directoryHash: trusted({ $exists: true }) })) !== null;
    },

    /** Returns a page of all accounts in order of their ids, after `afterId`, for the directory sync. */
    async listForDirectory(afterId: string, limit: number): Promise<LinkedAccount[]> {
      const page = await users
        .find({ _id: trusted({ $gt: afterId }) }, { username: 1, directoryHash: 1, disabledAt: 1 })
        .sort({ _id: 1 })
        .limit(limit)
        .lean();
      return page.map(({ _id: userId, username, directoryHash, disabledAt }) => ({
        userId,
        hasDirectoryEntry: directoryHash !== undefined && disabledAt === undefined,
        ...(username && { username }),
      }));
    },

    /** Returns the hashes of the password and PIN of an account; undefined if the account does not exist. */
    async readSecrets(userId: string): Promise<Pick<NewAccount, 'password' | 'pin'> | undefined> {
      const user = await users.findById(userId, { password: 1, pin: 1 }).lean();
      if (user === null) return undefined;
      return { ...(user.password && { password: user.password }), ...(user.pin && { pin: user.pin }) };
    },
  };
}

/** The operations that change an existing account. */
function createAccountChanges({ users, hashOf, cipher }: Omit<Collections, 'claims'>) {
  return {
    /** Sets the profile fields that need no verification. Safe to repeat. */
    async setProfile(userId: string, { fullName, locale }: Pick<Account, 'fullName' | 'locale'>): Promise<void> {
      await users.updateOne({ _id: userId }, { $set: { ...(fullName && { fullName }), ...(locale && { locale }) } });
    },

    /** Sets a claimed user name, number or address of an account; false if there is no account. Safe to repeat. */
    async setIdentifier(userId: string, { kind, value }: Identifier): Promise<boolean> {
      const written = {
        username: () => ({ username: value }),
        phone: () => ({ phoneNumberEncrypted: cipher.encryptText(value), phoneNumberHash: hashOf('phone', value) }),
        email: () => ({ emailEncrypted: cipher.encryptText(value), emailHash: hashOf('email', emailKey(value)) }),
      };
      return (await users.updateOne({ _id: userId }, { $set: written[kind]() })).matchedCount > 0;
    },

    /** Disables an account. Safe to repeat: the first time stays. */
    async disable(userId: string, at: Date): Promise<void> {
      await users.updateOne({ _id: userId, disabledAt: trusted({ $exists: false }) }, { $set: { disabledAt: at } });
    },

    /** Sets the hash of the password or PIN of an account. Safe to repeat. */
    async setSecret(userId: string, kind: CredentialKind, hash: string): Promise<void> {
      await users.updateOne({ _id: userId }, { $set: { [kind]: hash } });
    },

    /** Adds a registration that passed the registration lock of an account. Safe to repeat. */
    async addRegistration(userId: string, registrationId: string): Promise<void> {
      await users.updateOne({ _id: userId }, { $addToSet: { registrationIds: registrationId } });
    },

    /** Sets the roles of an account. Safe to repeat. */
    async setRoles(userId: string, roles: readonly string[]): Promise<void> {
      await users.updateOne({ _id: userId }, { $set: { roles: [...roles] } });
    },

    /** Returns whether any enabled account has a role. */
    async hasRole(role: string): Promise<boolean> {
      return (await users.exists({ roles: role, disabledAt: trusted({ $exists: false }) })) !== null;
    },

    /** Plans the deletion of an account, unless one is planned. Safe to repeat: of parallel ones the first stays. */
    async planDeletion(userId: string, deletionId: string, at: Date): Promise<void> {
      await users.updateOne(
        { _id: userId, deletionId: trusted({ $exists: false }) },
        { $set: { deletionId, deletionAt: at } },
      );
    },

    /** Removes a planned deletion. Safe to repeat. */
    async stopDeletion(userId: string, deletionId: string): Promise<void> {
      await users.updateOne({ _id: userId, deletionId }, { $unset: { deletionId: 1, deletionAt: 1 } });
    },

    /** Enables a disabled account. Safe to repeat. */
    async enable(userId: string): Promise<void> {
      await users.updateOne({ _id: userId }, { $unset: { disabledAt: 1 } });
    },
  };
}

async function eraseAccount({ users, claims, hashOf }: Omit<Collections, 'cipher'>, userId: string): Promise<number> {
  const user = await users.findById(userId).lean();
  if (user === null) return 0;
  const { username, phoneNumberHash, emailHash, directoryHash } = user;
  const hashes = {
    username: username && hashOf('username', usernameKey(username)),
    phone: phoneNumberHash,
    email: emailHash,
    directory: directoryHash,
  };
  let erased = 0;
  for (const [kind, hash] of Object.entries(hashes)) {
    if (hash) erased += (await claims.deleteOne({ _id: `${kind}:${hash}`, userId })).deletedCount;
  }
  await users.deleteOne({ _id: userId });
  return erased;
}

/** Inserts claims up to the first that exists; true if none existed. */
async function insertClaims(claims: Model<ClaimDocument>, ids: string[], userId: string): Promise<boolean> {
  const createdAt = new Date();
  try {
    await claims.insertMany(ids.map((_id) => ({ _id, userId, createdAt })));
    return true;
  } catch (err) {
    if (!isDuplicateKey(err)) throw err;
    return false;
  }
}

async function removeOrphans(
  claims: Model<ClaimDocument>,
  users: Model<UserDocument>,
  madeBefore: Date,
): Promise<number> {
  let removed = 0;
  for (let last = ''; ; ) {
    const page = await claims
      .find({ _id: trusted({ $gt: last }) })
      .sort({ _id: 1 })
      .limit(claimsPage)
      .lean();
    const old = page.filter(({ createdAt }) => createdAt < madeBefore);
    const owners = await users.find({ _id: trusted({ $in: old.map(({ userId }) => userId) }) }, { _id: 1 }).lean();
    const known = new Set(owners.map(({ _id }) => _id));
    for (const { _id, userId } of old.filter((claim) => !known.has(claim.userId))) {
      removed += (await claims.deleteOne({ _id, userId })).deletedCount;
    }
    const end = page.at(-1);
    if (end === undefined || page.length < claimsPage) return removed;
    last = end._id;
  }
}

function claimedAs({ kind, value }: Identifier): string {
  if (kind === 'username') return usernameKey(value);
  return kind === 'email' ? emailKey(value) : value;
}

type HashOf = (kind: string, value: string) => string;

function claimIds(identity: ContactIdentity, hashOf: HashOf): string[] {
  const { username, email, phone, directoryId } = identity;
  const claims: [kind: string, value: string | undefined][] = [
    ['directory', directoryId],
    ['username', username && usernameKey(username)],
    ['phone', phone],
    ['email', email && emailKey(email)],
  ];
  return claims.flatMap(([kind, value]) => (value ? [`${kind}:${hashOf(kind, value)}`] : []));
}

function documentOf(account: NewAccount, hashOf: HashOf, cipher: Cipher): UserDocument {
  const { username, fullName, email, phone, directoryId, groups } = account.identity;
  return {
    _id: account.userId,
    ...(username && { username }),
    ...(fullName && { fullName }),
    ...(email && { emailEncrypted: cipher.encryptText(email), emailHash: hashOf('email', emailKey(email)) }),
    ...(phone && { phoneNumberEncrypted: cipher.encryptText(phone), phoneNumberHash: hashOf('phone', phone) }),
    ...(directoryId && { directoryHash: hashOf('directory', directoryId) }),
    ...(account.password && { password: account.password }),
    ...(account.pin && { pin: account.pin }),
    groups: groups ?? [],
    roles: ['user'],
    createdAt: account.createdAt,
    ...(account.locale && { locale: account.locale }),
    registrationIds: account.registrationId === undefined ? [] : [account.registrationId],
  };
}

function accountOf(user: UserDocument, cipher: Cipher): Account {
  return {
    userId: user._id,
    ...(user.username && { username: user.username }),
    ...(user.fullName && { fullName: user.fullName }),
    ...(user.emailEncrypted && { email: cipher.decryptText(user.emailEncrypted) }),
    ...(user.phoneNumberEncrypted && { phone: cipher.decryptText(user.phoneNumberEncrypted) }),
    groups: user.groups,
    roles: user.roles,
    createdAt: user.createdAt,
    ...(user.disabledAt && { disabledAt: user.disabledAt }),
    ...(user.locale && { locale: user.locale }),
    registrationIds: user.registrationIds ?? [],
    ...(user.deletionAt && { deletionAt: user.deletionAt }),
    ...(user.deletionId && { deletionId: user.deletionId }),
  };
}
