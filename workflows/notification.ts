/**
 * A notification: a message to the owner of an account about it. Others start it and do not wait for its end.
 *
 * 1. Read where it goes: what the account has at that moment, unless it is to go elsewhere.
 * 2. Send it by every channel of its kind, once each; none waits for another.
 *
 * Nothing is undone. While the database or a provider is away the notification is parked and goes on by itself; after three
 * days it is given up. An account that has nothing for the channels of the kind gets none.
 */

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  startChild,
  upsertSearchAttributes,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { DeliveryActivities } from '../activities/delivery.ts';
import type { NotificationActivities, OwnerToWarn, Warned } from '../activities/notifications.ts';
import {
  type Notification,
  type NotificationChannel,
  notificationChannels,
  notificationWorkflowId,
} from '../domain/notifications.ts';
import type { ClientKind } from '../domain/verification.ts';
import { DependencyCalls } from './dependency-calls.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { stateAttributesOf, userAttributesOf } from './search-attributes.ts';

/** By channel; none when there is no such account, or it has no address. `refused`: the provider would not carry it. */
export type NotificationOutcome = Partial<Record<NotificationChannel, 'sent' | 'refused' | 'given-up'>>;

const giveUpMs = 3 * 86_400_000;

const { findRecipients, findOwner } = proxyActivities<NotificationActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { sendNotification } = proxyActivities<DeliveryActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** Sends a notification; answers what became of it. */
export async function notification({
  userId,
  kind,
  recipients: named,
  cause,
}: Notification): Promise<NotificationOutcome | 'given-up'> {
  const until = Date.now() + giveUpMs;
  const dependencyCalls = createDependencyCalls(() => Date.now() > until);
  const recipients = named ?? (await dependencyCalls.callWhenAvailable('database', () => findRecipients({ userId })));
  if (recipients === undefined) return 'given-up';
  const { runId } = workflowInfo();
  const outcomes = recipients
    .filter(({ channel }) => notificationChannels[kind].includes(channel))
    .map(async (recipient) => {
      const notificationId = `${runId}-${recipient.channel}`;
      const isSent = await dependencyCalls.callWhenAvailable(recipient.channel, () =>
        sendNotification({ notificationId, userId, kind, ...(cause && { cause }), ...recipient }),
      );
      return [recipient.channel, outcomeOf(isSent)] as const;
    });
  return Object.fromEntries(await Promise.all(outcomes));
}

function outcomeOf(isSent: boolean | undefined): 'sent' | 'refused' | 'given-up' {
  if (isSent === undefined) return 'given-up';
  return isSent ? 'sent' : 'refused';
}

/**
 * Has a notification sent to the owner of an account, for a workflow: it ends without waiting for the notification, which outlives it. A
 * second notification of the same kind and occasion is not sent. From the api, start `notification` under `notificationWorkflowId`.
 */
export async function notifyOwner(told: Notification): Promise<void> {
  try {
    await startChild(notification, {
      args: [told],
      workflowId: notificationWorkflowId(told),
      taskQueue: 'registration',
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      staticSummary: `Notice: ${told.kind}`,
      typedSearchAttributes: userAttributesOf(told.userId),
    });
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
}

/**
 * Tells the owner of an account that their number or address is being registered, at most once a day or after each stop by
 * the owner: whoever types it learns nothing by it, and cannot fill a mailbox.
 */
export async function sendSecurityAlert(address: Warned, client?: ClientKind): Promise<void> {
  const found: OwnerToWarn | string | null = await findOwner(address);
  if (found === null) return;
  const at = Date.now();
  // histories of an earlier version have the id of the account alone
  const owner =
    typeof found === 'string' ? { userId: found, occasion: new Date(at).toISOString().slice(0, 10) } : found;
  await notifyOwner({ ...owner, kind: 'number-registered', cause: { at, ...(client && { client }) } });
}

/** What a flow without steps asks of outside systems: operators see that it waits, and for what. */
export function createDependencyCalls(isOver: () => boolean): DependencyCalls {
  const timeline: string[] = [];
  const dependencyCalls = new DependencyCalls({
    isOver,
    note(text) {
      timeline.push(`- ${new Date().toISOString().slice(0, 19)} ${text}`);
      setCurrentDetails(timeline.join('\n'));
    },
    show: () => undefined,
    async announce() {
      const [waitingFor] = dependencyCalls.unavailable;
      upsertSearchAttributes(
        stateAttributesOf({ state: waitingFor ? 'waiting' : 'pending', ...(waitingFor && { waitingFor }) }),
      );
    },
    resumed: () => undefined,
  });
  return dependencyCalls;
}
