/** Schedules: what Temporal starts by itself, again and again, and shows in its UI. */
import {
  type ConnectionLike,
  ScheduleAlreadyRunning,
  ScheduleClient,
  ScheduleOverlapPolicy,
  type Workflow,
} from '@temporalio/client';

/** One workflow, again and again. */
export interface Schedule {
  id: string;
  workflow: Workflow;
  taskQueue: string;
  everySeconds: number;
  /** What it is for, as operators read it; not encrypted. */
  note: string;
}

/** Makes sure of a schedule; safe to repeat and from many processes. A run that takes long is not run into. */
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
