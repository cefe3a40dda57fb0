/**
 * Credential change: sets a new password or PIN.
 *
 * 1. Store the hash: from then on the old credential is refused, and with it every outstanding proof. Nothing is stored
 *    when the account has changed since the proof for this change was begun.
 * 2. End the user's other sessions.
 * 3. Emit the event.
 * 4. Notify the owner.
 *
 * There are no compensations: each step is retried until it succeeds, however long its dependency is unavailable. If
 * the one-time secret with the hash expires (two minutes) before it is stored, nothing changes and the workflow fails
 * as `unavailable`.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { CredentialActivities, CredentialInput } from '../activities/credentials.ts';
import { notifyOwner } from './notification.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The input of a credential change. */
export type CredentialChangeInput = CredentialInput;

/** The result of a credential change. */
export interface ChangedCredential {
  sessionsEnded: number;
  isOutdated?: boolean;
}

const { storeCredential, endOtherSessions, tellCredentialChanged } = proxyActivities<CredentialActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});

/**
 * Changes a password or PIN. Returns how many sessions ended, and whether nothing was changed because the account has left
 * the epoch of the proof. Idempotent.
 *
 * @throws {ApplicationFailure} unavailable
 */
export async function credentialChange(input: CredentialChangeInput): Promise<ChangedCredential> {
  const { changeId: occasion, userId, kind } = input;
  const outcome = await storeCredential(input);
  if (outcome === 'lost') throw refusal('unavailable');
  if (outcome === 'outdated') return { sessionsEnded: 0, isOutdated: true };
  const sessionsEnded = await endOtherSessions(input);
  await tellCredentialChanged(input);
  await notifyOwner({ userId, kind: `${kind}-changed`, occasion });
  return { sessionsEnded };
}
