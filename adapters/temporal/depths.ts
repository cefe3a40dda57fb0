/**
 * Backlogs in Temporal for metrics: tasks that wait for workers, and registrations that wait for dependencies.
 *
 * Consistency: eventual; the visibility store lags by about a second, and backlog counts are approximate. Timeout: 2 s.
 * When Temporal is unavailable, calls throw.
 */
import type { Client } from '@temporalio/client';
import { type AwaitedSystem, awaitedSystems } from '../../domain/registration.ts';
import { type TemporalRole, temporalRoles } from '../../platform/config/roles.ts';

/** The backlog of a task queue. */
export interface QueueDepth {
  queue: TemporalRole;
  kind: 'workflow' | 'activity';
  tasks: number;
  /** Age of the oldest task. */
  ageSeconds: number;
}

/** The number of registrations that wait for the user or for an unavailable dependency. */
export interface WaitingRegistrations {
  waitingFor: AwaitedSystem | 'person';
  count: number;
}

const deadlineMs = 2000;
/** temporal.api.enums.v1.TaskQueueType */
const kinds = { workflow: 1, activity: 2 } as const;

/** Returns the backlogs of all task queues of Vyry. Sticky queues are not included. */
export function readQueueDepths(client: Client): Promise<QueueDepth[]> {
  const queues = [
    { queue: 'registration', kind: 'workflow' } as const,
    ...temporalRoles.map((queue) => ({ queue, kind: 'activity' }) as const),
  ];
  return client.withDeadline(Date.now() + deadlineMs, () =>
    Promise.all(
      queues.map(async ({ queue, kind }) => {
        const { stats } = await client.workflowService.describeTaskQueue({
          namespace: client.options.namespace,
          taskQueue: { name: queue },
          taskQueueType: kinds[kind],
          reportStats: true,
        });
        const tasks = Number(stats?.approximateBacklogCount ?? 0);
        return { queue, kind, tasks, ageSeconds: Number(stats?.approximateBacklogAge?.seconds ?? 0) };
      }),
    ),
  );
}

/** Counts the running registrations by the dependency that they wait for. */
export function countWaiting(client: Client): Promise<WaitingRegistrations[]> {
  // a completed one runs on until its welcome is sent
  const running = 'WorkflowType = "registration" AND ExecutionStatus = "Running" AND VyryState != "completed"';
  const count = async (more: string) => (await client.workflow.count(`${running} AND ${more}`)).count;
  return client.withDeadline(Date.now() + deadlineMs, () =>
    Promise.all([
      ...awaitedSystems.map(async (waitingFor) => ({
        waitingFor,
        count: await count(`VyryWaitingFor = "${waitingFor}"`),
      })),
      count('VyryWaitingFor IS NULL').then((people) => ({ waitingFor: 'person' as const, count: people })),
    ]),
  );
}
