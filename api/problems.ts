/** How failures look outside: one table from failure code to status, `error_code` and sentence. */
import { isMongoOutage } from '../adapters/mongo/connect.ts';
import { isRedisOutage } from '../adapters/redis/connect.ts';
import { isTemporalOutage } from '../adapters/temporal/connect.ts';
import { Failure, type FailureCode } from '../domain/failures.ts';
import type { Events } from '../platform/events.ts';

/** What an error is called outside. */
export type ErrorCode =
  | 'INVALID_REQUEST'
  | 'INVALID_OTP'
  | 'UNAUTHORIZED'
  | 'INVALID_TOKEN'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'GONE'
  | 'REGISTRATION_LOCKED'
  | 'RATE_LIMITED'
  | 'PROVIDER_REFUSED'
  | 'INTERNAL_ERROR'
  | 'UNAVAILABLE';

interface Row {
  status: number;
  errorCode: ErrorCode;
  message: string;
}

/** Every failure code has a row: a new one does not compile without. */
export const problems: Record<FailureCode, Row> = {
  malformed: { status: 400, errorCode: 'INVALID_REQUEST', message: 'The request is not valid' },
  'body-too-large': { status: 413, errorCode: 'INVALID_REQUEST', message: 'The body is larger than 256 KiB' },
  'media-type-unsupported': {
    status: 415,
    errorCode: 'INVALID_REQUEST',
    message: 'The body must be application/json in UTF-8',
  },
  'not-found': { status: 404, errorCode: 'NOT_FOUND', message: 'Not found' },
  unauthenticated: { status: 401, errorCode: 'UNAUTHORIZED', message: 'A bearer token is needed' },
  'credentials-wrong': { status: 401, errorCode: 'UNAUTHORIZED', message: 'Name or password is wrong' },
  'token-invalid': { status: 401, errorCode: 'INVALID_TOKEN', message: 'The token is not valid' },
  'authentication-too-old': {
    status: 401,
    errorCode: 'UNAUTHORIZED',
    message: 'This needs a password or PIN that was given a short while ago',
  },
  'captcha-malformed': { status: 400, errorCode: 'INVALID_REQUEST', message: 'The captcha token is not valid' },
  'captcha-used': { status: 400, errorCode: 'INVALID_REQUEST', message: 'The captcha token was used before' },
  'captcha-refused': { status: 403, errorCode: 'FORBIDDEN', message: 'The captcha was not solved well enough' },
  'step-not-available': { status: 409, errorCode: 'CONFLICT', message: 'This step cannot be done now' },
  'step-blocked': { status: 409, errorCode: 'CONFLICT', message: 'Another step has to be done first' },
  'channel-not-available': { status: 409, errorCode: 'CONFLICT', message: 'There is no address for this channel' },
  'channel-refused': {
    status: 440,
    errorCode: 'PROVIDER_REFUSED',
    message: 'The provider does not deliver by this channel',
  },
  'code-wrong': { status: 400, errorCode: 'INVALID_OTP', message: 'The code is wrong' },
  'code-not-sent': { status: 409, errorCode: 'CONFLICT', message: 'No code was sent' },
  'code-expired': { status: 410, errorCode: 'GONE', message: 'The code has expired' },
  'password-weak': { status: 400, errorCode: 'INVALID_REQUEST', message: 'The password or PIN is too easy to guess' },
  'identity-taken': { status: 409, errorCode: 'CONFLICT', message: 'This name, number or address has an account' },
  'registration-locked': {
    status: 423,
    errorCode: 'REGISTRATION_LOCKED',
    message: 'There is an account, which asks for its PIN first',
  },
  'registration-expired': { status: 410, errorCode: 'GONE', message: 'The registration has expired' },
  'registration-closed': { status: 409, errorCode: 'CONFLICT', message: 'The registration is over' },
  'registration-unfinished': { status: 409, errorCode: 'CONFLICT', message: 'The registration is not completed' },
  'session-already-taken': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The session of this registration was taken; log in',
  },
  'idempotency-key-reused': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The idempotency key was used with another body',
  },
  'rate-limited': { status: 429, errorCode: 'RATE_LIMITED', message: 'Too many tries' },
  'nothing-waiting': { status: 409, errorCode: 'CONFLICT', message: 'Nothing waits for an outside system' },
  'account-disabled': { status: 403, errorCode: 'FORBIDDEN', message: 'The account is disabled' },
  forbidden: { status: 403, errorCode: 'FORBIDDEN', message: 'This needs the role admin' },
  'directory-unavailable': {
    status: 503,
    errorCode: 'UNAVAILABLE',
    message: 'The directory is not available; the registration goes on when it is back',
  },
  unavailable: { status: 503, errorCode: 'UNAVAILABLE', message: 'A dependency is not available' },
};

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
  const { status, errorCode, message } = problems[failure.code];
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
