/**
 * Removal of a device.
 *
 * 1. Mark it: from then on it has no keys, gets no messages and begins no session.
 * 2. End its sessions: from then on its access and refresh tokens are refused.
 * 3. Remove its one-time keys.
 * 4. Free its id.
 * 5. Emit the event and notify the owner.
 *
 * A session that begins meanwhile is ended by whoever begins it, because the mark comes before step 2. The id is not free
 * before the rest is gone, so that a later device with the same id never meets it.
 *
 * There are no compensations: each step is retried until it succeeds, however long its dependency is unavailable. One
 * removal of a device runs at a time.
 */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, proxyActivities, startChild } from '@temporalio/workflow';
import type { DeviceActivities, DeviceRemovalInput } from '../activities/devices.ts';
import { deviceRemovalWorkflowId } from '../domain/workflow-ids.ts';
import { notifyOwner } from './notification.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userAttributesOf } from './search-attributes.ts';

/** What the removal of a device did; `hasOthers`: other devices of the account remain. */
export type DeviceRemoval = { outcome: 'removed'; hasOthers: boolean } | { outcome: 'missing' };

const activities = proxyActivities<DeviceActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const { markDeviceRemoved, endDeviceSessions, removeDeviceKeys, freeDeviceId, tellDeviceRemoved } = activities;

/** Removes a device with everything of it. `missing`: there is none, or another one has its id. Idempotent. */
export async function deviceRemoval(input: DeviceRemovalInput): Promise<DeviceRemoval> {
  const removed = await markDeviceRemoved(input);
  if (removed === null) return { outcome: 'missing' };
  await endDeviceSessions(removed);
  await removeDeviceKeys(removed);
  const hasOthers = await freeDeviceId(removed);
  await tellDeviceRemoved(removed);
  const { userId, deviceId, removedAt } = removed;
  await notifyOwner({ userId, kind: 'device-removed', occasion: `${deviceId}-${removedAt}` });
  return { outcome: 'removed', hasOthers };
}

/** Starts the removal of a device, which outlives the workflow that starts it. One that is under way continues instead. */
export async function startDeviceRemoval(input: DeviceRemovalInput): Promise<void> {
  try {
    await startChild(deviceRemoval, {
      workflowId: deviceRemovalWorkflowId(input.userId, input.deviceId),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: 'Remove a device',
      typedSearchAttributes: userAttributesOf(input.userId),
    });
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
}
