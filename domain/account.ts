/** Accounts: their data, workflow ids, identifiers, session lifetimes and roles. */

/** An account. */
export interface Account {
  userId: string;
  username?: string;
  fullName?: string;
  email?: string;
  phone?: string;
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
}

/** An account and the hash of its password, if it has one. */
export interface AccountWithHashes {
  account: Account;
  hash: string | undefined;
}

/** Returns the id of the workflow that disables or enables a user. It is per user, so one of them runs at a time. */
export function userAdministrationWorkflowId(userId: string): string {
  return `user-administration:${userId}`;
}

/** Returns the id of the workflow of a role change. */
export function userRolesWorkflowId(changeId: string): string {
  return `user-roles:${changeId}`;
}

/** The kinds of credentials that an account can have. */
export const credentialKinds = ['password', 'pin'] as const;
/** A kind of credential. */
export type CredentialKind = (typeof credentialKinds)[number];

/** Returns the id of the workflow of a credential change. */
export function credentialChangeWorkflowId(changeId: string): string {
  return `credential-change:${changeId}`;
}

/** Returns the id of the workflow that sends the code for a PIN reset. */
export function pinResetWorkflowId(resetId: string): string {
  return `pin-reset:${resetId}`;
}

/**
 * Returns the id of the workflow that changes a user's name, number or address. It is per user, so one runs at a time.
 */
export function identityChangeWorkflowId(userId: string): string {
  return `identity-change:${userId}`;
}

/** Returns the id of the workflow of an account deletion. It outlives the erasure, so it contains no user id. */
export function accountDeletionWorkflowId(deletionId: string): string {
  return `account-deletion:${deletionId}`;
}

/** Returns the id of the workflow that erases a deleted account. It contains no user id. */
export function accountErasureWorkflowId(deletionId: string): string {
  return `account-erasure:${deletionId}`;
}

/** Returns the id of the workflow that sends the code to prove a new number or address. */
export function contactCodeWorkflowId(changeId: string): string {
  return `contact-code:${changeId}`;
}

/** Returns the id of the workflow of a password recovery. */
export function recoveryWorkflowId(recoveryId: string): string {
  return `recovery:${recoveryId}`;
}

/** How a user is identified at a log-in. A number is in E.164 format. */
export interface Identifier {
  kind: 'username' | 'phone' | 'email';
  value: string;
}

/** Configured lifetimes of sessions, in milliseconds. */
export interface SessionLife {
  /** Idle timeout. */
  idleMs: number;
  /** Absolute lifetime, regardless of activity. */
  lifeMs: number;
  /** Lifetime of an unused refresh token. */
  refreshMs: number;
  /** A user has at most one session; a new one ends the previous one. */
  isSingle: boolean;
}

/** Returns the lifetime of a refresh token issued now, in milliseconds. It never outlives its session. */
export function refreshLife({ refreshMs }: SessionLife, endsAt: number, now: number): number {
  return Math.min(refreshMs, endsAt - now);
}

/** Returns the id of the workflow that checks a user name and password against the directory. */
export function directoryLogInWorkflowId(attemptId: string): string {
  return `directory-login:${attemptId}`;
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
