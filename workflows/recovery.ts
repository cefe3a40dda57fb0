/**
 * Recovery of a forgotten password. The api has already responded, without looking up the account.
 *
 * 1. Find the named account. Without one, the workflow ends.
 * 2. Warn its owner by every channel that the message does not use, at most once a day, since anyone can request a
 *    recovery.
 * 3. Send the owner, at the address of the account, a link to choose a new password and a link to stop the recovery. Both
 *    count only while the account is in the epoch of step 1. An SMS waits until the limit of its number allows it.
 *
 * The new password is a separate `credentialChange`. There are no compensations. While the database or the provider is
 * unavailable, the recovery waits and continues automatically; after an hour it is given up.
 */
import { proxyActivities, sleep, upsertSearchAttributes } from '@temporalio/workflow';
import type { NotificationSendingActivities } from '../activities/notification-sending.ts';
import type { RecoveryActivities } from '../activities/recovery.ts';
import type { Identifier } from '../domain/account.ts';
import { Flow } from './flow.ts';
import { notifyOwner } from './notification.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userAttributesOf } from './search-attributes.ts';

/** The input of a recovery. */
export interface RecoveryInput {
  recoveryId: string;
  identifier: Identifier;
  /** Lifetime of the links, in seconds. */
  ttlSeconds: number;
}

const giveUpMs = 3_600_000;

const { findRecoverable } = proxyActivities<RecoveryActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { sendRecovery } = proxyActivities<NotificationSendingActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** Sends the recovery message. Returns the outcome; `nobody` when no account matches. */
export async function recovery(input: RecoveryInput): Promise<'sent' | 'refused' | 'nobody' | 'given-up'> {
  const { recoveryId, identifier, ttlSeconds } = input;
  const until = Date.now() + giveUpMs;
  const { calls } = new Flow({ isOver: () => Date.now() > until });
  const found = await calls.callWhenAvailable('database', () => findRecoverable({ identifier }));
  if (found === null) return 'nobody';
  if (found === undefined) return 'given-up';
  const { userId, recipient, others, epoch } = found;
  upsertSearchAttributes(userAttributesOf(userId));
  if (others.length > 0) {
    const occasion = new Date().toISOString().slice(0, 10);
    await notifyOwner({ userId, kind: 'recovery-asked', occasion, recipients: others });
  }
  const send = () =>
    calls.callWhenAvailable(recipient.channel, () =>
      sendRecovery({ ...recipient, userId, recoveryId, ttlSeconds, epoch, until }),
    );
  let sent = await send();
  while (typeof sent === 'object') {
    await sleep(sent.retryAfterSeconds * 1000);
    sent = await send();
  }
  if (sent === undefined) return 'given-up';
  return sent ? 'sent' : 'refused';
}
