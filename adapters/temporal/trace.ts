/** Carries the trace of a request into the workflow it starts or updates, as a header. */
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { traces } from '../../platform/log.ts';

/** Name of the header; read by workflows/trace.ts and by the activity interceptor of the workers. */
const traceHeader = 'vyry-trace';

/** Adds the running request's trace to every start and update. Ids only: headers are not encrypted. */
export const traceInterceptor: WorkflowClientInterceptor = {
  start: (input, next) => next({ ...input, headers: withTrace(input.headers) }),
  startUpdate: (input, next) => next({ ...input, headers: withTrace(input.headers) }),
};

function withTrace(headers: Headers): Headers {
  const trace = traces.getStore();
  return trace === undefined ? headers : { ...headers, [traceHeader]: defaultPayloadConverter.toPayload(trace) };
}
