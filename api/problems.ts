/** Failures as responses, by the table in contract/failures.ts. */
import { mongoOutageOf } from '../adapters/mongo/outages.ts';
import { redisOutageOf } from '../adapters/redis/outages.ts';
import { temporalOutageOf } from '../adapters/temporal/connect.ts';
import { type ErrorCode, failures } from '../contract/failures.ts';
import { Failure, type FailureCode } from '../domain/failures.ts';
import type { Events } from '../platform/events/events.ts';
import { notedOutage, type Outage } from '../platform/outages.ts';

/** The response to an error. */
export interface Problem {
  status: number;
  headers: Record<string, string>;
  body: ProblemBody;
  refusal: Refusal;
}

/** The body of every error. `details` names fields; some codes have additional fields. */
interface ProblemBody {
  error: string;
  error_code: ErrorCode;
  retry_after_seconds?: number;
  request_id: string;
  details?: { path: string; message: string }[];
  [fact: string]: unknown;
}

/** A problem in the audit log. */
export interface Refusal {
  code: FailureCode | 'internal-error';
  limit?: string;
  retryAfterSeconds?: number;
}

const retryAfterSecondsDefault = 5;

/**
 * Returns the response for a thrown value. Anything but a failure or an outage is a bug, whose details are not shown.
 */
export function problemOf(thrown: unknown, requestId: string): Problem {
  const failure = failureOf(thrown);
  if (failure === undefined) {
    return {
      status: 500,
      headers: {},
      body: { error: 'Internal error', error_code: 'INTERNAL_ERROR', request_id: requestId },
      refusal: { code: 'internal-error' },
    };
  }
  const { status, errorCode, message } = failures[failure.code];
  const { context } = failure;
  const retryAfterSeconds = context.retryAfterSeconds ?? (status === 503 ? retryAfterSecondsDefault : undefined);
  return {
    status,
    headers: {
      ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
      ...(status === 401 && { 'WWW-Authenticate': challengeOf(failure) }),
    },
    body: {
      error: context.message ?? message,
      error_code: errorCode,
      ...(retryAfterSeconds !== undefined && { retry_after_seconds: retryAfterSeconds }),
      request_id: requestId,
      ...(context.details && { details: context.details }),
      ...context.fields,
    },
    refusal: {
      code: failure.code,
      ...(typeof context.fields?.limit === 'string' && { limit: context.fields.limit }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    },
  };
}

/** Reports a bug, or a dependency that was unavailable, to operators. */
export function noteProblem(
  events: Pick<Events, 'requestFailed' | 'dependencyFailed'>,
  { status }: Problem,
  thrown: unknown,
): void {
  if (status === 500) events.requestFailed(thrown);
  if (status === 503 && !(thrown instanceof Failure)) events.dependencyFailed(thrown, outageOf(thrown));
}

/** Returns the thrown failure, or the failure for an error of a driver or of Express; undefined for a bug. */
export function failureOf(thrown: unknown): Failure | undefined {
  if (thrown instanceof Failure) return thrown;
  if (outageOf(thrown) !== undefined) return new Failure('unavailable');
  return failureOfBodyParser(thrown);
}

/** Each client recognizes its own errors. That of Elasticsearch, which is loaded only if configured, has noted them. */
function outageOf(thrown: unknown): Outage | undefined {
  return redisOutageOf(thrown) ?? mongoOutageOf(thrown) ?? temporalOutageOf(thrown) ?? notedOutage(thrown);
}

/** RFC 6750 section 3, RFC 9470 section 3. */
function challengeOf({ code, context }: Failure): string {
  if (code === 'authentication-too-old') {
    return `Bearer realm="vyry", error="insufficient_user_authentication", max_age="${context.fields?.maxAgeSeconds}"`;
  }
  return code === 'token-invalid' ? 'Bearer realm="vyry", error="invalid_token"' : 'Bearer realm="vyry"';
}

/** Errors of Express and its body parser have an HTTP status. */
function failureOfBodyParser(thrown: unknown): Failure | undefined {
  const status = (thrown as { status?: unknown } | null)?.status;
  if (status === 413) return new Failure('body-too-large');
  if (status === 415) return new Failure('media-type-unsupported');
  if (typeof status === 'number' && status >= 400 && status < 500) return new Failure('malformed');
  return undefined;
}
