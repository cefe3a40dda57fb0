/** Wake-ups of devices that the api starts: their push providers tell them to connect. */
import { startWorkflow } from '../adapters/temporal/client-calls.ts';
import type { WakeUpReason } from '../domain/push.ts';
import { wakeUpWorkflowId } from '../domain/workflow-ids.ts';
import { newId } from '../platform/crypto.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import { wakeUp as wakeUpWorkflow } from '../workflows/wake-up.ts';
import type { ApiDeps } from './deps.ts';

/** The dependencies of wake-ups. */
export type WakeUpDeps = Pick<ApiDeps, 'devices' | 'wakeUps' | 'temporal' | 'events'>;

/** Whom to wake up, and why. */
export interface WakeUpRequest {
  userId: string;
  /** One device; absent: every device of the user. */
  deviceId?: string;
  reason: WakeUpReason;
}

/**
 * Wakes up devices of a user that have a push registration, without waiting for their providers. A device is woken up once
 * until it connects. Never rejects: a wake-up that cannot be started is lost, and an event records that.
 *
 * @returns false if a wake-up was lost
 */
export async function wakeUp(deps: WakeUpDeps, { userId, deviceId, reason }: WakeUpRequest): Promise<boolean> {
  try {
    const devices = (await deps.devices.read(userId))?.devices ?? [];
    const wakeable = devices.filter((one) => one.push !== undefined && one.deviceId === (deviceId ?? one.deviceId));
    const asked = wakeable.map((one) => wakeDevice(deps, { userId, deviceId: one.deviceId, reason }));
    return (await Promise.all(asked)).every(Boolean);
  } catch {
    return false;
  }
}

async function wakeDevice(
  { wakeUps, temporal, events }: WakeUpDeps,
  { userId, deviceId, reason }: Required<WakeUpRequest>,
): Promise<boolean> {
  const wakeUpId = newId();
  try {
    if (!(await wakeUps.claim({ userId, deviceId, wakeUpId }))) return true;
    await startWorkflow({ temporal }, wakeUpWorkflow, {
      taskQueue: 'registration',
      workflowId: wakeUpWorkflowId(wakeUpId),
      staticSummary: `Wake-up: ${reason}`,
      args: [{ userId, deviceId, wakeUpId, reason }],
      typedSearchAttributes: userAttributesOf(userId),
    });
    return true;
  } catch {
    events.wakeUpLost({ userId, deviceId, wakeUpId, why: reason });
    await wakeUps.release({ userId, deviceId, wakeUpId }).catch(() => undefined);
    return false;
  }
}
