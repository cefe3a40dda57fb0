/** Inspection of Temporal for operators: the namespace, its search attributes, pollers and pending activities. */
import { type Client, isGrpcServiceError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/index.js';

/** gRPC status. */
const notFound = 5;

/** temporal.api.enums.v1.TaskQueueType */
const taskQueueTypes = { workflow: 1, activity: 2 } as const;

/** temporal.api.enums.v1.PendingActivityState */
const activityStates = ['unknown', 'scheduled', 'started', 'cancel-requested', 'paused', 'pause-requested'];

/** A pending activity of a workflow. */
export interface PendingActivity {
  name: string;
  state: string;
  attempt: number;
  /** Type of the last failure. Its message is left out, because it may contain personal data. */
  lastFailure?: string;
  nextTryAt?: Date;
}

/** Returns whether the namespace exists. @throws {Error} Temporal is unavailable */
export async function hasNamespace({ workflowService, options }: Client): Promise<boolean> {
  try {
    await workflowService.describeNamespace({ namespace: options.namespace });
    return true;
  } catch (err) {
    if (isGrpcServiceError(err) && err.code === notFound) return false;
    throw err;
  }
}

/** Returns the names of the custom search attributes of the namespace. */
export async function readSearchAttributes({ connection, options }: Client): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: options.namespace });
  return Object.keys(customAttributes ?? {});
}

/** Returns how many workers poll a task queue. */
export async function countPollers(
  { workflowService, options }: Client,
  taskQueue: string,
  kind: keyof typeof taskQueueTypes,
): Promise<number> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: taskQueueTypes[kind],
  });
  return pollers?.length ?? 0;
}

/** Returns the pending activities of a workflow. */
export async function readPendingActivities(client: Client, workflowId: string): Promise<PendingActivity[]> {
  const { raw } = await client.workflow.getHandle(workflowId).describe();
  return Promise.all(
    (raw.pendingActivities ?? []).map(async (activity) => {
      const { activityType, state, attempt, lastFailure, nextAttemptScheduleTime: next } = activity;
      const failure = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, lastFailure);
      return {
        name: activityType?.name ?? 'unknown',
        state: activityStates[Number(state ?? 0)] ?? 'unknown',
        attempt: attempt ?? 1,
        ...(failure && { lastFailure: failureType(failure) }),
        ...(next && { nextTryAt: new Date(Number(next.seconds ?? 0) * 1000 + Number(next.nanos ?? 0) / 1e6) }),
      };
    }),
  );
}

function failureType(failure: Error): string {
  return failure instanceof ApplicationFailure ? (failure.type ?? failure.name) : failure.name;
}
