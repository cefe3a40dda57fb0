import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RegistrationState, registrationStates } from '../../domain/registration.ts';
import {
  refuseApproval,
  refuseCancellation,
  refuseCode,
  refuseProof,
  refuseReplacement,
  refuseRetry,
  refuseSignal,
  refuseStep,
  refuseSwitch,
  refuseUpdate,
  stuckSend,
} from '../../domain/registration-refusals.ts';
import type { Channel } from '../../domain/verification.ts';
import { send, start, state } from '../support/registration-state.ts';

const operatorName = 'An operator name has up to 64 letters, digits, dots, dashes and underscores';

/** A state whose next step is the code. */
function codeState(given: Partial<RegistrationState> = {}): RegistrationState {
  return state({ done: new Set(['directory', 'captcha']), ...given });
}

const allDone = new Set(['directory', 'captcha', 'code', 'credentials'] as const);

describe('refuseUpdate()', () => {
  it('accepts an update of a running registration', () => {
    assert.equal(refuseUpdate(state()), undefined);
    assert.equal(refuseUpdate(state({ waitingFor: 'directory' })), undefined);
  });

  it('refuses an update after the end, and names an expiry', () => {
    const refused = registrationStates.slice(2).map((outcome) => refuseUpdate(state({ outcome } as never))?.code);
    assert.deepEqual(refused, [
      'registration-closed',
      'registration-closed',
      'registration-expired',
      'registration-closed',
    ]);
  });

  it('refuses an update while a cancellation runs', () => {
    assert.deepEqual(refuseUpdate(state({ isCancelled: true })), { code: 'registration-closed' });
  });
});

describe('refuseSignal()', () => {
  const policy = ['code', 'signal'] as const;
  const verified = { policy, done: new Set(['code'] as const), verifiedBy: 'sms' } as const;

  it('accepts a number that is verified, and a step that is done', () => {
    assert.equal(refuseSignal(state(verified)), undefined);
    assert.equal(refuseSignal(state({ ...verified, verifiedBy: 'voice' })), undefined);
  });

  it('refuses a number that is not verified', () => {
    assert.deepEqual(refuseSignal(state({ policy })), { code: 'step-blocked' });
    const byMail = refuseSignal(state({ ...verified, verifiedBy: 'email' }));
    assert.deepEqual([byMail?.code, byMail?.context?.fields], ['step-blocked', { reason: 'number-not-verified' }]);
  });

  it('refuses a registration without the step', () => {
    assert.deepEqual(refuseSignal(state({ ...verified, policy: ['code', 'credentials'] })), {
      code: 'step-not-available',
    });
  });
});

describe('refuseStep()', () => {
  it('accepts a step of the policy, also a second time', () => {
    assert.equal(refuseStep('credentials', state()), undefined);
    assert.equal(refuseStep('credentials', state({ done: new Set(['credentials']) })), undefined);
  });

  it('refuses a step that is not in the policy', () => {
    assert.deepEqual(refuseStep('directory', state({ policy: ['code'] })), { code: 'step-not-available' });
  });

  it('refuses every step when all are done', () => {
    assert.deepEqual(refuseStep('credentials', state({ done: allDone })), { code: 'step-not-available' });
  });

  it('reports the end first', () => {
    const ended = state({ policy: ['code'], outcome: 'expired' });
    assert.deepEqual(refuseStep('directory', ended), { code: 'registration-expired' });
  });
});

describe('refuseProof()', () => {
  it('accepts a step that is already done, also after the end', () => {
    const ended = state({ outcome: 'completed', done: new Set(['captcha']) });
    assert.equal(refuseProof('captcha', ended), undefined);
  });

  it('refuses another step after the end', () => {
    assert.deepEqual(refuseProof('code', state({ outcome: 'rejected' })), { code: 'registration-closed' });
  });
});

describe('refuseApproval()', () => {
  it('refuses an approval that is not required', () => {
    assert.deepEqual(refuseApproval(state({ done: allDone })), { code: 'step-not-available' });
  });

  it('accepts the approval of an existing account', () => {
    assert.equal(
      refuseApproval(state({ done: allDone, existing: { userId: 'u1', lock: { hasPin: true, hasDevices: false } } })),
      undefined,
    );
  });
});

describe('refuseCode()', () => {
  it('accepts the first code of every channel of the identity', () => {
    assert.equal(refuseCode('sms', codeState(), start), undefined);
    assert.equal(refuseCode('email', codeState(), start), undefined);
  });

  it('refuses a code before the steps that it requires', () => {
    assert.deepEqual(refuseCode('sms', state(), start), { code: 'step-blocked' });
  });

  it('refuses another code once one was typed', () => {
    const typed = codeState({ done: new Set(['directory', 'captcha', 'code']) });
    assert.deepEqual(refuseCode('sms', typed, start), { code: 'step-not-available' });
  });

  it('refuses a channel that the identity or the configuration does not have', () => {
    const noNumber = codeState({ identity: { email: 'ada@example.com' } });
    assert.deepEqual(refuseCode('sms', noNumber, start), { code: 'channel-not-available' });
    assert.deepEqual(refuseCode('voice', codeState(), start), { code: 'channel-not-available' });
  });

  it('refuses a channel whose provider refused, and only that one', () => {
    const refused = codeState({ sends: [send({ state: 'refused' })] });
    assert.deepEqual(refuseCode('sms', refused, start), { code: 'channel-refused' });
    assert.equal(refuseCode('email', refused, start), undefined);
  });

  it('refuses a second code until the wait is over, and returns the time left', () => {
    const sent = codeState({ sends: [send()] });
    assert.deepEqual(refuseCode('sms', sent, start + 500), {
      code: 'rate-limited',
      context: { retryAfterSeconds: 60 },
    });
    assert.equal(refuseCode('sms', sent, start + 60_000), undefined);
  });

  it('refuses a second code while the first one is being sent, however long that takes', () => {
    const sending = codeState({ sends: [{ number: 1, channel: 'sms', requestedAt: start, state: 'sending' }] });
    assert.deepEqual(refuseCode('sms', sending, start + 600_000), {
      code: 'rate-limited',
      context: { retryAfterSeconds: 1 },
    });
  });

  it('refuses a channel without sends left, and returns no time', () => {
    const spent = codeState({ sends: [send(), send({ number: 2, sentAt: start + 60_000 })] });
    assert.deepEqual(refuseCode('sms', spent, start + 600_000), { code: 'rate-limited' });
  });
});

describe('refuseCancellation()', () => {
  it('refuses a cancellation after the end', () => {
    assert.deepEqual(refuseCancellation(undefined, state({ outcome: 'completed' })), { code: 'registration-closed' });
  });

  it('accepts a repeated cancellation, also after its end', () => {
    assert.equal(refuseCancellation(undefined, state({ isCancelled: true })), undefined);
    assert.equal(refuseCancellation('ops', state({ isCancelled: true, outcome: 'cancelled' })), undefined);
  });

  it('refuses an operator name that is no plain name', () => {
    const malformed = { code: 'malformed', context: { message: operatorName } };
    for (const name of ['', 'a b', '**bold**', 'x'.repeat(65), 7, null]) {
      assert.deepEqual(refuseCancellation(name, state()), malformed, String(name));
    }
    assert.equal(refuseCancellation('Ada.L-1_x', state()), undefined);
  });
});

describe('refuseRetry()', () => {
  it('refuses a retry when no call has failed', () => {
    assert.deepEqual(refuseRetry('ops', { hasFailed: false }), { code: 'nothing-waiting' });
    assert.equal(refuseRetry('ops', { hasFailed: true }), undefined);
  });

  it('refuses a malformed operator name first', () => {
    assert.equal(refuseRetry('a b', { hasFailed: false })?.code, 'malformed');
  });
});

describe('refuseSwitch()', () => {
  const noOutage = { unavailable: new Set<Channel>(), now: start };
  const smsOutage = { unavailable: new Set<Channel>(['sms']), now: start };
  const sending = codeState({ sends: [{ number: 1, channel: 'sms', requestedAt: start, state: 'sending' }] });

  it('accepts another channel while a send waits for its provider', () => {
    assert.equal(refuseSwitch({ channel: 'email', by: 'ops' }, sending, smsOutage), undefined);
  });

  it('accepts another channel after a refused send', () => {
    const refused = codeState({ sends: [send({ state: 'refused' })] });
    assert.equal(refuseSwitch({ channel: 'email' }, refused, noOutage), undefined);
  });

  it('refuses a switch when no send by another channel waits or was refused', () => {
    const nothing = {
      code: 'nothing-waiting',
      context: { message: 'No code sent by another channel waits or was refused' },
    };
    assert.deepEqual(refuseSwitch({ channel: 'email' }, sending, noOutage), nothing);
    assert.deepEqual(refuseSwitch({ channel: 'sms' }, sending, smsOutage), nothing);
  });

  it('refuses a channel that cannot send now', () => {
    const noAddress = { ...sending, identity: { phone: '+12025550100' } };
    assert.deepEqual(refuseSwitch({ channel: 'email' }, noAddress, smsOutage), { code: 'channel-not-available' });
  });

  it('refuses a malformed operator name, and a registration that is over', () => {
    assert.equal(refuseSwitch({ channel: 'email', by: 'a b' }, sending, smsOutage)?.code, 'malformed');
    const ended = { ...sending, outcome: 'expired' as const };
    assert.deepEqual(refuseSwitch({ channel: 'email' }, ended, smsOutage), { code: 'registration-expired' });
  });
});

describe('refuseReplacement()', () => {
  it('refuses another code when the provider has accepted the one that was given up', () => {
    assert.deepEqual(refuseReplacement('email', codeState(), { givenUp: send(), now: start }), {
      code: 'nothing-waiting',
      context: { message: 'The provider has accepted the code in the meantime' },
    });
  });

  it('refuses a channel that cannot send now', () => {
    const givenUp = send({ state: 'given-up' });
    const ended = codeState({ isCancelled: true });
    assert.deepEqual(refuseReplacement('email', ended, { givenUp, now: start }), { code: 'registration-closed' });
    assert.equal(refuseReplacement('email', codeState(), { givenUp, now: start }), undefined);
  });
});

describe('stuckSend()', () => {
  it('returns the newest send of another channel that waits or was refused', () => {
    const sends = [
      send({ state: 'refused' }),
      send({ number: 2, channel: 'voice', state: 'sending' }),
      send({ number: 3, channel: 'sms' }),
    ];
    assert.equal(stuckSend('email', { sends, unavailable: new Set(['voice']) })?.number, 2);
    assert.equal(stuckSend('email', { sends, unavailable: new Set() })?.number, 1);
    assert.equal(stuckSend('sms', { sends, unavailable: new Set() }), undefined);
  });
});
