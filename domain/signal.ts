/**
 * What the answers of a Signal-Server mean for the step `signal` of a registration: one table.
 *
 * Terminology
 * - refusal: an answer that ends an attempt. The caller learns what to do; nothing is repeated automatically.
 * - outage: any other answer, such as 500, and no answer at all. The workflow waits and repeats the call.
 *
 * Statuses: API of Signal-Server, `POST /v1/registration` and `PUT /v2/keys`.
 */
import type { FailureCode, Refusal } from './failures.ts';

/** An account at a Signal-Server. */
export interface SignalAccount {
  /** The account identity (ACI). */
  uuid: string;
  /** The phone number identity (PNI). */
  pni: string;
  /** E.164. */
  number: string;
}

/** The calls of the step: the registration of the account, and the upload of its one-time keys. */
export type SignalCall = 'registration' | 'keys';

/** An answer that ends an attempt. */
export interface SignalRefusal {
  call: SignalCall;
  /** HTTP status. */
  status: number;
  /** From `Retry-After`; absent if the server did not say when. */
  retryAfterSeconds?: number;
  /** How long the registration lock of the number lasts. */
  timeRemainingSeconds?: number;
}

/**
 * What helps after a refusal. `after-change`: a repeat with another body. `later`: the same request later.
 * `new-registration`: the proof of the number has to be repeated. `never`: only the operator of the server can help.
 */
type Retry = 'after-change' | 'later' | 'new-registration' | 'never';

interface Row {
  code: Extract<FailureCode, `signal-${string}`>;
  /** Kebab-case: also the reason of the step in the status. */
  reason: string;
  retry: Retry;
  message: string;
}

const notValid: Row = {
  code: 'signal-keys-refused',
  reason: 'keys-not-valid',
  retry: 'after-change',
  message: 'The Signal server refuses the attributes or keys; check each signature and repeat the request',
};
const limited: Row = {
  code: 'signal-limited',
  reason: 'limited',
  retry: 'later',
  message: 'The Signal server has had too many attempts for this number; try again later',
};
const clientRefused: Row = {
  code: 'signal-refused',
  reason: 'client-refused',
  retry: 'never',
  message: 'The Signal server does not serve this app by this API',
};

const rows: Record<SignalCall, Record<number, Row>> = {
  registration: {
    400: {
      code: 'signal-refused',
      reason: 'session-refused',
      retry: 'new-registration',
      message: 'The Signal server does not accept the proof of this number; start a new registration',
    },
    401: {
      code: 'signal-refused',
      reason: 'session-unknown',
      retry: 'new-registration',
      message: 'The Signal server does not find the proof of the number; start a new registration',
    },
    403: {
      code: 'signal-refused',
      reason: 'forbidden',
      retry: 'never',
      message: 'The Signal server does not register this number',
    },
    409: {
      code: 'signal-refused',
      reason: 'device-transfer-available',
      retry: 'after-change',
      message: 'A device of the number can transfer its data; transfer it, or repeat with skipDeviceTransfer true',
    },
    411: {
      code: 'signal-refused',
      reason: 'device-limit',
      retry: 'never',
      message: 'The account at the Signal server has as many devices as it may have',
    },
    422: notValid,
    423: {
      code: 'signal-locked',
      reason: 'registration-lock',
      retry: 'after-change',
      message: 'The number has a registration lock; repeat with its token in accountAttributes.registrationLock',
    },
    428: {
      code: 'signal-refused',
      reason: 'challenge-required',
      retry: 'after-change',
      message: 'The Signal server asks for a challenge; answer it there and repeat the request',
    },
    429: limited,
    440: {
      code: 'signal-refused',
      reason: 'provider-refused',
      retry: 'never',
      message: 'The provider of the Signal server refuses this number',
    },
    441: {
      code: 'signal-refused',
      reason: 'totp-refused',
      retry: 'after-change',
      message: 'The Signal server refuses totp: send the current code if the account has a key for it, else none',
    },
    498: clientRefused,
    499: {
      code: 'signal-refused',
      reason: 'client-outdated',
      retry: 'after-change',
      message: 'The app is too old for the Signal server, or lacks a capability that it requires; update the app',
    },
    508: clientRefused,
  },
  keys: {
    400: notValid,
    401: {
      code: 'signal-refused',
      reason: 'account-replaced',
      retry: 'after-change',
      message: 'The number was registered again at the Signal server in the meantime; repeat the request',
    },
    422: notValid,
    429: limited,
  },
};

/** Returns whether an answer ends the attempt. Any other status than success is an outage. */
export function isSignalRefusal(call: SignalCall, status: number): boolean {
  return rows[call][status] !== undefined;
}

/** Returns the kebab-case reason of a refusal. */
export function signalReason({ call, status }: SignalRefusal): string {
  return rowOf(call, status).reason;
}

/** Returns a refusal as the failure for the caller, with the fields `signalStatus`, `reason` and `retry`. */
export function signalFailure({ call, status, retryAfterSeconds, timeRemainingSeconds }: SignalRefusal): Refusal {
  const { code, reason, retry, message } = rowOf(call, status);
  return {
    code,
    context: {
      message,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      fields: {
        signalStatus: status,
        reason,
        retry,
        ...(timeRemainingSeconds !== undefined && { timeRemainingSeconds }),
      },
    },
  };
}

function rowOf(call: SignalCall, status: number): Row {
  const row = rows[call][status];
  if (row === undefined) throw new RangeError(`${status} of ${call} is no refusal`);
  return row;
}
