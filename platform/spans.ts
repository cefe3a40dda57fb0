/**
 * Spans: the timed parts of a trace, from a request through Temporal to the activities. They contain names from the
 * code, states and random ids, but no user input and no error messages.
 */
import { auditTextMax } from '../domain/audit.ts';
import { Failure } from '../domain/failures.ts';
import { newId, randomHex } from './crypto.ts';
import { type Trace, traces } from './log.ts';

/** One timed piece of work. */
export interface Span {
  name: string;
  kind: 'server' | 'client' | 'internal';
  /** Its own trace id, span id and flags: W3C Trace Context, version 00. */
  traceparent: string;
  /** Id of the parent span. */
  parentId?: string | undefined;
  /** Milliseconds since the Unix epoch, as `now` returns them. */
  beganAt: number;
  attributes: Record<string, string | number>;
  /** The failure code or the name of an error class, if it failed. */
  failure?: string | undefined;
}

/** Records a span that ends now. It returns immediately and never throws. */
export type RecordSpan = (span: Span) => void;

/** Returns the milliseconds since the Unix epoch, with fractions. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Continues the trace of a `traceparent` header, or begins a new trace. The sampled flag of the header decides whether
 * the trace is recorded. A new trace is sampled by its trace id, so that every process makes the same decision.
 * https://www.w3.org/TR/trace-context/
 */
export function beginTrace(
  given: string | undefined,
  sampledShare: number,
): { traceparent: string; parentId?: string } {
  const parent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.exec(given ?? '')?.[0];
  if (parent !== undefined) return { traceparent: childOf(parent), parentId: partsOf(parent).spanId };
  const ownId = newId();
  // 52 bits of the trace id: a number represents them exactly
  const isSampled = Number.parseInt(ownId.slice(-13), 16) < sampledShare * 2 ** 52;
  return { traceparent: `00-${ownId}-${newSpanId()}-${isSampled ? '01' : '00'}` };
}

/**
 * Returns the trace context of an incoming request. Without a `traceparent` it begins a trace that is recorded. It
 * takes the request id of the caller if that is valid, otherwise a new one.
 */
export function requestTrace(given: {
  ip: string | undefined;
  userAgent: string | undefined;
  requestId?: string | undefined;
  traceparent?: string;
}): Trace {
  const { ip = '', userAgent = '', traceparent = beginTrace(undefined, 1).traceparent } = given;
  const requestId = /^[\w.:-]{1,128}$/.exec(given.requestId ?? '')?.[0] ?? newId();
  // one object for all spans of the request, which have copies of its trace
  return { requestId, traceparent, ip, userAgent: userAgent.slice(0, auditTextMax), about: {} };
}

/** Returns the `traceparent` of a child span. */
export function childOf(traceparent: string, spanId = newSpanId()): string {
  const { traceId, flags } = partsOf(traceparent);
  return `00-${traceId}-${spanId}-${flags}`;
}

/** Returns the parts of a `traceparent`. */
export function partsOf(traceparent: string): { traceId: string; spanId: string; flags: string } {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
  return { traceId, spanId, flags };
}

/** Runs a function and records it as a span of the current trace. Without a trace it only runs the function. */
export async function inSpan<T>(
  record: RecordSpan,
  { name, kind, attributes = {} }: Pick<Span, 'name' | 'kind'> & Partial<Pick<Span, 'attributes'>>,
  act: () => Promise<T>,
): Promise<T> {
  const trace = traces.getStore();
  if (trace === undefined) return act();
  const traceparent = childOf(trace.traceparent);
  const { spanId: parentId } = partsOf(trace.traceparent);
  const span = { name, kind, traceparent, parentId, beganAt: now(), attributes };
  try {
    const result = await traces.run({ ...trace, traceparent }, act);
    record(span);
    return result;
  } catch (err) {
    record({ ...span, failure: failureName(err) });
    throw err;
  }
}

/** Returns the code of a `Failure`, or the class name of another error. Messages may contain user input. */
export function failureName(err: unknown): string {
  if (err instanceof Failure) return err.code;
  return err instanceof Error ? err.name : typeof err;
}

function newSpanId(): string {
  return randomHex(8);
}
