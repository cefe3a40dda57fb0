/** Verification sessions on a movable clock, with the default waits and lifetimes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Channel,
  type CheckState,
  keepSessionUntil,
  refusalKindOf,
  refuseCheck,
  refuseSend,
  type Send,
  type SendState,
  sessionAt,
  sessionExpiresAt,
  type VerificationSessionRules,
  type VerificationSessionState,
  type VerificationSessionView,
} from '../../domain/verification.ts';

const minute = 60_000;
const rules: VerificationSessionRules = {
  codeTtlSeconds: 600,
  sessionTtlSeconds: 600,
  resendWaitsSeconds: [60, 120, 300, 600],
  voiceAfterSmsSeconds: 60,
  voiceWaitsSeconds: [60, 300],
  checkWaitsSeconds: [0, 0, 60, 120],
  checksMax: 5,
};
const start = 1_800_000_000_000;

/** A session that is changed as the workflow and the Redis script would change it. */
class Clockwork {
  now = start;
  readonly state: VerificationSessionState & { sends: Send[]; checks?: CheckState | undefined } = {
    createdAt: start,
    sends: [],
  };

  get view(): VerificationSessionView | undefined {
    return sessionAt(this.state, rules, this.now);
  }

  /** Returns the reason of a refusal, or the state of the send. */
  send(channel: Channel, state: SendState = 'sent', reason?: string): string {
    const refused = refuseSend(this.state, channel, rules, this.now);
    if (refused !== undefined) return refused.reason;
    const { sends } = this.state;
    const send: Send = { number: sends.length + 1, channel, requestedAt: this.now, state, ...(reason && { reason }) };
    if (state === 'sent') {
      send.sentAt = this.now;
      this.state.checks = { since: this.now, checks: 0, expiresAt: this.now + rules.codeTtlSeconds * 1000 };
    }
    sends.push(send);
    return state;
  }

  check(isRight: boolean): string {
    const refused = refuseCheck(this.state, rules, this.now);
    if (refused !== undefined) return refused.reason;
    const { checks } = this.state;
    if (checks === undefined) throw new Error('No code');
    checks.checks++;
    checks.lastCheckAt = this.now;
    if (isRight) checks.verifiedAt ??= this.now;
    return isRight ? 'right' : 'wrong';
  }

  wait(ms: number): void {
    this.now += ms;
  }

  /** Minutes from now until an instant. */
  in(at: number | null | undefined): number | null | undefined {
    return typeof at === 'number' ? (at - this.now) / minute : at;
  }
}

describe('A session', () => {
  it('lives 10 minutes from its creation, to the millisecond', () => {
    const session = new Clockwork();
    session.wait(10 * minute - 1);
    assert.equal(session.view?.isVerified, false);
    session.wait(1);
    assert.equal(session.view, undefined);
  });

  it('sends five SMS: at once, then after 1, 2, 5 and 10 minutes', () => {
    const session = new Clockwork();
    for (const waitMinutes of [1, 2, 5, 10]) {
      assert.equal(session.send('sms'), 'sent');
      assert.equal(session.in(session.view?.nextSmsAt), waitMinutes);
      session.wait(waitMinutes * minute - 1);
      assert.equal(session.send('sms'), 'too-early');
      session.wait(1);
    }
    assert.equal(session.send('sms'), 'sent');
    assert.equal(session.view?.nextSmsAt, null);
    assert.equal(session.send('sms'), 'exhausted');
    assert.equal((session.now - start) / minute, 18);
    assert.equal(session.in(session.view?.expiresAt), 10);
  });

  it('calls three times: 1 minute after the first SMS, then after 1 and 5 minutes', () => {
    const session = new Clockwork();
    assert.equal(session.send('voice'), 'exhausted');
    session.send('sms');
    assert.equal(session.in(session.view?.nextVoiceAt), 1);
    assert.equal(session.send('voice'), 'too-early');
    for (const waitMinutes of [1, 1, 5]) {
      session.wait(waitMinutes * minute);
      assert.equal(session.send('voice'), 'sent');
    }
    assert.equal(session.view?.nextVoiceAt, null);
    assert.equal(session.send('voice'), 'exhausted');
  });

  it('allows calls 1 minute after a rejected SMS, which counts as one', () => {
    for (const reason of ['recipient-opted-out', 'fraud-suspected']) {
      const session = new Clockwork();
      session.send('sms', 'rejected', reason);
      assert.equal(session.in(session.view?.nextVoiceAt), 1);
      assert.equal(session.in(session.view?.nextSmsAt), 1);
      assert.equal(session.view?.nextCheckAt, null);
    }
  });

  it('allows calls at once, and no more SMS, for a number that cannot receive SMS', () => {
    const session = new Clockwork();
    session.send('sms', 'refused', 'number-not-mobile');
    assert.equal(session.view?.nextSmsAt, null);
    assert.equal(session.send('voice'), 'sent');
  });

  it('allows no send while another one is in progress, and does not expire meanwhile', () => {
    const session = new Clockwork();
    session.send('sms', 'sending');
    assert.equal(session.send('sms'), 'too-early');
    session.wait(minute);
    assert.equal(session.send('sms'), 'under-way');
    assert.equal(session.in(session.view?.expiresAt), 10);
  });

  it('compares a code five times: three at once, then after 1 and 2 minutes; a new code starts over', () => {
    const session = new Clockwork();
    assert.equal(session.check(false), 'no-code-sent');
    session.send('sms');
    for (let index = 0; index < 3; index++) assert.equal(session.check(false), 'wrong');
    for (const waitMinutes of [1, 2]) {
      assert.equal(session.in(session.view?.nextCheckAt), waitMinutes);
      session.wait(waitMinutes * minute - 1);
      assert.equal(session.check(true), 'too-early');
      session.wait(1);
      assert.equal(session.check(false), 'wrong');
    }
    assert.equal(session.check(true), 'exhausted');
    assert.equal(session.view?.nextCheckAt, null);
    assert.equal(session.send('sms'), 'sent');
    assert.equal(session.check(true), 'right');
  });

  it('accepts a code until 9:59 and not at 10:00, while the session lives on', () => {
    for (const [seconds, outcome] of [
      [599, 'right'],
      [600, 'code-expired'],
      [601, 'code-expired'],
    ] as const) {
      const session = new Clockwork();
      session.send('sms');
      session.wait(seconds * 1000);
      assert.equal(session.check(true), outcome);
      assert.ok(session.view);
    }
  });

  it('lives 10 minutes after verification, allows no sends, and accepts the same code', () => {
    const session = new Clockwork();
    session.send('sms');
    session.wait(5 * minute);
    assert.equal(session.check(true), 'right');
    const { isVerified, nextSmsAt, nextVoiceAt, nextCheckAt } = session.view ?? {};
    assert.deepEqual([isVerified, nextSmsAt, nextVoiceAt, nextCheckAt], [true, null, null, null]);
    assert.equal(session.send('sms'), 'already-verified');
    session.wait(9 * minute);
    assert.equal(session.check(true), 'right');
    session.wait(minute);
    assert.equal(session.view, undefined);
  });

  it('is extended by a check and by the wait for the next one, unless the code expires first', () => {
    const session = new Clockwork();
    session.state.sends.push({ number: 1, channel: 'sms', requestedAt: start, state: 'sent', sentAt: start });
    const checks = { since: start, checks: 4, expiresAt: start + 10 * minute };
    const expiry = (lastCheckAt: number) =>
      (sessionExpiresAt({ ...session.state, checks: { ...checks, lastCheckAt } }, rules) - start) / minute;
    assert.equal(expiry(start + 7 * minute), 19);
    assert.equal(expiry(start + 9 * minute), 19);
  });
});

describe('Any session', () => {
  const outcomes: SendState[] = ['sent', 'sent', 'sent', 'rejected', 'refused'];

  /** Returns a generator of random numbers below a bound, from a seed (linear congruential, Numerical Recipes). */
  function randomFrom(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  /** Yields every state that random actions at random times lead to. */
  function* walk(seed: number): Generator<Clockwork> {
    const random = randomFrom(seed);
    const session = new Clockwork();
    const acts = [
      () => session.send('sms', outcomes[random(5)]),
      () => session.send('voice', outcomes[random(5)]),
      () => session.check(random(12) === 0),
      () => session.wait(random(4 * minute)),
    ];
    for (let step = 0; step < 60 && session.view !== undefined; step++) {
      acts[random(4)]?.();
      yield session;
    }
  }

  const seeds = Array.from({ length: 2000 }, (_, index) => index + 1);

  it('sends at most 5 SMS and 3 calls, and compares a code at most 5 times, for any sequence of actions', () => {
    for (const { state } of seeds.flatMap((seed) => [...walk(seed)])) {
      const { sends, checks } = state;
      assert.ok(sends.filter(({ channel }) => channel === 'sms').length <= 5);
      assert.ok(sends.filter(({ channel }) => channel === 'voice').length <= 3);
      if (checks?.verifiedAt === undefined) assert.ok((checks?.checks ?? 0) <= 5);
    }
  });

  it('exists until it expires, at least 10 minutes after each action, and its record exists longer', () => {
    for (const seed of seeds) {
      for (const { state, view, now } of walk(seed)) {
        const expiresAt = sessionExpiresAt(state, rules);
        assert.equal(view !== undefined, expiresAt > now);
        assert.ok(keepSessionUntil(state, rules) >= expiresAt + 10 * minute);
        const last = Math.max(start, state.sends.at(-1)?.requestedAt ?? 0, state.checks?.lastCheckAt ?? 0);
        if (view?.isVerified === false) assert.ok(expiresAt >= last + 10 * minute);
      }
    }
  });

  it('allows exactly what its view announces', () => {
    for (const seed of seeds) {
      for (const session of walk(seed)) {
        if (session.view?.isVerified === false) assertHonest(session, session.view);
      }
    }
  });

  function assertHonest({ state, now }: Clockwork, view: VerificationSessionView): void {
    const maySend = (way: Channel, at: number | null) =>
      refuseSend(state, way, rules, Math.max(now, at ?? now)) === undefined;
    assert.equal(maySend('sms', view.nextSmsAt), view.nextSmsAt !== null);
    assert.equal(maySend('voice', view.nextVoiceAt), view.nextVoiceAt !== null);
    const checkAt = Math.max(now, view.nextCheckAt ?? now);
    const isOver = checkAt >= (state.checks?.expiresAt ?? Number.POSITIVE_INFINITY);
    assert.equal(refuseCheck(state, rules, checkAt) === undefined, view.nextCheckAt !== null && !isOver);
  }
});

describe('refusalKindOf()', () => {
  it('distinguishes unreachable numbers, missing senders and fraud from other refusals', () => {
    assert.equal(refusalKindOf('number-not-mobile'), 'unreachable');
    assert.equal(refusalKindOf('country-not-enabled'), 'unreachable');
    assert.equal(refusalKindOf('not-configured'), 'no-sender');
    assert.equal(refusalKindOf('fraud-suspected'), 'fraud');
    assert.equal(refusalKindOf('recipient-opted-out'), 'rejected');
    assert.equal(refusalKindOf(undefined), 'rejected');
  });
});
