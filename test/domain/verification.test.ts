import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checksLeft,
  nextCheckAt,
  nextSendAt,
  refusedStateOf,
  refuseSessionCode,
  type Send,
  type VerificationRules,
} from '../../domain/verification.ts';

const rules: VerificationRules = { codeTtlSeconds: 180, checksMax: 5, resendWaitsSeconds: [60, 120] };
const start = 1_000_000;

function sent(number: number, channel: Send['channel'], at: number): Send {
  return { number, channel, requestedAt: at - 500, state: 'sent', sentAt: at };
}

describe('nextSendAt()', () => {
  it('allows the first code from the start of the verification', () => {
    assert.equal(nextSendAt([], 'sms', rules, start), start);
  });

  it('requires the first wait after the first send, counted from the actual send', () => {
    assert.equal(nextSendAt([sent(1, 'sms', start + 3000)], 'sms', rules, start), start + 63_000);
  });

  it('counts from the request while the provider has not confirmed the send', () => {
    const sending: Send = { number: 1, channel: 'sms', requestedAt: start + 10, state: 'sending' };
    assert.equal(nextSendAt([sending], 'sms', rules, start), start + 60_010);
  });

  it('requires a longer wait after the second send', () => {
    const sends = [sent(1, 'sms', start), sent(2, 'sms', start + 60_000)];
    assert.equal(nextSendAt(sends, 'sms', rules, start), start + 180_000);
  });

  it('allows one send more than there are waits', () => {
    const sends = [sent(1, 'sms', start), sent(2, 'sms', start + 60_000), sent(3, 'sms', start + 180_000)];
    assert.equal(nextSendAt(sends, 'sms', rules, start), null);
  });

  it('allows no second code when no waits are configured', () => {
    assert.equal(nextSendAt([sent(1, 'sms', start)], 'sms', { ...rules, resendWaitsSeconds: [] }, start), null);
  });

  it('keeps the channels apart', () => {
    const sends = [sent(1, 'sms', start), sent(2, 'email', start + 1000), sent(3, 'sms', start + 60_000)];
    assert.equal(nextSendAt(sends, 'email', rules, start), start + 61_000);
    assert.equal(nextSendAt(sends, 'sms', rules, start), start + 180_000);
  });

  it('is null for a channel whose provider refused, and not for the others', () => {
    const refused: Send = {
      number: 1,
      channel: 'sms',
      requestedAt: start,
      state: 'refused',
      reason: 'number-not-valid',
    };
    assert.equal(nextSendAt([refused], 'sms', rules, start), null);
    assert.equal(nextSendAt([refused], 'email', rules, start), start);
  });
});

describe('checksLeft()', () => {
  const now = start + 10_000;

  it('returns all attempts before the first code', () => {
    assert.equal(checksLeft(undefined, 5, now), 5);
  });

  it('returns the attempts left for the newest code', () => {
    assert.equal(checksLeft({ since: start, checks: 0 }, 5, now), 5);
    assert.equal(checksLeft({ since: start, checks: 4 }, 5, now), 1);
    assert.equal(checksLeft({ since: start, checks: 5 }, 5, now), 0);
  });

  it('is never negative, even if the limit was lowered meanwhile', () => {
    assert.equal(checksLeft({ since: start, checks: 5 }, 3, now), 0);
  });

  it('is zero from the instant the code expires', () => {
    assert.equal(checksLeft({ since: start, expiresAt: now + 1, checks: 0 }, 5, now), 5);
    assert.equal(checksLeft({ since: start, expiresAt: now, checks: 0 }, 5, now), 0);
    assert.equal(checksLeft({ since: start, expiresAt: now - 1, checks: 0 }, 5, now), 0);
  });

  it('does not expire a code that the provider has not confirmed', () => {
    assert.equal(checksLeft({ since: start, checks: 1 }, 5, start + 86_400_000), 4);
  });
});

describe('nextCheckAt()', () => {
  it('is the instant from which the recipient may have the code', () => {
    assert.equal(nextCheckAt({ since: start, checks: 0 }, rules, start + 1), start);
  });

  it('is null when only a new code helps', () => {
    assert.equal(nextCheckAt(undefined, rules, start), null);
    assert.equal(nextCheckAt({ since: start, checks: 5 }, rules, start + 1), null);
    assert.equal(nextCheckAt({ since: start, expiresAt: start + 1, checks: 0 }, rules, start + 1), null);
  });
});

describe('refuseSessionCode()', () => {
  const sessionRules = { ...rules, sessionTtlSeconds: 600 };
  const session = { createdAt: start, sends: [], isOver: false };

  it('accepts the first code', () => {
    assert.equal(refuseSessionCode(session, 'sms', sessionRules, start), undefined);
  });

  it('refuses a code too early, after the right code and after the end', () => {
    const early = { ...session, sends: [sent(1, 'sms', start)] };
    const verified = { ...session, checks: { since: start, checks: 1, verifiedAt: start } };
    for (const state of [early, verified, { ...session, isOver: true }]) {
      assert.deepEqual(refuseSessionCode(state, 'sms', sessionRules, start + 1), { code: 'rate-limited' });
    }
  });
});

describe('refusedStateOf()', () => {
  it('ends a channel that cannot reach the number', () => {
    assert.equal(refusedStateOf('number-not-mobile'), 'refused');
    assert.equal(refusedStateOf('not-configured'), 'refused');
  });

  it('allows another code after every other reason', () => {
    assert.equal(refusedStateOf('fraud-suspected'), 'rejected');
    assert.equal(refusedStateOf('unknown-reason'), 'rejected');
  });
});
