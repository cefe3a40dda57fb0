/**
 * Trace propagation through Temporal: from a request to the workflow that it starts or updates, and on to its
 * activities. Temporal does not encrypt headers, and a trace contains the IP address of the user, so it is encrypted
 * here. The workflow passes it on without reading it.
 */
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { Headers, Payload } from '@temporalio/common';
import { traceHeader } from '../../domain/trace.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { type Trace, traces } from '../../platform/log.ts';
import { inSpan, type RecordSpan } from '../../platform/spans.ts';

/** Creates the interceptor that adds the current trace to every start and update and records a span for each. */
export function traceInterceptor(cipher: Cipher, record: RecordSpan): WorkflowClientInterceptor {
  const withTrace = (headers: Headers): Headers => {
    const trace = traces.getStore();
    return trace === undefined ? headers : { ...headers, [traceHeader]: encrypted(trace, cipher) };
  };
  return {
    start(input, next) {
      const span = spanOf(`StartWorkflow:${input.workflowType}`, input.options.workflowId);
      return inSpan(record, span, () => next({ ...input, headers: withTrace(input.headers) }));
    },
    startUpdate(input, next) {
      const span = spanOf(`UpdateWorkflow:${input.updateName}`, input.workflowExecution.workflowId);
      return inSpan(record, span, () => next({ ...input, headers: withTrace(input.headers) }));
    },
    startUpdateWithStart(input, next) {
      const span = spanOf(`UpdateWorkflow:${input.updateName}`, input.workflowStartOptions.workflowId);
      return inSpan(record, span, () =>
        next({
          ...input,
          workflowStartHeaders: withTrace(input.workflowStartHeaders),
          updateHeaders: withTrace(input.updateHeaders),
        }),
      );
    },
  };
}

/** Returns the trace in headers; undefined if there is none or its key is unknown. */
export function traceOf(headers: Headers, cipher: Cipher): Trace | undefined {
  const data = headers[traceHeader]?.data;
  if (!data) return undefined;
  try {
    return JSON.parse(cipher.decryptText(Buffer.from(data).toString())) as Trace;
  } catch {
    return undefined;
  }
}

function spanOf(name: string, workflowId: string | null | undefined) {
  return { name, kind: 'client', attributes: { temporalWorkflowID: workflowId ?? '' } } as const;
}

function encrypted({ budget: _budget, about: _about, ...trace }: Trace, cipher: Cipher): Payload {
  return {
    metadata: { encoding: Buffer.from('binary/plain') },
    data: Buffer.from(cipher.encryptText(JSON.stringify(trace))),
  };
}
