/**
 * User administration: disable an account, enable it, change its roles.
 *
 * Disabling:
 * 1. Mark the account disabled: from then on it gets no new sessions.
 * 2. If an admin asked and no enabled admin is left, remove the mark and end.
 * 3. End its sessions: from then on its access tokens are refused.
 * 4. Emit the event.
 *
 * Role change:
 * 1. Write the roles into the account: from then on the api authorizes by them.
 * 2. If an admin asked and no enabled admin is left, write the former roles and end.
 * 3. Copy them into the sessions.
 * 4. Emit the event.
 *
 * Step 2 comes after the effect, so that of two admins who remove each other at the same instant at least one stays: the
 * later check sees both effects. An operator at the command line may remove the last admin, and appoint another.
 *
 * Each step is retried until it succeeds, however long its dependency is unavailable.
 * Disabling and enabling a user share one workflow id, so only one of them runs at a time. The later of two role
 * changes wins.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { UserAdministrationActivities } from '../activities/user-administration.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The input of `userDisabling` and `userEnabling`. */
export interface UserAdministrationInput {
  userId: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
  /** Operator name, if given. */
  operator?: string | undefined;
  /** Refuses the change when no enabled admin would be left. */
  keepsAdmin?: boolean;
}

/** The input of `userRoleChange`. */
export interface UserRolesInput extends UserAdministrationInput {
  /** The complete new set of roles. */
  roles: string[];
}

const activities = proxyActivities<UserAdministrationActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { disableAccount, endSessions, enableAccount, tellDisabled, tellEnabled } = activities;
const { changeRoles, changeSessionRoles, tellRoles, readRoles, hasAdmin } = activities;

/** What an administrator learns of a change. */
export type AdministrationOutcome = 'changed' | 'last-admin';

/** Disables an account and ends its sessions. Returns how many sessions ended. Idempotent. */
export async function userDisabling(
  input: UserAdministrationInput,
): Promise<{ sessionsEnded: number; outcome: AdministrationOutcome }> {
  await disableAccount(input);
  if (input.keepsAdmin && !(await hasAdmin())) {
    await enableAccount(input);
    return { sessionsEnded: 0, outcome: 'last-admin' };
  }
  const sessionsEnded = await endSessions({ ...input, reason: 'suspended' });
  await tellDisabled(input);
  return { sessionsEnded, outcome: 'changed' };
}

/** Enables a disabled account. Ended sessions stay ended. Idempotent. */
export async function userEnabling(input: UserAdministrationInput): Promise<void> {
  await enableAccount(input);
  await tellEnabled(input);
}

/** Replaces the roles of a user. Idempotent. */
export async function userRoleChange(input: UserRolesInput): Promise<AdministrationOutcome> {
  const before = input.keepsAdmin ? await readRoles(input) : [];
  await changeRoles(input);
  if (input.keepsAdmin && !(await hasAdmin())) {
    await changeRoles({ ...input, roles: before });
    return 'last-admin';
  }
  await changeSessionRoles(input);
  await tellRoles(input);
  return 'changed';
}
