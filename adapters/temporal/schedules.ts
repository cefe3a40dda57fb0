/** Temporal schedules. */
import {
  type ConnectionLike,
  ScheduleAlreadyRunning,
  ScheduleClient,
  ScheduleOverlapPolicy,
  type Workflow,
} from '@temporalio/client';

/** A workflow that Temporal starts at an interval. */
export interface Schedule {
  id: string;
  workflow: Workflow;
  taskQueue: string;
  everySeconds: number;
  /** Description for operators in the Temporal Web UI; not encrypted. */
  note: string;
}

/**
 * Creates or updates a schedule. Safe to repeat, also from several processes. A run is skipped while one is running.
 */
export async function ensureSchedule(
  connection: ConnectionLike,
  namespace: string,
  { id, workflow, taskQueue, everySeconds, note }: Schedule,
): Promise<void> {
  const client = new ScheduleClient({ connection, namespace });
  const spec = { intervals: [{ every: everySeconds * 1000 }] };
  try {
    await client.create({
      scheduleId: id,
      spec,
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1h' },
      action: { type: 'startWorkflow', workflowType: workflow, taskQueue, workflowId: id },
      state: { note },
    });
  } catch (err) {
    if (!(err instanceof ScheduleAlreadyRunning)) throw err;
    await client.getHandle(id).update((known) => ({ ...known, spec }));
  }
}
