/** The account of a person: words and ids. */

/** The id of the workflow that takes away or gives back the access of a person: one of them runs at a time. */
export function userAdministrationWorkflowId(userId: string): string {
  return `user-administration:${userId}`;
}

/** The id of the workflow of one change of roles. */
export function userRolesWorkflowId(changeId: string): string {
  return `user-roles:${changeId}`;
}

/** What only its person knows. */
export const credentialKinds = ['password', 'pin'] as const;
export type CredentialKind = (typeof credentialKinds)[number];

/** The id of the workflow of one change of a credential. */
export function credentialChangeWorkflowId(changeId: string): string {
  return `credential-change:${changeId}`;
}

/** The id of the workflow that sends the code for a new PIN. */
export function pinResetWorkflowId(resetId: string): string {
  return `pin-reset:${resetId}`;
}

/** The id of the workflow that changes the name, number or address of a person: one of them runs at a time. */
export function identityChangeWorkflowId(userId: string): string {
  return `identity-change:${userId}`;
}

/** The id of the workflow of one deletion of an account; the erasure that it begins keeps it, so it names nobody. */
export function accountDeletionWorkflowId(deletionId: string): string {
  return `account-deletion:${deletionId}`;
}

/** The id of the workflow that erases what a deletion is about; it knows nobody by name. */
export function accountErasureWorkflowId(deletionId: string): string {
  return `account-erasure:${deletionId}`;
}

/** The id of the workflow that sends the code which proves a new number or address. */
export function contactCodeWorkflowId(changeId: string): string {
  return `contact-code:${changeId}`;
}

/** The id of the workflow of one recovery of a forgotten password. */
export function recoveryWorkflowId(recoveryId: string): string {
  return `recovery:${recoveryId}`;
}

/** How a person is named at a log-in. A number is E.164. */
export interface Identifier {
  kind: 'username' | 'phone' | 'email';
  value: string;
}

/** What ends sessions by itself, from the configuration. Milliseconds. */
export interface SessionLife {
  /** Without activity. */
  idleMs: number;
  /** However active it is. */
  lifeMs: number;
  /** Of a refresh token that is not used. */
  refreshMs: number;
  /** A person has one session; a new one ends the one before. */
  isSingle: boolean;
}

/** How long a refresh token that is given out now lives: never longer than its session may. Milliseconds. */
export function refreshLife({ refreshMs }: SessionLife, endsAt: number, now: number): number {
  return Math.min(refreshMs, endsAt - now);
}

/** The id of the workflow that tries a name and password at the directory. */
export function directoryLogInWorkflowId(attemptId: string): string {
  return `directory-login:${attemptId}`;
}

/** The role that may do what is under /admin. */
export const adminRole = 'admin';
/** The role that every person has. */
const everybodysRole = 'user';

/** Tells whether a text can be a role: what it means beside `admin` is up to who reads the tokens. */
export function isRole(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(text);
}

/** Roles as they are stored: each once, in one order, with that of everybody. */
export function rolesOf(names: readonly string[]): string[] {
  return [...new Set([everybodysRole, ...names])].sort();
}
