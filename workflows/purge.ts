/**
 * Purge: removes expired data that has no time to live of its own, and emits an event. Started by the schedule `purge`.
 *
 * Codes, sessions, limits, one-time secrets and read models expire with the time to live of their Redis keys.
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { PurgeActivities } from '../activities/purge.ts';

const { purgeExpired } = proxyActivities<PurgeActivities>({
  startToCloseTimeout: '1h',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5m' },
});

/** Removes expired data. Returns how much was removed. Idempotent. */
export async function purge(): Promise<{ claims: number; keySets: number }> {
  return purgeExpired({ runId: workflowInfo().runId });
}
