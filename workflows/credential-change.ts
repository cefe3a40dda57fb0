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
import type { CredentialActivities } from '../activities/credentials.ts';
import type { CredentialKind } from '../domain/account.ts';
import { notifyOwner } from './notice.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

export interface CredentialChangeInput {
  /** The same for every repeat, and of this change alone. */
  changeId: string;
  userId: string;
  kind: CredentialKind;
  /** `change`: by the person, who knew the one before. `reset`: it was forgotten. */
  why: 'change' | 'reset';
  /** Reference of the sealed hash. */
  hashSeal: string;
  /** The session that goes on; none does without. */
  sessionId?: string | undefined;
}

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
