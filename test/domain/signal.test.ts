import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failures } from '../../contract/failures.ts';
import { isSignalRefusal, type SignalCall, signalFailure, signalReason } from '../../domain/signal.ts';

/** Returns how a caller sees each refusal: HTTP status, reason, and what helps. */
function seenBy(call: SignalCall, statuses: number[]) {
  return statuses.map((status) => {
    const { code, context } = signalFailure({ call, status });
    assert.equal(context?.fields?.signalStatus, status);
    assert.equal(context?.fields?.reason, signalReason({ call, status }));
    return `${status}: ${failures[code].status} ${context?.fields?.reason}, ${context?.fields?.retry}`;
  });
}

describe('signalFailure()', () => {
  it('has a row for every refusal of a registration', () => {
    const statuses = [400, 401, 403, 409, 411, 422, 423, 428, 429, 440, 441, 498, 499, 508];
    assert.deepEqual(seenBy('registration', statuses), [
      '400: 409 session-refused, new-registration',
      '401: 409 session-unknown, new-registration',
      '403: 409 forbidden, never',
      '409: 409 device-transfer-available, after-change',
      '411: 409 device-limit, never',
      '422: 422 keys-not-valid, after-change',
      '423: 423 registration-lock, after-change',
      '428: 409 challenge-required, after-change',
      '429: 429 limited, later',
      '440: 409 provider-refused, never',
      '441: 409 totp-refused, after-change',
      '498: 409 client-refused, never',
      '499: 409 client-outdated, after-change',
      '508: 409 client-refused, never',
    ]);
  });

  it('has a row for every refusal of keys', () => {
    assert.deepEqual(seenBy('keys', [400, 401, 422, 429]), [
      '400: 422 keys-not-valid, after-change',
      '401: 409 account-replaced, after-change',
      '422: 422 keys-not-valid, after-change',
      '429: 429 limited, later',
    ]);
  });

  it('states the times that the server states', () => {
    const limited = signalFailure({ call: 'registration', status: 429, retryAfterSeconds: 7 });
    assert.equal(limited.context?.retryAfterSeconds, 7);
    const locked = signalFailure({ call: 'registration', status: 423, timeRemainingSeconds: 60 });
    assert.equal(locked.context?.fields?.timeRemainingSeconds, 60);
    assert.equal(signalFailure({ call: 'registration', status: 429 }).context?.retryAfterSeconds, undefined);
  });

  it('refuses a status that is an outage', () => {
    assert.throws(() => signalFailure({ call: 'registration', status: 503 }), RangeError);
  });
});

describe('isSignalRefusal()', () => {
  it('leaves faults, redirects and unknown statuses to the workflow, which waits', () => {
    for (const status of [204, 302, 404, 405, 408, 418, 500, 502, 503, 504]) {
      assert.equal(isSignalRefusal('registration', status), false, String(status));
      assert.equal(isSignalRefusal('keys', status), false, String(status));
    }
    assert.equal(isSignalRefusal('registration', 200), false);
  });
});
