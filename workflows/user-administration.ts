/**
 * The access of a person: taken, given back, and how far it goes.
 *
 * Disabling:
 * 1. Mark the account disabled: from then on it gets no session.
 * 2. End every session it has: from then on its access tokens are refused.
 * 3. Leave the event.
 *
 * Change of roles:
 * 1. Write them into the account: from then on the api decides by them.
 * 2. Show them in the sessions.
 * 3. Leave the event.
 *
 * Nothing is undone: each step is repeated until it is done, however long its system is away. Disabling and enabling a
 * person have one id, so that one of them runs at a time; of two changes of roles the later one stays.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { UserAdministrationActivities } from '../activities/user-administration.ts';
import { heartbeatTimeout, retry } from './retries.ts';

export interface UserAdministrationInput {
  userId: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
  /** Name of the operator, when one was given. */
  operator?: string | undefined;
}

export interface UserRolesInput extends UserAdministrationInput {
  /** All that the person has from now on. */
  roles: string[];
}

const activities = proxyActivities<UserAdministrationActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { disableAccount, endSessions, enableAccount, tellDisabled, tellEnabled } = activities;
const { changeRoles, changeSessionRoles, tellRoles } = activities;

/** Disables an account and ends its sessions; answers how many it ended. Safe to run again. */
export async function userDisabling(input: UserAdministrationInput): Promise<{ sessionsEnded: number }> {
  await disableAccount(input);
  const sessionsEnded = await endSessions(input);
  await tellDisabled(input);
  return { sessionsEnded };
}

/** Lets a disabled account begin sessions again; those that were ended stay so. Safe to run again. */
export async function userEnabling(input: UserAdministrationInput): Promise<void> {
  await enableAccount(input);
  await tellEnabled(input);
}

/** Gives a person these roles and no others. Safe to run again. */
export async function userRoleChange(input: UserRolesInput): Promise<void> {
  await changeRoles(input);
  await changeSessionRoles(input);
  await tellRoles(input);
}
