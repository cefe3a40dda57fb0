/**
 * Wake-up: tells a device that is not connected to connect, by its push provider. Callers do not wait for it.
 *
 * 1. Read the push registration of the device, and confirm that no other wake-up precedes this one.
 * 2. Send it, unless the device has connected meanwhile.
 * 3. If the provider says that the registration is dead, remove it.
 *
 * There are no compensations. While the database or the provider is unavailable, the wake-up waits, no shorter than the
 * provider asks, and continues automatically; after a day it is given up.
 */
import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  proxyActivities,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type {
  PushRegistrationActivities,
  PushSendingActivities,
  StoredPush,
  WakeUpInput,
  WakeUpOccasion,
} from '../activities/push.ts';
import { type PushResult, type WakeUpReason, wakeUpSeconds } from '../domain/push.ts';
import { wakeUpWorkflowId } from '../domain/workflow-ids.ts';
import type { DependencyCalls } from './dependency-calls.ts';
import { Flow } from './flow.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userAttributesOf } from './search-attributes.ts';

const { claimWakeUps, findPush, removePush } = proxyActivities<PushRegistrationActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { sendWakeUp, sendTestPush } = proxyActivities<PushSendingActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** Wakes up a device. Returns the outcome; `not-needed` if the device cannot be reached or has connected. */
export async function wakeUp(input: WakeUpInput): Promise<PushResult['result'] | 'not-needed' | 'given-up'> {
  const until = Date.now() + wakeUpSeconds * 1000;
  const { calls } = new Flow({ isOver: () => Date.now() > until });
  const push = await calls.callWhenAvailable('database', () => findPush(input));
  if (push === undefined) return 'given-up';
  if (push === null) return 'not-needed';
  const sent = await calls.callWhenAvailable('push', () => sendWakeUp({ ...input, registration: push.registration }));
  if (sent?.result === 'token-dead') await calls.callWhenAvailable('database', () => removePush({ ...input, ...push }));
  return sent === undefined ? 'given-up' : (sent?.result ?? 'not-needed');
}

/** Sends a wake-up to test a push registration, once, and returns what the provider answered. Removes a dead one. */
export async function pushTest(input: WakeUpInput & StoredPush): Promise<PushResult> {
  const tested = await sendTestPush(input);
  if (tested.result === 'token-dead') await removePush(input);
  return tested;
}

/**
 * Wakes up every device of a user, or one, from a workflow, which does not wait for it and may end before. Safe to repeat with the
 * same occasion. The api does so by `api/wake-up.ts`.
 */
export async function wakeDevices(
  calls: DependencyCalls,
  { reason, ...whose }: WakeUpOccasion & { reason: WakeUpReason },
): Promise<void> {
  const claimed = await calls.callWhenAvailable('database', () => claimWakeUps(whose));
  for (const one of claimed ?? []) {
    await startChild(wakeUp, {
      args: [{ ...one, reason }],
      workflowId: wakeUpWorkflowId(one.wakeUpId),
      taskQueue: 'registration',
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: `Wake-up: ${reason}`,
      typedSearchAttributes: userAttributesOf(whose.userId),
    });
  }
}
