/**
 * Carries the trace of a request through Temporal: into the workflow it starts or updates, and from there to its activities.
 * Temporal encrypts no headers and a trace says where a person is, so it is sealed here; the workflow passes it on unread.
 */
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { Headers, Payload } from '@temporalio/common';
import { traceHeader } from '../../domain/trace.ts';
import type { Secret } from '../../platform/config.ts';
import { type Cipher, createCipher } from '../../platform/crypto.ts';
import { type Trace, traces } from '../../platform/log.ts';
import { inSpan, type RecordSpan } from '../../platform/spans.ts';

/** The box of traces. */
export function createTraceCipher(key: Secret, older: readonly Secret[]): Cipher {
  return createCipher('trace', key, older);
}

/** Adds the running request's trace to every start and update, each of which is a span of it. */
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

/** The trace that headers carry; none when there is none, or its key is gone. */
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

function encrypted(trace: Trace, cipher: Cipher): Payload {
  return {
    metadata: { encoding: Buffer.from('binary/plain') },
    data: Buffer.from(cipher.encryptText(JSON.stringify(trace))),
  };
}
