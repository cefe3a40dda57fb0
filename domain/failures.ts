/**
 * The failure vocabulary: every refusal a caller can act on, by name.
 *
 * A `Failure` crosses Temporal as its code alone; `api/problems.ts` says how each code looks outside. Anything thrown
 * that is not a `Failure` is a bug or an outage and says nothing outside.
 */

/** States of affairs that end an operation; each has a row in `api/problems.ts`. */
export const failureCodes = [
  'malformed',
  'body-too-large',
  'media-type-unsupported',
  'not-found',
  'unauthenticated',
  'credentials-wrong',
  'token-invalid',
  'authentication-too-old',
  'captcha-malformed',
  'captcha-refused',
  'captcha-used',
  'step-not-available',
  'step-blocked',
  'channel-not-available',
  'channel-refused',
  'code-wrong',
  'code-not-sent',
  'code-expired',
  'password-weak',
  'identity-taken',
  'registration-locked',
  'registration-expired',
  'registration-closed',
  'registration-unfinished',
  'session-already-taken',
  'idempotency-key-reused',
  'rate-limited',
  'nothing-waiting',
  'account-disabled',
  'forbidden',
  'directory-unavailable',
  'unavailable',
] as const;
export type FailureCode = (typeof failureCodes)[number];

/** Extra facts of a failure that a caller is shown: next times, other ways, the limit that was hit. */
export interface FailureContext {
  /** Replaces the sentence of the code's row, when a better one is known. */
  message?: string;
  retryAfterSeconds?: number;
  details?: { path: string; message: string }[];
  /** Why an outside system could not be used, as a kebab-case state of affairs: for operators, never for callers. */
  reason?: string;
  /** Fields beside the error shape, such as `attemptsLeft` or `limit`. */
  fields?: Record<string, string | number | string[] | null>;
}

/** A refusal by name. Its text is the code; the facts are fit for the caller's eyes. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly context: FailureContext;

  constructor(code: FailureCode, context: FailureContext = {}) {
    super(code);
    this.name = 'Failure';
    this.code = code;
    this.context = context;
  }
}

/** The reason behind a connection that failed, from the error code of Node or of a driver. */
export function connectionReason(code: string | number | undefined): string {
  if (code === 'ETIMEDOUT' || code === 'ECONNABORTED') return 'timeout';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'connection-lost';
  return 'unreachable';
}

/** The reason behind an answer of a provider's HTTP API that may be another one later. */
export function statusReason(status: number): string {
  if (status === 401 || status === 403) return 'credentials-refused';
  return status === 429 ? 'limited' : `answers-${status}`;
}

/** Tells whether a text is a failure code, for what came back from Temporal as text. */
export function isFailureCode(text: string | null | undefined): text is FailureCode {
  return (failureCodes as readonly (string | null | undefined)[]).includes(text);
}
