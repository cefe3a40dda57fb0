/**
 * Failure codes: every refusal that a caller can act on.
 *
 * Through Temporal a `Failure` travels as its code and context; `api/problems.ts` maps each code to an HTTP response.
 * Any other error is a bug or an outage, and its details are never shown to callers.
 */

/** The codes of failures that end an operation. Each has a row in `api/problems.ts`. */
export const failureCodes = [
  'malformed',
  'body-too-large',
  'media-type-unsupported',
  'method-not-allowed',
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
  'device-limit',
  'device-present',
  'device-missing',
  'device-on-probation',
  'devices-differ',
  'key-id-taken',
  'link-claimed',
  'link-not-claimed',
  'link-not-revealed',
  'link-not-approved',
  'link-denied',
  'link-expired',
  'link-locked',
  'link-used',
  'message-too-large',
  'client-message-id-reused',
  'devices-mismatched',
  'devices-stale',
  'conversation-not-accepted',
  'conversation-blocked',
  'conversation-closed',
  'push-missing',
  'signal-refused',
  'signal-keys-refused',
  'signal-locked',
  'signal-limited',
  'signal-unavailable',
  'directory-unavailable',
  'unavailable',
] as const;
/** A failure code. */
export type FailureCode = (typeof failureCodes)[number];

/** Context of a failure for the caller, such as the next possible time, alternatives, or the limit that was reached. */
export interface FailureContext {
  /** Replaces the default message of the code. */
  message?: string;
  retryAfterSeconds?: number;
  details?: { path: string; message: string }[];
  /** Kebab-case reason why a dependency is unavailable: for operators, never shown to callers. */
  reason?: string;
  /** What a provider answered: for operators and the owner of a device. */
  answer?: { status: number; message: string | null };
  /** Additional fields of the error response, such as `attemptsLeft` or `limit`. */
  fields?: Record<string, string | number | string[] | number[] | null>;
}

/** A refusal that a rule returns instead of throwing it. */
export interface Refusal {
  code: FailureCode;
  context?: FailureContext;
}

/** A refusal with a failure code. Its message is the code; its context, except `reason`, may be shown to the caller. */
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

/** Returns the reason of a failed connection from the error code of Node.js or a driver. */
export function connectionReason(code: string | number | undefined): string {
  if (code === 'ETIMEDOUT' || code === 'ECONNABORTED') return 'timeout';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'connection-lost';
  return 'unreachable';
}

/** Returns the reason of a retryable HTTP response from a provider. */
export function statusReason(status: number): string {
  if (status === 401 || status === 403) return 'credentials-refused';
  return status === 429 ? 'limited' : `answers-${status}`;
}

/** Returns whether a text is a failure code, such as the type of a failure received from Temporal. */
export function isFailureCode(text: string | null | undefined): text is FailureCode {
  return (failureCodes as readonly (string | null | undefined)[]).includes(text);
}
