/**
 * Recovery of a forgotten password. Whoever asks was answered before, without a look at who is named.
 *
 * 1. Find the account that is named: nobody, and it ends.
 * 2. Warn its owner by every way that the message does not go, at most once a day: a stranger can cause it.
 * 3. Send its owner, at the address of the account, how to choose a new password and how to stop this.
 *
 * What follows is in the hands of who has the message: a new password is a `credentialChange`. Nothing is undone. While the
 * database or the provider is away the recovery is parked and goes on by itself; after an hour it is given up.
 */
import { proxyActivities, upsertSearchAttributes } from '@temporalio/workflow';
import type { RecoveryActivities, RecoverySending } from '../activities/recovery.ts';
import type { Identifier } from '../domain/account.ts';
import { createDependencyCalls, notifyOwner } from './notification.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userAttributesOf } from './search-attributes.ts';

export interface RecoveryInput {
  recoveryId: string;
  identifier: Identifier;
  /** Life of the message, in seconds. */
  ttlSeconds: number;
}

const giveUpMs = 3_600_000;

const { findRecoverable } = proxyActivities<RecoveryActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { sendRecovery } = proxyActivities<RecoverySending>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** Sends the message; answers what became of it. */
export async function recovery(input: RecoveryInput): Promise<'sent' | 'refused' | 'nobody' | 'given-up'> {
  const { recoveryId, identifier, ttlSeconds } = input;
  const until = Date.now() + giveUpMs;
  const dependencyCalls = createDependencyCalls(() => Date.now() > until);
  const found = await dependencyCalls.callWhenAvailable('database', () => findRecoverable({ identifier }));
  if (found === null) return 'nobody';
  if (found === undefined) return 'given-up';
  const { userId, recipient, others } = found;
  upsertSearchAttributes(userAttributesOf(userId));
  if (others.length > 0) {
    const occasion = new Date().toISOString().slice(0, 10);
    await notifyOwner({ userId, kind: 'recovery-asked', occasion, recipients: others });
  }
  const isSent = await dependencyCalls.callWhenAvailable(recipient.channel, () =>
    sendRecovery({ ...recipient, userId, recoveryId, ttlSeconds }),
  );
  if (isSent === undefined) return 'given-up';
  return isSent ? 'sent' : 'refused';
}
