/** Failures as answers, by the table of contract/failures.ts. */
import { isMongoOutage } from '../adapters/mongo/connect.ts';
import { isRedisOutage } from '../adapters/redis/connect.ts';
import { isTemporalOutage } from '../adapters/temporal/connect.ts';
import { type ErrorCode, failures } from '../contract/failures.ts';
import { Failure, type FailureCode } from '../domain/failures.ts';
import type { Events } from '../platform/events.ts';

/** An answer that says what went wrong. */
export interface Problem {
  status: number;
  headers: Record<string, string>;
  body: ProblemBody;
  refusal: Refusal;
}

/** The shape of every error; `details` name fields, and some codes have facts of their own. */
export interface ProblemBody {
  error: string;
  error_code: ErrorCode;
  retry_after_seconds?: number;
  request_id: string;
  details?: { path: string; message: string }[];
  [fact: string]: unknown;
}

/** A problem as the audit log names it. */
export interface Refusal {
  code: FailureCode | 'internal-error';
  limit?: string;
  retryAfterSeconds?: number;
}

const retryAfterSecondsDefault = 5;

/** The answer for anything that was thrown. What is neither a failure nor an outage is a bug and says nothing. */
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

/** Tells operators of what is no refusal: a bug, or a dependency that was away when a driver asked it. */
export function noteProblem(
  events: Pick<Events, 'requestFailed' | 'dependencyFailed'>,
  { status }: Problem,
  thrown: unknown,
): void {
  if (status === 500) events.requestFailed(thrown);
  if (status === 503 && !(thrown instanceof Failure)) events.dependencyFailed(thrown);
}

/** The failure that was thrown, or that an error of a driver stands for; undefined for a bug. */
export function failureOf(thrown: unknown): Failure | undefined {
  if (thrown instanceof Failure) return thrown;
  if (isRedisOutage(thrown) || isMongoOutage(thrown) || isTemporalOutage(thrown)) return new Failure('unavailable');
  return failureOfBodyParser(thrown);
}

/** RFC 6750 section 3, RFC 9470 section 3. */
function challengeOf({ code, context }: Failure): string {
  if (code === 'authentication-too-old') {
    return `Bearer realm="vyry", error="insufficient_user_authentication", max_age="${context.fields?.maxAgeSeconds}"`;
  }
  return code === 'token-invalid' ? 'Bearer realm="vyry", error="invalid_token"' : 'Bearer realm="vyry"';
}

/** Errors of Express and its body parser carry the status they stand for. */
function failureOfBodyParser(thrown: unknown): Failure | undefined {
  const status = (thrown as { status?: unknown } | null)?.status;
  if (status === 413) return new Failure('body-too-large');
  if (status === 415) return new Failure('media-type-unsupported');
  if (typeof status === 'number' && status >= 400 && status < 500) return new Failure('malformed');
  return undefined;
}
