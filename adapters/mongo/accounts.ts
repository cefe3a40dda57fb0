/**
 * Accounts: `users` by id, `claims` by `kind:keyed-hash` → user. The first insert of a claim owns the user name, number
 * or address. A user name also claims its skeleton, so that no other account gets a name that looks like it; a number
 * also claims the numbers that its subscriber had before changes of the numbering plan. Numbers and addresses are stored
 * encrypted, with a keyed hash for lookups. A claim contains no personal data.
 *
 * `epoch` counts the changes of credentials, contact and state. The write that makes a change raises it, so a reader sees
 * both or neither.
 *
 * Consistency: each write changes one document. When MongoDB is unavailable, calls throw; every write may be repeated
 * with the same ids.
 */
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import type { Account, AccountWithHashes, CredentialKind, Identifier } from '../../domain/account.ts';
import { type ContactIdentity, emailKey, usernameKey } from '../../domain/identity.ts';
import { currentNumber } from '../../domain/renumbered-numbers.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { isDuplicateKey } from './connect.ts';
import { createDirectoryLinks } from './directory-links.ts';
import { claimGroups, claimIds, type HashOf, hashesWith, phonesOf } from './identity-hashes.ts';
import { type AroundChange, changesAround } from './person-changes.ts';

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

/** The store of accounts. */
export type Accounts = ReturnType<typeof createAccounts>;

/** An account as it is stored. */
export interface UserDocument {
  _id: string;
  username?: string;
  fullName?: string;
  emailEncrypted?: string;
  emailHash?: string;
  phoneNumberEncrypted?: string;
  phoneNumberHash?: string;
  phoneChangedAt?: Date;
  directoryHash?: string;
  directoryIdEncrypted?: string;
  /** The identifiers that their owner proved, in place of those that the directory gave. */
  ownKinds?: string[];
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
  epoch?: number;
  passedRegistrationId?: string;
  passedEpoch?: number;
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
    phoneChangedAt: { type: Date, required: false },
    directoryHash: text,
    directoryIdEncrypted: text,
    ownKinds: { type: [String], default: undefined },
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
    epoch: { type: Number, required: false },
    passedRegistrationId: text,
    passedEpoch: { type: Number, required: false },
  },
  { collection: 'users', versionKey: false, strict: 'throw' },
);

/** A claim as it is stored. */
export interface ClaimDocument {
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
 * Creates the store. `hashKeys` key the hashes of user names, numbers and addresses: claims are made and looked up by each,
 * accounts have that of the first. `cipher` encrypts numbers and addresses.
 * `around` makes every change of an account that exists.
 */
export function createAccounts(
  connection: Connection,
  hashKeys: readonly [Buffer, ...Buffer[]],
  cipher: Cipher,
  { around }: { around: AroundChange },
) {
  const users = connection.model<UserDocument>('User', userSchema);
  const claims = connection.model<ClaimDocument>('Claim', claimSchema);
  const hashOf = hashesWith(hashKeys);

  return {
    /** Creates an account. Safe to repeat: keyed by `userId`, the first write stays. */
    async insert(account: NewAccount): Promise<void> {
      try {
        await users.create(documentOf(account, hashOf, cipher));
      } catch (err) {
        if (!isDuplicateKey(err)) throw err;
      }
    },

    ...createClaims({ users, claims, hashOf }),
    ...createAccountReads({ users, claims, hashOf, cipher }),
    ...changesAround(around, {
      ...createRemovals({ users, claims, hashOf, cipher }),
      ...createProvenChanges({ users, hashOf, cipher }),
      ...createAccountChanges({ users }),
    }),
    ...createDirectoryLinks({
      users,
      claims,
      hashOf,
      cipher,
      raise,
      around,
      claimIdsOf: (identity) => claimIds(identity, hashOf),
      accountOf: (user) => accountOf(user, cipher),
    }),
  };
}

/** The operations that remove accounts. */
function createRemovals(collections: Collections) {
  return {
    /** Deletes an account that was just created (compensation). Safe to repeat. */
    async remove(userId: string): Promise<void> {
      await collections.users.deleteOne({ _id: userId });
    },

    /**
     * Erases an account and its claims, and returns the number of claims. Safe to repeat: the account is deleted last.
     */
    erase: (userId: string): Promise<number> => eraseAccount(collections, userId),
  };
}

/** The collections and keys of the store. */
export interface Collections {
  users: Model<UserDocument>;
  claims: Model<ClaimDocument>;
  hashOf: HashOf;
  cipher: Cipher;
}

/** An id that no account has. */
const nobody = '';

/** The operations on claims. */
function createClaims({ users, claims, hashOf }: Omit<Collections, 'cipher'>) {
  return {
    /**
     * Claims all unique identifiers of an identity for a user; false if another user owns one of them. In that case the
     * caller releases the claims made so far with `release`. Safe to repeat: existing claims of the same user count.
     *
     * Claims are inserted in a fixed order up to the first that is taken, so one of parallel claims of an identity
     * wins. The directory may give two people names that look alike: there the first gets the claim of the skeleton, and
     * the second is not refused.
     */
    async claim(userId: string, identity: ContactIdentity): Promise<boolean> {
      const isOfDirectory = identity.directoryId !== undefined;
      // in the same order by every process, whichever of the keys is its current one
      const ids = claimGroups(identity, hashOf).flatMap((group) => group.toSorted());
      const lookalike = isOfDirectory ? ids.filter(isLookalike) : [];
      const isClaimed = await claimAll(
        claims,
        ids.filter((id) => !lookalike.includes(id)),
        userId,
      );
      if (isClaimed) await claimAll(claims, lookalike, userId);
      return isClaimed;
    },

    /**
     * Returns the account that an identity belongs to: it is the only owner of its claims, owns more than the user name
     * and is not disabled. Returns undefined otherwise.
     */
    async findOwner(
      identity: ContactIdentity,
    ): Promise<{ userId: string; hasPin: boolean; createdAt: Date } | undefined> {
      const ids = claimIds(identity, hashOf).filter((id) => !isLookalike(id));
      const found = await claims.find({ _id: trusted({ $in: ids }) }).lean();
      const [userId, ...others] = new Set(found.map((claim) => claim.userId));
      const isProven = found.some(({ _id }) => !_id.startsWith('username:'));
      if (userId === undefined || others.length > 0 || !isProven) return undefined;
      const isEnabled = { _id: userId, disabledAt: trusted({ $exists: false }) };
      const user = await users.findOne(isEnabled, { pin: 1, createdAt: 1 }).lean();
      return user === null ? undefined : { userId, hasPin: user.pin !== undefined, createdAt: user.createdAt };
    },

    /**
     * Deletes the claims of a user on an identity, except those that another identity of the user needs. Safe to repeat,
     * and without claims.
     */
    async release(userId: string, identity: ContactIdentity, kept: ContactIdentity = {}): Promise<void> {
      const needed = new Set(claimIds(kept, hashOf));
      for (const _id of claimIds(identity, hashOf)) if (!needed.has(_id)) await claims.deleteOne({ _id, userId });
    },

    /** Returns whether two identifiers have the same claim, such as two spellings of one address. */
    isSameClaim: (one: Identifier, other: Identifier): boolean =>
      one.kind === other.kind && claimedAs(one) === claimedAs(other),

    /**
     * Deletes claims older than `madeBefore` whose account was never created, and returns their number. Such claims
     * remain when a registration workflow is terminated without compensation. Safe to repeat.
     */
    removeOrphanClaims: (madeBefore: Date): Promise<number> => removeOrphans(claims, users, madeBefore),
  };
}

/** The read operations. */
function createAccountReads({ users, claims, hashOf, cipher }: Collections) {
  const namedBy = async (identifier: Identifier): Promise<UserDocument | null> => {
    const own = identifierClaims(identifier, hashOf);
    // the user name that a directory gives may have the form of an address
    const named = hashOf.all('username', usernameKey(identifier.value)).map((hash) => `username:${hash}`);
    const found = await claims.find({ _id: trusted({ $in: [...own, ...named] }) }).lean();
    const claim = own.flatMap((id) => found.find(({ _id }) => _id === id) ?? [])[0] ?? found[0];
    // an unknown identifier costs the same two reads (prevents user enumeration by timing)
    const user = await users.findById(claim?.userId ?? nobody).lean();
    const isNamed = claim !== undefined && own.includes(claim._id);
    return isNamed || user?.directoryHash !== undefined ? user : null;
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

    /** Returns whether any enabled account has a role. */
    async hasRole(role: string): Promise<boolean> {
      return (await users.exists({ roles: role, disabledAt: trusted({ $exists: false }) })) !== null;
    },

    /** Returns the hashes of the password and PIN of an account; undefined if the account does not exist. */
    async readSecrets(userId: string): Promise<Pick<NewAccount, 'password' | 'pin'> | undefined> {
      const user = await users.findById(userId, { password: 1, pin: 1 }).lean();
      if (user === null) return undefined;
      return { ...(user.password && { password: user.password }), ...(user.pin && { pin: user.pin }) };
    },
  };
}

/** The epoch that an account must be in for a change that an outstanding proof allows. */
interface InEpoch {
  epoch?: number | undefined;
}

const raise = { $inc: { epoch: 1 } };

/** An account has no epoch before its first change. */
function inEpoch(epoch: number | undefined) {
  if (epoch === undefined) return {};
  return epoch === 0 ? { $or: [{ epoch }, { epoch: trusted({ $exists: false }) }] } : { epoch };
}

/** The changes of an account that a proof allows. */
function createProvenChanges({ users, hashOf, cipher }: Omit<Collections, 'claims'>) {
  return {
    /**
     * Sets a claimed user name, number or address of an account; false if there is no account. Another number or
     * address is one that its owner has proven, and raises the epoch. Safe to repeat: the value that is there already does not raise it again.
     *
     * @param options.epoch the epoch that the account must be in; false if it is in another one
     */
    async setIdentifier(userId: string, { kind, value }: Identifier, { epoch }: InEpoch = {}): Promise<boolean> {
      if (kind === 'username') {
        return (await users.updateOne({ _id: userId }, { $set: { username: value } })).matchedCount > 0;
      }
      const claimed = kind === 'email' ? emailKey(value) : value;
      const [hash, all] = [hashOf(kind, claimed), hashOf.all(kind, claimed)];
      const encrypted = cipher.encryptText(value);
      const [hashField, $set] =
        kind === 'email'
          ? (['emailHash', { emailHash: hash, emailEncrypted: encrypted }] as const)
          : (['phoneNumberHash', { phoneNumberHash: hash, phoneNumberEncrypted: encrypted }] as const);
      const isOther = { _id: userId, [hashField]: trusted({ $nin: all }), ...inEpoch(epoch) };
      const proven = { $addToSet: { ownKinds: kind } };
      const $setOther = { ...$set, ...(kind === 'phone' && { phoneChangedAt: new Date() }) };
      if ((await users.updateOne(isOther, { $set: $setOther, ...raise, ...proven })).matchedCount > 0) return true;
      return (
        (await users.updateOne({ _id: userId, [hashField]: trusted({ $in: all }) }, { $set, ...proven })).matchedCount >
        0
      );
    },

    /** Raises the epoch: no outstanding proof of the user counts any longer. A repeat raises it again. */
    async raiseEpoch(userId: string): Promise<void> {
      await users.updateOne({ _id: userId }, raise);
    },

    /** Replaces a hash by another one of the same secret. Safe to repeat; nothing if it is another one by now. */
    async replaceHash(
      userId: string,
      kind: CredentialKind,
      { before, after }: { before: string; after: string },
    ): Promise<void> {
      await users.updateOne({ _id: userId, [kind]: before }, { $set: { [kind]: after } });
    },

    /**
     * Sets the hash of the password or PIN of an account and raises its epoch; false if there is no account. Safe to
     * repeat: each hash has its own salt, so the hash that is there already does not raise the epoch again.
     *
     * @param options.epoch the epoch that the account must be in; false if it is in another one
     */
    async setSecret(userId: string, kind: CredentialKind, hash: string, { epoch }: InEpoch = {}): Promise<boolean> {
      const isOther = { _id: userId, [kind]: trusted({ $ne: hash }), ...inEpoch(epoch) };
      if ((await users.updateOne(isOther, { $set: { [kind]: hash }, ...raise })).matchedCount > 0) return true;
      return (await users.exists({ _id: userId, [kind]: hash })) !== null;
    },
  };
}

/** The other operations that change an existing account. */
function createAccountChanges({ users }: Pick<Collections, 'users'>) {
  return {
    /** Sets the profile fields that need no verification. Safe to repeat. */
    async setProfile(userId: string, { fullName, locale }: Pick<Account, 'fullName' | 'locale'>): Promise<void> {
      await users.updateOne({ _id: userId }, { $set: { ...(fullName && { fullName }), ...(locale && { locale }) } });
    },

    /** Disables an account. Safe to repeat: the first time stays. */
    async disable(userId: string, at: Date): Promise<void> {
      const isEnabled = { _id: userId, disabledAt: trusted({ $exists: false }) };
      await users.updateOne(isEnabled, { $set: { disabledAt: at }, ...raise });
    },

    /**
     * Adds a registration that passed the registration lock of an account, and raises its epoch. The session of the
     * registration begins in this epoch only, so call it after the other changes of the registration. Safe to repeat: the
     * epoch is raised once, and the one that was noted for a registration stays.
     */
    async addRegistration(userId: string, registrationId: string): Promise<void> {
      const isNew = { _id: userId, registrationIds: trusted({ $ne: registrationId }) };
      await users.updateOne(isNew, { $addToSet: { registrationIds: registrationId }, ...raise });
      const { epoch = 0 } = (await users.findById(userId, { epoch: 1 }).lean()) ?? {};
      await users.updateOne(
        { _id: userId, passedRegistrationId: trusted({ $ne: registrationId }) },
        { $set: { passedRegistrationId: registrationId, passedEpoch: epoch } },
      );
    },

    /** Sets the roles of an account. Safe to repeat. */
    async setRoles(userId: string, roles: readonly string[]): Promise<void> {
      await users.updateOne({ _id: userId }, { $set: { roles: [...roles] } });
    },

    /** Plans the deletion of an account, unless one is planned. Safe to repeat: of parallel ones the first stays. */
    async planDeletion(userId: string, deletionId: string, at: Date): Promise<void> {
      await users.updateOne(
        { _id: userId, deletionId: trusted({ $exists: false }) },
        { $set: { deletionId, deletionAt: at }, ...raise },
      );
    },

    /** Removes a planned deletion. Safe to repeat. */
    async stopDeletion(userId: string, deletionId: string): Promise<void> {
      await users.updateOne({ _id: userId, deletionId }, { $unset: { deletionId: 1, deletionAt: 1 }, ...raise });
    },

    /** Enables a disabled account. Safe to repeat. */
    async enable(userId: string): Promise<void> {
      const isDisabled = { _id: userId, disabledAt: trusted({ $exists: true }) };
      await users.updateOne(isDisabled, { $unset: { disabledAt: 1 }, ...raise });
    },
  };
}

/** Returns what a user has claimed. */
export function identityOf(user: UserDocument, cipher: Cipher): ContactIdentity {
  const { username, emailEncrypted, phoneNumberEncrypted, directoryIdEncrypted } = user;
  return {
    ...(username && { username }),
    ...(emailEncrypted && { email: cipher.decryptText(emailEncrypted) }),
    ...(phoneNumberEncrypted && { phone: cipher.decryptText(phoneNumberEncrypted) }),
    ...(directoryIdEncrypted && { directoryId: cipher.decryptText(directoryIdEncrypted) }),
  };
}

async function eraseAccount({ users, claims, hashOf, cipher }: Collections, userId: string): Promise<number> {
  const user = await users.findById(userId).lean();
  if (user === null) return 0;
  const linked = user.directoryHash === undefined ? [] : [`directory:${user.directoryHash}`];
  let erased = 0;
  for (const _id of new Set([...claimIds(identityOf(user, cipher), hashOf), ...linked])) {
    erased += (await claims.deleteOne({ _id, userId })).deletedCount;
  }
  await users.deleteOne({ _id: userId });
  return erased;
}

async function claimAll(claims: Model<ClaimDocument>, ids: string[], userId: string): Promise<boolean> {
  for (let missing = ids; missing.length > 0; ) {
    if (await insertClaims(claims, missing, userId)) return true;
    const known = await claims.find({ _id: trusted({ $in: ids }) }).lean();
    if (known.some((claim) => claim.userId !== userId)) return false;
    // an earlier attempt of the same user has made some of the claims
    missing = ids.filter((id) => !known.some((claim) => claim._id === id));
  }
  return true;
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
  return kind === 'email' ? emailKey(value) : currentNumber(value);
}

/** The claims by which an identifier is found; the first that exists counts. */
function identifierClaims(identifier: Identifier, hashOf: HashOf): string[] {
  const { kind, value } = identifier;
  const values = kind === 'phone' ? phonesOf(value) : [claimedAs(identifier)];
  return values.flatMap((one) => hashOf.all(kind, one).map((hash) => `${kind}:${hash}`));
}

function isLookalike(claimId: string): boolean {
  return claimId.startsWith('lookalike:');
}

function documentOf(account: NewAccount, hashOf: HashOf, cipher: Cipher): UserDocument {
  const { username, fullName, email, phone, directoryId, groups } = account.identity;
  return {
    _id: account.userId,
    ...(username && { username }),
    ...(fullName && { fullName }),
    ...(email && { emailEncrypted: cipher.encryptText(email), emailHash: hashOf('email', emailKey(email)) }),
    ...(phone && { phoneNumberEncrypted: cipher.encryptText(phone), phoneNumberHash: hashOf('phone', phone) }),
    ...(directoryId && {
      directoryHash: hashOf('directory', directoryId),
      directoryIdEncrypted: cipher.encryptText(directoryId),
    }),
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
    ...(user.phoneNumberEncrypted && { phone: currentNumber(cipher.decryptText(user.phoneNumberEncrypted)) }),
    ...(user.phoneChangedAt && { phoneChangedAt: user.phoneChangedAt }),
    groups: user.groups,
    roles: user.roles,
    createdAt: user.createdAt,
    ...(user.disabledAt && { disabledAt: user.disabledAt }),
    ...(user.locale && { locale: user.locale }),
    registrationIds: user.registrationIds ?? [],
    ...(user.deletionAt && { deletionAt: user.deletionAt }),
    ...(user.deletionId && { deletionId: user.deletionId }),
    ...epochsOf(user),
  };
}

function epochsOf({ epoch, passedRegistrationId, passedEpoch = 0 }: UserDocument): Pick<Account, 'epoch' | 'passed'> {
  return {
    ...(epoch && { epoch }),
    ...(passedRegistrationId && { passed: { registrationId: passedRegistrationId, epoch: passedEpoch } }),
  };
}
