import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checksLeft, nextCheckAt, nextSendAt, type Send, type VerificationRules } from '../../domain/verification.ts';

const rules: VerificationRules = { codeTtlSeconds: 180, checksMax: 5, resendWaitsSeconds: [60, 120] };
const start = 1_000_000;

function sent(number: number, channel: Send['channel'], at: number): Send {
  return { number, channel, requestedAt: at - 500, state: 'sent', sentAt: at };
}

describe('nextSendAt()', () => {
  it('lets the first code be sent from the start of the verification', () => {
    assert.equal(nextSendAt([], 'sms', rules, start), start);
  });

  it('asks for the first wait after the first send, counted from the real send', () => {
    assert.equal(nextSendAt([sent(1, 'sms', start + 3000)], 'sms', rules, start), start + 63_000);
  });

  it('counts from the order while the provider has not confirmed the send', () => {
    const sending: Send = { number: 1, channel: 'sms', requestedAt: start + 10, state: 'sending' };
    assert.equal(nextSendAt([sending], 'sms', rules, start), start + 60_010);
  });

  it('asks for a longer wait after the second send', () => {
    const sends = [sent(1, 'sms', start), sent(2, 'sms', start + 60_000)];
    assert.equal(nextSendAt(sends, 'sms', rules, start), start + 180_000);
  });

  it('never sends more often than there are waits plus one', () => {
    const sends = [sent(1, 'sms', start), sent(2, 'sms', start + 60_000), sent(3, 'sms', start + 180_000)];
    assert.equal(nextSendAt(sends, 'sms', rules, start), null);
  });

  it('never sends a second code when no waits are configured', () => {
    assert.equal(nextSendAt([sent(1, 'sms', start)], 'sms', { ...rules, resendWaitsSeconds: [] }, start), null);
  });

  it('keeps the channels apart', () => {
    const sends = [sent(1, 'sms', start), sent(2, 'email', start + 1000), sent(3, 'sms', start + 60_000)];
    assert.equal(nextSendAt(sends, 'email', rules, start), start + 61_000);
    assert.equal(nextSendAt(sends, 'sms', rules, start), start + 180_000);
  });

  it('never sends again by a channel whose provider refused, and still by the other one', () => {
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

  it('offers all tries before the first code', () => {
    assert.equal(checksLeft(undefined, 5, now), 5);
  });

  it('offers what the newest code has left', () => {
    assert.equal(checksLeft({ since: start, checks: 0 }, 5, now), 5);
    assert.equal(checksLeft({ since: start, checks: 4 }, 5, now), 1);
    assert.equal(checksLeft({ since: start, checks: 5 }, 5, now), 0);
  });

  it('is never negative, also when the bound was lowered meanwhile', () => {
    assert.equal(checksLeft({ since: start, checks: 5 }, 3, now), 0);
  });

  it('is none from the instant the code expires, and not before', () => {
    assert.equal(checksLeft({ since: start, expiresAt: now + 1, checks: 0 }, 5, now), 5);
    assert.equal(checksLeft({ since: start, expiresAt: now, checks: 0 }, 5, now), 0);
    assert.equal(checksLeft({ since: start, expiresAt: now - 1, checks: 0 }, 5, now), 0);
  });

  it('does not let a code expire whose provider has not confirmed it', () => {
    assert.equal(checksLeft({ since: start, checks: 1 }, 5, start + 86_400_000), 4);
  });
});

describe('nextCheckAt()', () => {
  it('is the instant since which the code may be in the hands of the person', () => {
    assert.equal(nextCheckAt({ since: start, checks: 0 }, rules, start + 1), start);
  });

  it('is null when only a new code helps', () => {
    assert.equal(nextCheckAt(undefined, rules, start), null);
    assert.equal(nextCheckAt({ since: start, checks: 5 }, rules, start + 1), null);
    assert.equal(nextCheckAt({ since: start, expiresAt: start + 1, checks: 0 }, rules, start + 1), null);
  });
});
