/**
 * Spans of workflows and activities. A workflow cannot decrypt its trace, so it reports the end of a part through a
 * sink. The span id of a part is derived from its run id and the call that caused it, so that activities can derive
 * their parent.
 */
import { createHash } from 'node:crypto';
import type { Info } from '@temporalio/activity';
import type { Headers } from '@temporalio/common';
import type { InjectedSinks } from '@temporalio/worker';
import { traceOf } from '../adapters/temporal/trace.ts';
import { traceHeader } from '../domain/trace.ts';
import type { Cipher } from '../platform/crypto.ts';
import { traces } from '../platform/log.ts';
import { childOf, inSpan, partsOf, type RecordSpan } from '../platform/spans.ts';
import type { TraceSinks } from '../workflows/trace.ts';

/** Creates the sinks through which workflows report the end of their parts. */
export function createTraceSinks(cipher: Cipher, record: RecordSpan): InjectedSinks<TraceSinks> {
  return {
    trace: {
      ended: {
        callDuringReplay: false,
        fn({ workflowId, runId }, { name, encryptedTrace, beganAt, failure }) {
          const trace = traceOf({ [traceHeader]: { data: encryptedTrace } }, cipher);
          if (trace === undefined) return;
          const traceparent = partOfRun(trace.traceparent, runId);
          const { spanId: parentId } = partsOf(trace.traceparent);
          const attributes = { temporalWorkflowID: workflowId, temporalRunID: runId };
          record({ name, kind: 'internal', traceparent, parentId, beganAt, attributes, failure });
        },
      },
    },
  };
}

/** Runs an activity in the trace of its headers, as a child span of the part of the workflow that scheduled it. */
export function runTraced<T>(
  { headers, info }: { headers: Headers; info: Info },
  cipher: Cipher,
  record: RecordSpan,
  act: () => Promise<T>,
): Promise<T> {
  const trace = traceOf(headers, cipher);
  if (trace === undefined) return act();
  const { activityType, attempt, workflowExecution } = info;
  const { workflowId = '', runId = '' } = workflowExecution ?? {};
  const attributes = { temporalWorkflowID: workflowId, temporalRunID: runId, attempt };
  const span = { name: `RunActivity:${activityType}`, kind: 'internal', attributes } as const;
  const traceparent = partOfRun(trace.traceparent, runId);
  return traces.run({ ...trace, traceparent }, () => inSpan(record, span, act));
}

/** Returns the `traceparent` of the part of a workflow that a call caused, as a child of that call. */
function partOfRun(traceparent: string, runId: string): string {
  const spanId = createHash('sha256')
    .update(`${runId} ${partsOf(traceparent).spanId}`)
    .digest('hex')
    .slice(0, 16);
  return childOf(traceparent, spanId);
}
