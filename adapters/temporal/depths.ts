/**
 * How much waits in Temporal: tasks for our workers, registrations for outside systems. For metrics.
 *
 * Consistency: eventual; Temporal lists what changed with a delay of about a second, and calls its backlogs approximate.
 * Timeout: 2 s. Away: throws.
 */
import type { Client } from '@temporalio/client';
import type { WaitingFor } from '../../domain/registration.ts';
import { type TemporalRole, temporalRoles } from '../../platform/config.ts';

/** What waits for the workers of a role. */
export interface QueueDepth {
  queue: TemporalRole;
  kind: 'workflow' | 'activity';
  tasks: number;
  /** Of the oldest task. */
  ageSeconds: number;
}

/** What registrations are waiting for: a person, or a system that is away. */
export interface WaitingRegistrations {
  waitingFor: WaitingFor | 'person';
  count: number;
}

const deadlineMs = 2000;
/** As Temporal's protocol numbers them. */
const kinds = { workflow: 1, activity: 2 } as const;
const systems = ['directory', 'sms', 'voice', 'email', 'database'] as const satisfies WaitingFor[];

/** The backlogs of all task queues of ours; workflow tasks on their way to the worker that knows the workflow are left out. */
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

/** The running registrations by what they wait for. */
export function countWaiting(client: Client): Promise<WaitingRegistrations[]> {
  const running = 'WorkflowType = "registration" AND ExecutionStatus = "Running"';
  const count = async (more: string) => (await client.workflow.count(`${running} AND ${more}`)).count;
  return client.withDeadline(Date.now() + deadlineMs, () =>
    Promise.all([
      ...systems.map(async (waitingFor) => ({ waitingFor, count: await count(`VyryWaitingFor = "${waitingFor}"`) })),
      count('VyryWaitingFor IS NULL').then((people) => ({ waitingFor: 'person' as const, count: people })),
    ]),
  );
}
