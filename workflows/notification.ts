/**
 * Notification: a message to the owner of an account about that account. Callers start it and do not wait for it.
 *
 * 1. Read the recipients from the account, unless the caller names them.
 * 2. Send it once by every channel of its kind, and wake up the devices of the account, in parallel.
 *
 * There are no compensations. While the database or a provider is unavailable, the notification waits and continues
 * automatically; after three days it is given up. An account without an address for these channels gets none.
 */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  proxyLocalActivities,
  startChild,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { NotificationSendingActivities } from '../activities/notification-sending.ts';
import type { NotificationActivities, Warned } from '../activities/notifications.ts';
import {
  type Notification,
  type NotificationChannel,
  notificationChannels,
  wakesDevices,
} from '../domain/notifications.ts';
import type { ClientKind } from '../domain/verification.ts';
import { notificationWorkflowId } from '../domain/workflow-ids.ts';
import { DependencyCalls } from './dependency-calls.ts';
import { Flow } from './flow.ts';
import { heartbeatTimeout, localStep, retry } from './retries.ts';
import { userAttributesOf } from './search-attributes.ts';
import { wakeDevices } from './wake-up.ts';

/** Outcome by channel; empty without an account or address. `refused`: the provider refused the message. */
export type NotificationOutcome = Partial<Record<NotificationChannel, 'sent' | 'refused' | 'given-up'>>;

const giveUpMs = 3 * 86_400_000;

const { findRecipients, findOwner } = proxyActivities<NotificationActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
/** One attempt in the workflow worker, which costs a sixth of an activity. */
const atOnce = proxyLocalActivities<NotificationActivities>({ ...localStep, retry: { maximumAttempts: 1 } });
const { sendNotification } = proxyActivities<NotificationSendingActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** Sends a notification. Returns the outcome. */
export async function notification({
  userId,
  kind,
  recipients: named,
  cause,
}: Notification): Promise<NotificationOutcome | 'given-up'> {
  const until = Date.now() + giveUpMs;
  const { calls } = new Flow({ isOver: () => Date.now() > until });
  const recipients = named ?? (await calls.callWhenAvailable('database', () => findRecipients({ userId })));
  if (recipients === undefined) return 'given-up';
  const { runId } = workflowInfo();
  const woken = wakesDevices(kind) && wakeDevices(calls, { userId, occasion: runId, reason: 'notification' });
  const [outcomes] = await Promise.all([send(calls, { userId, kind, recipients, ...(cause && { cause }) }), woken]);
  return outcomes;
}

/** A notification whose recipients are known. */
type Addressed = Pick<Notification, 'userId' | 'kind' | 'cause'> & Required<Pick<Notification, 'recipients'>>;

/** Sends a notification once by every channel of its kind, while its caller lets `calls` continue. */
async function send(
  calls: DependencyCalls,
  { userId, kind, recipients, cause }: Addressed,
): Promise<NotificationOutcome> {
  const { runId } = workflowInfo();
  const outcomes = recipients
    .filter(({ channel }) => notificationChannels[kind].includes(channel))
    .map(async (recipient) => {
      const notificationId = `${runId}-${recipient.channel}`;
      const isSent = await calls.callWhenAvailable(recipient.channel, () =>
        sendNotification({ notificationId, userId, kind, ...(cause && { cause }), ...recipient }),
      );
      return [recipient.channel, outcomeOf(isSent)] as const;
    });
  return Object.fromEntries(await Promise.all(outcomes));
}

/**
 * Sends a notification in the calling workflow, which costs a quarter of a workflow of its own, and waits for it: also
 * while a provider is unavailable, at most as long as `notification`. It is part of the timeline of that workflow.
 */
export async function sendNotificationHere(flow: Flow, told: Addressed): Promise<void> {
  const until = Date.now() + giveUpMs;
  const calls = new DependencyCalls({
    isOver: () => Date.now() > until,
    note: (text) => flow.note(text),
    show: () => flow.show(),
    announce: async () => flow.change(),
    resumed: () => undefined,
  });
  await send(calls, told);
}

function outcomeOf(isSent: boolean | undefined): 'sent' | 'refused' | 'given-up' {
  if (isSent === undefined) return 'given-up';
  return isSent ? 'sent' : 'refused';
}

/**
 * Starts a notification from a workflow. The workflow does not wait for it and may end before it. A second notification
 * of the same kind and occasion is not sent. The api starts `notification` with `notificationWorkflowId` instead.
 */
export async function notifyOwner(told: Notification): Promise<void> {
  try {
    await startChild(notification, {
      ...childOptionsOf(told),
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
    });
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
}

/** Sends a notification from a workflow and waits until it ends, also while a provider is unavailable. */
export async function notifyOwnerAndWait(told: Notification): Promise<void> {
  await executeChild(notification, childOptionsOf(told));
}

/** The notification outlives the workflow that starts it. */
function childOptionsOf(told: Notification) {
  return {
    args: [told] as [Notification],
    workflowId: notificationWorkflowId(told),
    taskQueue: 'registration',
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `Notification: ${told.kind}`,
    typedSearchAttributes: userAttributesOf(told.userId),
  };
}

/**
 * Notifies the owner of an account that their number or address is being registered, at most once a day and once after
 * each stop by the owner. The registering user cannot see whether there is an owner and cannot flood the mailbox.
 */
export async function sendSecurityAlert(address: Warned, client?: ClientKind): Promise<void> {
  const owner = await atOnce.findOwner(address).catch(() => findOwner(address));
  if (owner === null) return;
  await notifyOwner({ ...owner, kind: 'number-registered', cause: { at: Date.now(), ...(client && { client }) } });
}
