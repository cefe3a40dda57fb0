/**
 * The access of a person: taken and given back.
 *
 * Disabling:
 * 1. Mark the account disabled: from then on it gets no session.
 * 2. End every session it has: from then on its access tokens are refused.
 * 3. Leave the event.
 *
 * Nothing is undone: each step is repeated until it is done, however long its system is away. Both workflows of a person
 * have one id, so that one of them runs at a time.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { UserAccessActivities } from '../activities/user-access.ts';
import { heartbeatTimeout, retry } from './retries.ts';

export interface UserAccessInput {
  userId: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
  /** Name of the operator, when one was given. */
  operator?: string | undefined;
}

const { disableAccount, endSessions, enableAccount, tellDisabled, tellEnabled } = proxyActivities<UserAccessActivities>(
  {
    startToCloseTimeout: '30s',
    heartbeatTimeout,
    retry,
  },
);

/** Disables an account and ends its sessions; answers how many it ended. Safe to run again. */
export async function userDisabling(input: UserAccessInput): Promise<{ sessionsEnded: number }> {
  await disableAccount(input);
  const sessionsEnded = await endSessions(input);
  await tellDisabled(input);
  return { sessionsEnded };
}

/** Lets a disabled account begin sessions again; those that were ended stay so. Safe to run again. */
export async function userEnabling(input: UserAccessInput): Promise<void> {
  await enableAccount(input);
  await tellEnabled(input);
}
