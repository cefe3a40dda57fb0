/**
 * Purge: what has expired and does not end by itself is removed, and leaves an event. Started by the schedule `purge`.
 *
 * Codes, sessions, limits, seals and read models end by the time to live of their Redis keys.
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { PurgeActivities } from '../activities/purge.ts';

const { purgeExpired } = proxyActivities<PurgeActivities>({
  startToCloseTimeout: '1h',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5m' },
});

/** Removes what has expired; answers how much. Safe to run again. */
export async function purge(): Promise<{ claims: number }> {
  return purgeExpired({ runId: workflowInfo().runId });
}
