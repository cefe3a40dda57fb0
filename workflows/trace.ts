/**
 * The interceptors of all workflows. The inputs of activities on other task queues are addressed to them, so that the worker
 * seals them to their role.
 *
 * Trace propagation: passes the trace context of a request from the workflow start or update to the activities and
 * child workflows it causes, and reports when a workflow or update handler ends. Reports go through a sink: they add
 * nothing to the history, and no workflow waits for them.
 */
import {
  type ActivityInput,
  ApplicationFailure,
  AsyncLocalStorage,
  type Headers,
  type LocalActivityInput,
  type Next,
  proxySinks,
  type Sinks,
  type StartChildWorkflowExecutionInput,
  type UpdateInput,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
  workflowInfo,
} from '@temporalio/workflow';
import { addressed } from '../domain/addressed.ts';
import { traceHeader } from '../domain/trace.ts';

/** A finished part of a workflow: a run, or the handling of an update. */
export interface EndedPart {
  name: string;
  /** The trace context as received. A workflow cannot decrypt it. */
  encryptedTrace: Uint8Array;
  /** Workflow time, in milliseconds since the Unix epoch. */
  beganAt: number;
  failure?: string;
}

/** The sinks that the worker implements. */
export interface TraceSinks extends Sinks {
  trace: { ended(part: EndedPart): void };
}

const trace = new AsyncLocalStorage<Headers[string] | undefined>();
const { trace: listener } = proxySinks<TraceSinks>();

const inbound: WorkflowInboundCallsInterceptor = {
  execute: (input: WorkflowExecuteInput, next: Next<WorkflowInboundCallsInterceptor, 'execute'>) =>
    within(`RunWorkflow:${workflowInfo().workflowType}`, input.headers, () => next(input)),
  handleUpdate: (input: UpdateInput, next: Next<WorkflowInboundCallsInterceptor, 'handleUpdate'>) =>
    within(`HandleUpdate:${input.name}`, input.headers, () => next(input)),
};

const outbound: WorkflowOutboundCallsInterceptor = {
  scheduleActivity: (input: ActivityInput, next: Next<WorkflowOutboundCallsInterceptor, 'scheduleActivity'>) =>
    next({ ...input, args: addressedArgs(input), headers: withTrace(input.headers) }),
  scheduleLocalActivity: (
    input: LocalActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleLocalActivity'>,
  ) => next({ ...input, headers: withTrace(input.headers) }),
  startChildWorkflowExecution: (
    input: StartChildWorkflowExecutionInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'startChildWorkflowExecution'>,
  ) => next(forgetting.includes(input.workflowType) ? input : { ...input, headers: withTrace(input.headers) }),
};

/** What the own queue reads stays readable for the workflow. */
function addressedArgs({ args, options: { taskQueue } }: ActivityInput): unknown[] {
  if (taskQueue === undefined || taskQueue === workflowInfo().taskQueue) return args;
  return args.map((arg) => addressed(taskQueue, arg));
}

/** Workflows that outlive the user's data: their trace would identify the request and its source. */
const forgetting = ['accountErasure'];

/** Returns the interceptors. Temporal requires this export name in an interceptor module. */
export const interceptors = (): WorkflowInterceptors => ({ inbound: [inbound], outbound: [outbound] });

/** Returns the promise unchanged: an extra microtask could change the order of commands on replay. */
function within(name: string, headers: Headers, run: () => Promise<unknown>): Promise<unknown> {
  const payload = headers[traceHeader];
  const running = trace.run(payload, run);
  if (!payload?.data) return running;
  const part = { name, encryptedTrace: payload.data, beganAt: Date.now() };
  running.then(
    () => listener.ended(part),
    (err: unknown) => listener.ended({ ...part, failure: failureName(err) }),
  );
  return running;
}

/** Returns the type only: the message may quote user input. */
function failureName(err: unknown): string {
  if (err instanceof ApplicationFailure && err.type) return err.type;
  return err instanceof Error ? err.name : typeof err;
}

function withTrace(headers: Headers): Headers {
  const payload = trace.getStore();
  return payload === undefined ? headers : { ...headers, [traceHeader]: payload };
}
