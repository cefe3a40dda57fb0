/**
 * User administration: disable an account, enable it, change its roles.
 *
 * Disabling:
 * 1. Mark the account disabled: from then on it gets no new sessions.
 * 2. End its sessions: from then on its access tokens are refused.
 * 3. Emit the event.
 *
 * Role change:
 * 1. Write the roles into the account: from then on the api authorizes by them.
 * 2. Copy them into the sessions.
 * 3. Emit the event.
 *
 * There are no compensations: each step is retried until it succeeds, however long its dependency is unavailable.
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
const { changeRoles, changeSessionRoles, tellRoles } = activities;

/** Disables an account and ends its sessions. Returns how many sessions ended. Idempotent. */
export async function userDisabling(input: UserAdministrationInput): Promise<{ sessionsEnded: number }> {
  await disableAccount(input);
  const sessionsEnded = await endSessions(input);
  await tellDisabled(input);
  return { sessionsEnded };
}

/** Enables a disabled account. Ended sessions stay ended. Idempotent. */
export async function userEnabling(input: UserAdministrationInput): Promise<void> {
  await enableAccount(input);
  await tellEnabled(input);
}

/** Replaces the roles of a user. Idempotent. */
export async function userRoleChange(input: UserRolesInput): Promise<void> {
  await changeRoles(input);
  await changeSessionRoles(input);
  await tellRoles(input);
}
