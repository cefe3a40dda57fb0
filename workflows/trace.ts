/**
 * Hands the trace of a request on: from the start or update that it caused to the activities that follow from it, and says
 * when a workflow or the handler of an update has ended. Nothing of this is in the history, and nothing waits for it.
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
import { traceHeader } from '../domain/trace.ts';

/** A part of a workflow that has ended: a run, or the handling of an update. */
export interface EndedPart {
  name: string;
  /** The trace as it came, sealed: a workflow cannot open it. */
  encryptedTrace: Uint8Array;
  /** Milliseconds since the Unix epoch, by the clock of the history. */
  beganAt: number;
  failure?: string;
}

/** What the worker listens to. */
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
    next({ ...input, headers: withTrace(input.headers) }),
  scheduleLocalActivity: (
    input: LocalActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleLocalActivity'>,
  ) => next({ ...input, headers: withTrace(input.headers) }),
  startChildWorkflowExecution: (
    input: StartChildWorkflowExecutionInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'startChildWorkflowExecution'>,
  ) => next(forgetting.includes(input.workflowType) ? input : { ...input, headers: withTrace(input.headers) }),
};

/** Flows that outlive what is known of their person: they are not told who asked, nor from where. */
const forgetting = ['accountErasure'];

/** The name Temporal looks for in an interceptor module. */
export const interceptors = (): WorkflowInterceptors => ({ inbound: [inbound], outbound: [outbound] });

/** The promise is handed on as it is: one more turn in between could reorder what a running workflow does on replay. */
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

/** Never the message: it may quote what people typed. */
function failureName(err: unknown): string {
  if (err instanceof ApplicationFailure && err.type) return err.type;
  return err instanceof Error ? err.name : typeof err;
}

function withTrace(headers: Headers): Headers {
  const payload = trace.getStore();
  return payload === undefined ? headers : { ...headers, [traceHeader]: payload };
}
