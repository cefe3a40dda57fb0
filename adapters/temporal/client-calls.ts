/** Asks workflows, with deadlines, and turns what they refuse into failures. */
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
import { newId } from '../../platform/crypto.ts';
import { isTaskFailure } from './connect.ts';

/** A worker that was killed is back, and its task given to it again, well before this. */
const updateMs = 20_000;

/**
 * Executes an update of a workflow and returns its result. Safe to repeat with the same `updateId`: Temporal returns the first
 * result again.
 *
 * @throws {Failure} what the workflow refuses, registration-closed when it has ended, unavailable after the deadline
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

/** Asks until the workflow says something, as far as there is time; each try is the same order, by its id. */
async function answerWithin<Answer>(temporal: Client, deadline: number, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await temporal.withDeadline(deadline, ask);
    } catch (err) {
      if (!isTaskFailure(err) || Date.now() + taskFailurePauseMs > deadline) throw refusalOf(err);
      await pause(taskFailurePauseMs);
    }
  }
}

/** How a workflow is started by its first order. */
export interface WorkflowStart<W extends Workflow> {
  workflow: W;
  workflowId: string;
  args: Parameters<W>;
  staticSummary: string;
  typedSearchAttributes?: SearchAttributePair[];
  /** Longest wait for the answer to the order. */
  waitMs?: number;
}

/**
 * Sends an order to a workflow and starts the workflow when it does not run yet, in one call. Safe to repeat when `updateId`
 * is the same, and for many at once: of first orders at the same time one starts the workflow and the others find it; one that
 * comes when the workflow is over starts none, so that what has ended has no second life.
 *
 * @throws {Failure} what the workflow refuses, registration-closed when it is over, unavailable after the deadline
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

/** Starts a workflow, once: a repeat finds that it was started, also when it is over. Unavailable after 10 s: throws. */
export async function startWorkflow<W extends Workflow>(
  { temporal }: { temporal: Client },
  workflow: W,
  options: WorkflowStartOptions<W>,
): Promise<void> {
  const once = { ...options, workflowIdReusePolicy: 'REJECT_DUPLICATE', workflowTaskTimeout: '5s' } as const;
  try {
    await temporal.withDeadline(Date.now() + startMs, () =>
      temporal.workflow.start(workflow, once as WorkflowStartOptions<W>),
    );
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
}

/** Runs a workflow that answers within 20 s. @throws {Error} an outage after that */
export async function executeWorkflow<W extends Workflow>(
  { temporal }: { temporal: Client },
  workflow: W,
  options: WorkflowStartOptions<W>,
): Promise<WorkflowResultType<W>> {
  const once = { ...options, workflowTaskTimeout: '5s', workflowExecutionTimeout: '1m' } as WorkflowStartOptions<W>;
  return temporal.withDeadline(Date.now() + updateMs, () => temporal.workflow.execute(workflow, once));
}

/** How a workflow that is one at a time is run. */
export interface SingletonOptions<W extends Workflow> {
  workflowId: string;
  args: Parameters<W>;
  staticSummary: string;
  typedSearchAttributes?: SearchAttributePair[];
  workflowIdReusePolicy?: 'ALLOW_DUPLICATE_FAILED_ONLY';
  /** Longest wait for its end; it goes on by itself afterwards. */
  waitMs: number;
}

/**
 * Runs a workflow of which one runs at a time, or waits for the same one that is under way already, and answers its result.
 *
 * @throws {Failure} unavailable: another one of the same id is under way, or it is not done in time
 */
export async function executeSingleton<W extends Workflow>(
  { temporal }: { temporal: Client },
  workflow: W,
  { waitMs, ...options }: SingletonOptions<W>,
): Promise<Awaited<ReturnType<W>>> {
  const within = <T>(ask: () => Promise<T>, ms = updateMs) => temporal.withDeadline(Date.now() + ms, ask);
  const handle = temporal.workflow.getHandle(options.workflowId);
  const start = { ...options, taskQueue: 'registration' } as unknown as WorkflowStartOptions<Workflow>;
  try {
    await within(() => temporal.workflow.start(workflow.name, start));
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
    const { type } = await within(() => handle.describe());
    if (type !== workflow.name) {
      throw new Failure('unavailable', {
        message: 'Something else of this account is being changed. Try again in a moment.',
      });
    }
  }
  try {
    return (await within(() => handle.result(), waitMs)) as Awaited<ReturnType<W>>;
  } catch (err) {
    const { status } = await within(() => handle.describe());
    if (status.name !== 'RUNNING') throw err;
    throw new Failure('unavailable', {
      message:
        'It was begun and goes on by itself, but is not done yet: a registration worker, MongoDB or Redis is away',
    });
  }
}

/** Tells a workflow something that it may do without: nothing happens when it is over. */
export async function signalWorkflow<Told>(
  { temporal }: { temporal: Client },
  workflowId: string,
  signal: SignalDefinition<[Told]>,
  told: Told,
): Promise<void> {
  try {
    await temporal.workflow.getHandle(workflowId).signal(signal, told);
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
