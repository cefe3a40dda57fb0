/**
 * Spans: the timed parts of a trace, from a request through Temporal to the activities. They carry names of ours, states and
 * random ids, nothing a person typed and no message of an error.
 */
import { auditTextMax } from '../domain/audit.ts';
import { Failure } from '../domain/failures.ts';
import { newId, randomHex } from './crypto.ts';
import { type Trace, traces } from './log.ts';

/** One timed piece of work. */
export interface Span {
  name: string;
  kind: 'server' | 'client' | 'internal';
  /** Its own place in the trace: W3C Trace Context, version 00. */
  traceparent: string;
  /** Id of the span it is a part of. */
  parentId?: string | undefined;
  /** Milliseconds since the Unix epoch, as `now` gives them. */
  beganAt: number;
  attributes: Record<string, string | number>;
  /** What went wrong, by a name of ours or of a class. */
  failure?: string | undefined;
}

/** Takes over a span that ends now, at once and without fail. */
export type RecordSpan = (span: Span) => void;

/** Milliseconds since the Unix epoch, with fractions. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * The place of a request in the trace its caller names, or in a new one. The caller decides whether that trace is recorded,
 * otherwise a share of all does, by the trace id, so that every process would decide the same.
 * https://www.w3.org/TR/trace-context/
 */
export function beginTrace(
  given: string | undefined,
  sampledShare: number,
): { traceparent: string; parentId?: string } {
  const parent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.exec(given ?? '')?.[0];
  if (parent !== undefined) return { traceparent: childOf(parent), parentId: partsOf(parent).spanId };
  const ownId = newId();
  // 52 bits of it, all a number holds for certain
  const isSampled = Number.parseInt(ownId.slice(-13), 16) < sampledShare * 2 ** 52;
  return { traceparent: `00-${ownId}-${newSpanId()}-${isSampled ? '01' : '00'}` };
}

/**
 * The trace of a request from outside: one of its own, which is recorded, unless its caller names one; with the caller's
 * request id if it is a valid one.
 */
export function requestTrace(given: {
  ip: string | undefined;
  userAgent: string | undefined;
  requestId?: string | undefined;
  traceparent?: string;
}): Trace {
  const { ip = '', userAgent = '', traceparent = beginTrace(undefined, 1).traceparent } = given;
  const requestId = /^[\w.:-]{1,128}$/.exec(given.requestId ?? '')?.[0] ?? newId();
  return { requestId, traceparent, ip, userAgent: userAgent.slice(0, auditTextMax) };
}

/** The place of a part of the work at another place. */
export function childOf(traceparent: string, spanId = newSpanId()): string {
  const { traceId, flags } = partsOf(traceparent);
  return `00-${traceId}-${spanId}-${flags}`;
}

/** The parts of a `traceparent`. */
export function partsOf(traceparent: string): { traceId: string; spanId: string; flags: string } {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
  return { traceId, spanId, flags };
}

/** Does something as a part of the running trace, and records it as a span. Without a trace it is just done. */
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

/** A failure by its code, everything else by the name of its class: messages may quote what people typed. */
export function failureName(err: unknown): string {
  if (err instanceof Failure) return err.code;
  return err instanceof Error ? err.name : typeof err;
}

function newSpanId(): string {
  return randomHex(8);
}
