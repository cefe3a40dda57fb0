/**
 * Calls of the Temporal client, with deadlines. Refusals of workflows become failures.
 *
 * A call takes at most what is left of the budget of its request. A wait for what a workflow does has its own time, outside the
 * budget, as long as Temporal answers meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import {
  type Client,
  WithStartWorkflowOperation,
  type Workflow,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type WorkflowResultType,
  type WorkflowStartOptions,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import {
  ApplicationFailure,
  type SearchAttributePair,
  type SignalDefinition,
  type UpdateDefinition,
} from '@temporalio/common';
import { Failure, type FailureContext, isFailureCode } from '../../domain/failures.ts';
import { callTime, outsideBudget } from '../../platform/budget.ts';
import { newId } from '../../platform/crypto.ts';
import { askServing, isTaskFailure, isTemporalOutage } from './connect.ts';

/** Deadline of an update: longer than a killed worker needs to restart and to get its task again. */
const updateMs = 20_000;

/**
 * Executes an update of a workflow and returns its result. Safe to repeat with the same `updateId`: Temporal returns
 * the first result again.
 *
 * @throws {Failure} the failure with which the workflow refuses it, registration-closed when the workflow has ended,
 *   unavailable after the deadline
 */
export async function executeUpdate<Answer, Args extends [unknown] | []>(
  { temporal }: { temporal: Client },
  workflowId: string,
  update: UpdateDefinition<Answer, Args>,
  { args, updateId = newId() }: { args: Args; updateId?: string },
): Promise<Answer> {
  const handle = temporal.workflow.getHandle(workflowId);
  const options = { args, updateId } as Parameters<typeof handle.executeUpdate>[1];
  return (await answerWithin(temporal, Date.now() + updateMs, () =>
    handle.executeUpdate(update as UpdateDefinition<unknown, never>, options as never),
  )) as Answer;
}

const taskFailurePauseMs = 200;

/** How often Temporal is asked during a wait whether it still serves, and the time that it has for its answer. */
const lookMs = 5000;

/**
 * Waits for what a workflow does, for at most `ms`. It ends earlier if Temporal itself does not answer: then there is nothing
 * to wait for.
 */
function waitWhileServed<T>(temporal: Client, ms: number, ask: () => Promise<T>): Promise<T> {
  return outsideBudget(async () => {
    const away = new AbortController();
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    const plan = () => {
      if (!isOver) timer = setTimeout(() => void look(), lookMs);
    };
    const look = async () => {
      // another error is an answer too, such as that of a server without the health service
      const isAway = (err: unknown) => err instanceof Failure || isTemporalOutage(err);
      await askServing(temporal, lookMs).catch((err: unknown) => (isAway(err) ? away.abort() : undefined));
      plan();
    };
    plan();
    try {
      return await temporal.withAbortSignal(away.signal, () => temporal.withDeadline(Date.now() + ms, ask));
    } finally {
      isOver = true;
      clearTimeout(timer);
    }
  });
}

/** Repeats an update after workflow task failures until the deadline. Each attempt has the same update id. */
async function answerWithin<Answer>(temporal: Client, deadline: number, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await waitWhileServed(temporal, deadline - Date.now(), ask);
    } catch (err) {
      if (!isTaskFailure(err) || Date.now() + taskFailurePauseMs > deadline) throw refusalOf(err);
      await pause(taskFailurePauseMs);
    }
  }
}

/** How a workflow is started by its first update. */
export interface WorkflowStart<W extends Workflow> {
  workflow: W;
  workflowId: string;
  args: Parameters<W>;
  staticSummary: string;
  typedSearchAttributes?: SearchAttributePair[];
  /** Longest wait for the result of the update. */
  waitMs?: number;
  /** For a workflow that waits for longer than a build should run: a deploy moves it. */
  versioningOverride?: 'AUTO_UPGRADE';
}

/**
 * Executes an update and starts the workflow if it does not run yet, in one call (update-with-start). Safe to repeat
 * with the same `updateId`. Of concurrent first updates one starts the workflow and the others use it. After the
 * workflow has ended, an update does not start it again.
 *
 * @throws {Failure} the failure with which the workflow refuses it, registration-closed when the workflow has ended,
 *   unavailable after the deadline
 */
export async function updateWithStart<Answer, Args extends [unknown] | [], W extends Workflow>(
  { temporal }: { temporal: Client },
  { workflow, waitMs = updateMs, ...start }: WorkflowStart<W>,
  update: UpdateDefinition<Answer, Args>,
  args: Args,
  updateId = newId(),
): Promise<Answer> {
  const options = {
    ...start,
    taskQueue: 'registration',
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowTaskTimeout: '5s',
  } as unknown as WorkflowStartOptions<Workflow> & { workflowIdConflictPolicy: 'USE_EXISTING' };
  const ask = () => {
    const startWorkflowOperation = new WithStartWorkflowOperation<Workflow>(workflow, options);
    const given = { args, updateId, startWorkflowOperation };
    return temporal.workflow.executeUpdateWithStart(update as UpdateDefinition<unknown, [unknown]>, given as never);
  };
  return (await answerWithin(temporal, Date.now() + waitMs, ask)) as Answer;
}

const startMs = 10_000;

/**
 * Starts a workflow once: repeats do nothing, even after it has ended.
 *
 * @throws {Error} Temporal is unavailable for 10 s, or for the rest of the budget
 */
export async function startWorkflow<W extends Workflow>(
  { temporal }: { temporal: Client },
  workflow: W,
  options: WorkflowStartOptions<W>,
): Promise<void> {
  const once = { ...options, workflowIdReusePolicy: 'REJECT_DUPLICATE', workflowTaskTimeout: '5s' } as const;
  try {
    await temporal.withDeadline(Date.now() + callTime(startMs), () =>
      temporal.workflow.start(workflow, once as WorkflowStartOptions<W>),
    );
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
}

/** Executes a workflow and returns its result. @throws {Error} no result within 20 s */
export async function executeWorkflow<W extends Workflow>(
  { temporal }: { temporal: Client },
  workflow: W,
  options: WorkflowStartOptions<W>,
): Promise<WorkflowResultType<W>> {
  const once = { ...options, workflowTaskTimeout: '5s', workflowExecutionTimeout: '1m' } as WorkflowStartOptions<W>;
  const handle = await temporal.withDeadline(Date.now() + callTime(startMs), () =>
    temporal.workflow.start(workflow, once),
  );
  return waitWhileServed(temporal, updateMs, () => handle.result());
}

/** The options of `executeSingleton`. */
export interface SingletonOptions<W extends Workflow> {
  workflowId: string;
  args: Parameters<W>;
  staticSummary: string;
  typedSearchAttributes?: SearchAttributePair[];
  workflowIdReusePolicy?: 'ALLOW_DUPLICATE_FAILED_ONLY';
  /** Longest wait for its end. The workflow continues afterwards. */
  waitMs: number;
}

/**
 * Executes a workflow of which only one may run at a time, or waits for the running one of the same type, and returns
 * its result.
 *
 * @throws {Failure} unavailable: a workflow of another type runs with the same id, or no result in time
 */
export async function executeSingleton<W extends Workflow>(
  { temporal }: { temporal: Client },
  workflow: W,
  { waitMs, ...options }: SingletonOptions<W>,
): Promise<Awaited<ReturnType<W>>> {
  const within = <T>(ask: () => Promise<T>) => temporal.withDeadline(Date.now() + callTime(startMs), ask);
  const handle = temporal.workflow.getHandle(options.workflowId);
  const start = { ...options, taskQueue: 'registration' } as unknown as WorkflowStartOptions<Workflow>;
  try {
    await within(() => temporal.workflow.start(workflow.name, start));
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
    const { type } = await within(() => handle.describe());
    if (type !== workflow.name) {
      throw new Failure('unavailable', {
        message: 'Another change of this account is in progress. Try again in a moment.',
      });
    }
  }
  try {
    return (await waitWhileServed(temporal, waitMs, () => handle.result())) as Awaited<ReturnType<W>>;
  } catch (err) {
    const { status } = await within(() => handle.describe());
    if (status.name !== 'RUNNING') throw err;
    throw new Failure('unavailable', {
      message:
        'The change was started and will complete when a registration worker, MongoDB and Redis are available again',
    });
  }
}

/** Sends a signal to a workflow. Does nothing if the workflow has ended. */
export async function signalWorkflow<Told>(
  { temporal }: { temporal: Client },
  workflowId: string,
  signal: SignalDefinition<[Told]>,
  told: Told,
): Promise<void> {
  try {
    await temporal.withDeadline(Date.now() + callTime(startMs), () =>
      temporal.workflow.getHandle(workflowId).signal(signal, told),
    );
  } catch (err) {
    if (!(err instanceof WorkflowNotFoundError)) throw err;
  }
}

function refusalOf(err: unknown): unknown {
  const isOver = err instanceof WorkflowNotFoundError || err instanceof WorkflowExecutionAlreadyStartedError;
  if (isOver) return new Failure('registration-closed');
  if (err instanceof WorkflowUpdateFailedError && err.cause instanceof ApplicationFailure) {
    const { type, details } = err.cause;
    if (isFailureCode(type)) return new Failure(type, (details?.[0] ?? {}) as FailureContext);
  }
  return err;
}
