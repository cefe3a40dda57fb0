/** Hands the trace of a request on: from the start or update that it caused to the activities that follow from it. */
import {
  type ActivityInput,
  AsyncLocalStorage,
  type Headers,
  type LocalActivityInput,
  type Next,
  type UpdateInput,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { traceHeader } from '../domain/trace.ts';

const trace = new AsyncLocalStorage<Headers[string] | undefined>();

const inbound: WorkflowInboundCallsInterceptor = {
  execute: (input: WorkflowExecuteInput, next: Next<WorkflowInboundCallsInterceptor, 'execute'>) =>
    trace.run(input.headers[traceHeader], () => next(input)),
  handleUpdate: (input: UpdateInput, next: Next<WorkflowInboundCallsInterceptor, 'handleUpdate'>) =>
    trace.run(input.headers[traceHeader], () => next(input)),
};

const outbound: WorkflowOutboundCallsInterceptor = {
  scheduleActivity: (input: ActivityInput, next: Next<WorkflowOutboundCallsInterceptor, 'scheduleActivity'>) =>
    next({ ...input, headers: withTrace(input.headers) }),
  scheduleLocalActivity: (
    input: LocalActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleLocalActivity'>,
  ) => next({ ...input, headers: withTrace(input.headers) }),
};

/** The name Temporal looks for in an interceptor module. */
export const interceptors = (): WorkflowInterceptors => ({ inbound: [inbound], outbound: [outbound] });

function withTrace(headers: Headers): Headers {
  const payload = trace.getStore();
  return payload === undefined ? headers : { ...headers, [traceHeader]: payload };
}
