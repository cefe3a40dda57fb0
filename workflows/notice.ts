/**
 * A notice: a message to the owner of an account about it. Others start it and do not wait for its end.
 *
 * 1. Read where it goes: what the account has at that moment, unless it is to go elsewhere.
 * 2. Send it by every channel of its kind, once each; none waits for another.
 *
 * Nothing is undone. While the database or a provider is away the notice is parked and goes on by itself; after three
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
import type { NoticeActivities, OwnerToWarn, Warned } from '../activities/notices.ts';
import { type Notice, type NoticeChannel, noticeChannels, noticeWorkflowId } from '../domain/notices.ts';
import type { ClientKind } from '../domain/verification.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { stateAttributesOf, userAttributesOf } from './search-attributes.ts';
import { Undertakings } from './undertakings.ts';

/** By channel; none when there is no such account, or it has no address. `refused`: the provider would not carry it. */
export type NoticeOutcome = Partial<Record<NoticeChannel, 'sent' | 'refused' | 'given-up'>>;

const giveUpMs = 3 * 86_400_000;

const { findRecipients, findOwner } = proxyActivities<NoticeActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { sendNotice } = proxyActivities<DeliveryActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** Sends a notice; answers what became of it. */
export async function notice({ userId, kind, recipients: named, cause }: Notice): Promise<NoticeOutcome | 'given-up'> {
  const until = Date.now() + giveUpMs;
  const undertakings = parking(() => Date.now() > until);
  const recipients = named ?? (await undertakings.untilAvailable('database', () => findRecipients({ userId })));
  if (recipients === undefined) return 'given-up';
  const { runId } = workflowInfo();
  const outcomes = recipients
    .filter(({ channel }) => noticeChannels[kind].includes(channel))
    .map(async (recipient) => {
      const noticeId = `${runId}-${recipient.channel}`;
      const isSent = await undertakings.untilAvailable(recipient.channel, () =>
        sendNotice({ noticeId, userId, kind, ...(cause && { cause }), ...recipient }),
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
 * Has a notice sent to the owner of an account, for a workflow: it ends without waiting for the notice, which outlives it. A
 * second notice of the same kind and occasion is not sent. From the api, start `notice` under `noticeWorkflowId`.
 */
export async function notifyOwner(told: Notice): Promise<void> {
  try {
    await startChild(notice, {
      args: [told],
      workflowId: noticeWorkflowId(told),
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
export async function warnOwner(address: Warned, client?: ClientKind): Promise<void> {
  const found: OwnerToWarn | string | null = await findOwner(address);
  if (found === null) return;
  const at = Date.now();
  // histories of an earlier version have the id of the account alone
  const owner =
    typeof found === 'string' ? { userId: found, occasion: new Date(at).toISOString().slice(0, 10) } : found;
  await notifyOwner({ ...owner, kind: 'number-registered', cause: { at, ...(client && { client }) } });
}

/** What a flow without steps asks of outside systems: operators see that it waits, and for what. */
export function parking(isOver: () => boolean): Undertakings {
  const timeline: string[] = [];
  const undertakings = new Undertakings({
    isOver,
    note(text) {
      timeline.push(`- ${new Date().toISOString().slice(0, 19)} ${text}`);
      setCurrentDetails(timeline.join('\n'));
    },
    show: () => undefined,
    async announce() {
      const [waitingFor] = undertakings.parked;
      upsertSearchAttributes(
        stateAttributesOf({ state: waitingFor ? 'waiting' : 'pending', ...(waitingFor && { waitingFor }) }),
      );
    },
    resumed: () => undefined,
  });
  return undertakings;
}
