/** Accounts: their data, identifiers and roles. */

/** Returns whether a text has the form of a user id: a UUID, as the registration makes it, or its 32 digits without hyphens. */
export function isUserId(text: string): boolean {
  return /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/.test(text);
}

/** An account. */
export interface Account {
  userId: string;
  username?: string;
  fullName?: string;
  email?: string;
  phone?: string;
  /** When its number last became another one; absent if it never did. */
  phoneChangedAt?: Date;
  groups: string[];
  roles: string[];
  createdAt: Date;
  /** When it was disabled; absent if it is enabled. */
  disabledAt?: Date;
  /** Language of the messages to its owner, BCP 47. */
  locale?: string;
  /** The registration that created it, and those that passed its registration lock. */
  registrationIds: string[];
  /** When it is deleted, and by which deletion; absent without a planned deletion. */
  deletionAt?: Date;
  deletionId?: string;
  /** How often its credentials, its contact or its state changed; absent before the first change. See `epochOf`. */
  epoch?: number;
  /** The newest registration that passed its registration lock, and the epoch that this led to. */
  passed?: { registrationId: string; epoch: number };
}

/**
 * Returns the epoch of an account. Every proof that is outstanding carries the epoch of the account that it was begun
 * for: the token of a recovery, a code, a password that was just compared. It counts only while the account is still in
 * that epoch (decision 042).
 */
export function epochOf({ epoch = 0 }: Pick<Account, 'epoch'>): number {
  return epoch;
}

/**
 * Returns the epoch in which a completed registration proved the identity of the account: that of its creation, or
 * the one after the registration passed the registration lock.
 */
export function epochOfRegistration({ passed }: Pick<Account, 'passed'>, registrationId: string): number {
  return passed?.registrationId === registrationId ? passed.epoch : 0;
}

/** An account and the hash of its password, if it has one. */
export interface AccountWithHashes {
  account: Account;
  hash: string | undefined;
}

/** The kinds of credentials that an account can have. */
export const credentialKinds = ['password', 'pin'] as const;
/** A kind of credential. */
export type CredentialKind = (typeof credentialKinds)[number];

/** How a user is identified at a log-in. A number is in E.164 format. */
export interface Identifier {
  kind: 'username' | 'phone' | 'email';
  value: string;
}

/** The role required for the endpoints under /admin. */
export const adminRole = 'admin';
/** The role that every user has. */
const everybodysRole = 'user';

/**
 * Returns whether a text is a valid role name. Roles other than `admin` are interpreted by the services that read
 * tokens.
 */
export function isRole(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(text);
}

/** Returns roles as they are stored: deduplicated, sorted, and including `user`. */
export function rolesOf(names: readonly string[]): string[] {
  return [...new Set([everybodysRole, ...names])].sort();
}
