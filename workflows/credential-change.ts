/**
 * Credential change: a new password or PIN of a person, and what follows from it.
 *
 * 1. Store the hash: from then on the old one is wrong.
 * 2. End the other sessions of the person.
 * 3. Leave the event.
 * 4. Have the owner told.
 *
 * Nothing is undone: each step is repeated until it is done, however long its system is away. When the sealed hash outlives
 * its two minutes before it is stored, nothing was changed and the workflow fails as `unavailable`.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { CredentialActivities, CredentialInput } from '../activities/credentials.ts';
import { notifyOwner } from './notification.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** A change, as its steps take it. */
export type CredentialChangeInput = CredentialInput;

const { storeCredential, endOtherSessions, tellCredentialChanged } = proxyActivities<CredentialActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});

/** Changes a password or PIN; answers how many sessions it ended. Safe to run again. */
export async function credentialChange(input: CredentialChangeInput): Promise<{ sessionsEnded: number }> {
  const { changeId: occasion, userId, kind } = input;
  if ((await storeCredential(input)) === 'lost') throw refusal('unavailable');
  const sessionsEnded = await endOtherSessions(input);
  await tellCredentialChanged(input);
  await notifyOwner({ userId, kind: `${kind}-changed`, occasion });
  return { sessionsEnded };
}
