import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf, type ContactIdentity, emailKey, maskEmail, maskPhone, usernameKey } from '../../domain/identity.ts';
import {
  channelsOf,
  currentStep,
  initialState,
  openNeeds,
  readPolicy,
  refusedChannels,
  retryPauseSeconds,
  type StepName,
  statusAt,
  statusOf,
} from '../../domain/registration.ts';
import { registrationWorkflowId } from '../../domain/workflow-ids.ts';
import { send, start, state } from '../support/registration-state.ts';

const done = (...names: StepName[]) => new Set(names);

describe('statusOf() after the directory step', () => {
  it('F3: says why the entry leaves no way to send a code', () => {
    const reasonOf = (identity: ContactIdentity) =>
      statusOf(state({ identity, done: done('directory', 'captcha') })).steps.find(({ name }) => name === 'code')
        ?.reason;
    assert.equal(reasonOf({}), 'no-number-or-address');
    assert.equal(reasonOf({ emailRefused: 'address-not-valid' }), 'address-not-valid');
    assert.equal(reasonOf({ phoneRefused: 'number-not-valid', emailRefused: 'address-not-valid' }), 'number-not-valid');
    assert.equal(reasonOf({ email: 'ada@example.org', phoneRefused: 'number-not-valid' }), 'number-not-valid');
    assert.equal(reasonOf({ email: 'ada@example.org' }), undefined);
    assert.equal(reasonOf({ phone: '+12025550102', emailRefused: 'address-not-valid' }), undefined);
  });
});

describe('readPolicy()', () => {
  it('keeps the configured order', () => {
    assert.deepEqual(readPolicy(['code', 'captcha', 'credentials']), ['code', 'captcha', 'credentials']);
  });

  it('accepts the shortest policy, a code alone', () => {
    assert.deepEqual(readPolicy(['code']), ['code']);
  });

  it('refuses approval, which is added automatically when it is required', () => {
    assert.throws(
      () => readPolicy(['code', 'approval']),
      new RangeError('Step approval is added automatically and must not be listed'),
    );
  });

  it('refuses an unknown step by its position, and lists the known ones', () => {
    assert.throws(() => readPolicy(['code', 'sms']), /Step 2 does not exist; steps are directory, captcha, code/);
    assert.throws(() => readPolicy(['Code']), /Step 1 does not exist/);
    assert.throws(() => readPolicy(['constructor', 'code']), /Step 1 does not exist/);
  });

  it('refuses a duplicate step', () => {
    assert.throws(() => readPolicy(['code', 'captcha', 'code']), /Step code is listed twice/);
  });

  it('refuses a policy without the step code', () => {
    assert.throws(() => readPolicy([]), /needs the step code/);
    assert.throws(() => readPolicy(['directory', 'captcha', 'credentials']), /needs the step code/);
  });
});

describe('openNeeds()', () => {
  const policy: StepName[] = ['directory', 'captcha', 'code', 'credentials'];

  it('returns directory and captcha for a code', () => {
    assert.deepEqual(openNeeds('code', { policy, done: done() }), ['directory', 'captcha']);
    assert.deepEqual(openNeeds('code', { policy, done: done('directory') }), ['captcha']);
    assert.deepEqual(openNeeds('code', { policy, done: done('captcha') }), ['directory']);
    assert.deepEqual(openNeeds('code', { policy, done: done('captcha', 'directory') }), []);
  });

  it('returns only steps that the policy lists', () => {
    assert.deepEqual(openNeeds('code', { policy: ['code', 'credentials'], done: done() }), []);
    assert.deepEqual(openNeeds('code', { policy: ['code', 'captcha'], done: done() }), ['captcha']);
  });

  it('returns nothing for every other step', () => {
    for (const name of ['directory', 'captcha', 'credentials'] as const) {
      assert.deepEqual(openNeeds(name, { policy, done: done() }), []);
    }
  });
});

describe('the step signal', () => {
  const policy: StepName[] = ['code', 'signal'];
  const stepOf = (given: Partial<Parameters<typeof statusOf>[0]>) =>
    statusOf(state({ policy, ...given })).steps.find(({ name }) => name === 'signal');

  it('needs a code by SMS or call', () => {
    assert.deepEqual(openNeeds('signal', { policy, done: done() }), ['code']);
    assert.deepEqual(stepOf({}), { name: 'signal', status: 'blocked', reason: 'code-open' });
    const byMail = { name: 'signal', status: 'blocked', reason: 'number-not-verified' };
    assert.deepEqual(stepOf({ done: done('code'), verifiedBy: 'email' }), byMail);
    assert.deepEqual(stepOf({ done: done('code'), verifiedBy: 'voice' }), { name: 'signal', status: 'open' });
  });

  it('waits for the Signal server, and says why it was refused', () => {
    const verified = { done: done('code'), verifiedBy: 'sms' } as const;
    const waiting = { name: 'signal', status: 'waiting', reason: 'signal-unavailable' };
    assert.deepEqual(stepOf({ ...verified, waitingFor: 'signal' }), waiting);
    const refused = { name: 'signal', status: 'open', reason: 'keys-not-valid' };
    assert.deepEqual(stepOf({ ...verified, signalRefused: 'keys-not-valid' }), refused);
  });
});

describe('statusAt()', () => {
  const first = statusOf(initialState(state()));

  it('is expired once the lifetime is over, as long as no workflow has written a status', () => {
    assert.equal(statusAt(first, first.expiresAt - 1), first);
    assert.deepEqual(statusAt(first, first.expiresAt), { ...first, state: 'expired', nextSendAt: {} });
  });

  it('is the status of the workflow once it has written one', () => {
    const later = { ...first, version: 1 };
    assert.equal(statusAt(later, later.expiresAt + 60_000), later);
  });
});

describe('statusOf()', () => {
  it('lists the steps in policy order, with the code blocked by what it requires', () => {
    assert.deepEqual(statusOf(state()).steps, [
      { name: 'directory', status: 'open' },
      { name: 'captcha', status: 'open' },
      { name: 'code', status: 'blocked', reason: 'directory-open' },
      { name: 'credentials', status: 'open' },
    ]);
  });

  it('names the requirement that is left', () => {
    const { steps } = statusOf(state({ done: done('directory') }));
    assert.deepEqual(steps[2], { name: 'code', status: 'blocked', reason: 'captcha-open' });
  });

  it('opens the code when its requirements are done', () => {
    const { steps } = statusOf(state({ done: done('directory', 'captcha') }));
    assert.deepEqual(steps[2], { name: 'code', status: 'open' });
  });

  it('is pending while no dependency is waited for', () => {
    const status = statusOf(state());
    assert.equal(status.state, 'pending');
    assert.equal('waitingFor' in status, false);
  });

  it('is waiting at the directory step while the directory is unavailable', () => {
    const status = statusOf(state({ waitingFor: 'directory' }));
    assert.equal(status.state, 'waiting');
    assert.equal(status.waitingFor, 'directory');
    assert.deepEqual(status.steps[0], { name: 'directory', status: 'waiting', reason: 'directory-unavailable' });
  });

  it('is waiting at the code step while a channel is unavailable', () => {
    const status = statusOf(state({ done: done('directory', 'captcha'), waitingFor: 'sms' }));
    assert.deepEqual(status.steps[2], { name: 'code', status: 'waiting', reason: 'sms-unavailable' });
  });

  it('is waiting at no step while the database is unavailable', () => {
    const status = statusOf(
      state({ done: done('directory', 'captcha', 'code', 'credentials'), waitingFor: 'database' }),
    );
    assert.equal(status.state, 'waiting');
    assert.deepEqual(
      status.steps.map((step) => step.status),
      ['done', 'done', 'done', 'done'],
    );
  });

  it('waits for nothing once it is over', () => {
    const status = statusOf(state({ outcome: 'expired', reason: 'sms-unavailable', waitingFor: 'sms' }));
    assert.equal(status.state, 'expired');
    assert.equal(status.reason, 'sms-unavailable');
    assert.equal('waitingFor' in status, false);
    assert.equal(status.steps[2]?.status, 'blocked');
  });

  it('shows a refused channel at the code step, which stays open', () => {
    const sends = [send({ state: 'refused', reason: 'number-not-valid' })];
    const status = statusOf(state({ done: done('directory', 'captcha'), sends }));
    assert.deepEqual(status.steps[2], { name: 'code', status: 'open', reason: 'sms-refused' });
    assert.deepEqual(status.nextSendAt, { sms: null, email: start });
  });

  it('shows when each channel of the user may send next', () => {
    const status = statusOf(state({ done: done('directory', 'captcha'), sends: [send({})] }));
    assert.deepEqual(status.nextSendAt, { sms: start + 60_000, email: start });
  });

  it('shows no channel that the user does not have', () => {
    const status = statusOf(state({ policy: ['code'], identity: { email: 'ada@example.com' } }));
    assert.deepEqual(status.nextSendAt, { email: start });
  });

  it('shows no next send while the code is blocked, when it is done and when the registration is over', () => {
    assert.deepEqual(statusOf(state()).nextSendAt, {});
    assert.deepEqual(statusOf(state({ done: done('directory', 'captcha', 'code') })).nextSendAt, {});
    assert.deepEqual(statusOf(state({ policy: ['code'], outcome: 'cancelled' })).nextSendAt, {});
  });

  it('contains the user id only when it is completed', () => {
    assert.equal(statusOf(state({ outcome: 'completed', userId: 'u1' })).userId, 'u1');
    assert.equal('userId' in statusOf(state({ userId: 'u1' })), false);
    assert.equal('userId' in statusOf(state({ outcome: 'rejected', reason: 'identity-taken', userId: 'u1' })), false);
  });

  it('contains no number, address, name or directory id in plain text', () => {
    const identity = {
      username: 'ada',
      fullName: 'Ada Lovelace',
      email: 'ada@example.com',
      phone: '+12025550100',
      directoryId: 'entry-1',
      groups: ['staff'],
      country: 'US',
    };
    const text = JSON.stringify(statusOf(state({ identity })));
    for (const personal of ['ada@', 'Lovelace', '2025550100', 'entry-1', 'staff']) {
      assert.equal(text.includes(personal), false, personal);
    }
    assert.equal(statusOf(state({ identity })).phone, '+1•••••0100');
    assert.equal(statusOf(state({ identity })).email, 'a•••@example.com');
  });
});

describe('maskPhone()', () => {
  it('keeps the first digit and the last four', () => {
    assert.equal(maskPhone('+12025550100'), '+1•••••0100');
    assert.equal(maskPhone('+4917112345678'), '+4•••••5678');
  });

  it('hides the length of the number', () => {
    assert.equal(maskPhone('+29021234').length, maskPhone('+4917112345678').length);
  });
});

describe('maskEmail()', () => {
  it('keeps the first letter and the domain', () => {
    assert.equal(maskEmail('ada@example.com'), 'a•••@example.com');
    assert.equal(maskEmail('a@example.com'), 'a•••@example.com');
  });

  it('splits at the last at sign', () => {
    assert.equal(maskEmail('"a@b"@example.com'), '"•••@example.com');
  });

  it('does not split a surrogate pair', () => {
    assert.equal(maskEmail('𝒶da@example.com'), '𝒶•••@example.com');
  });
});

describe('emailKey() and usernameKey()', () => {
  it('ignore case', () => {
    assert.equal(emailKey('Ada@EXAMPLE.com'), emailKey('ada@example.com'));
    assert.equal(usernameKey('ADA'), usernameKey('ada'));
  });

  it('treat composed and decomposed letters as equal', () => {
    assert.equal(usernameKey('Jose\u0301'), usernameKey('jos\u00e9'));
    assert.equal(emailKey('Jose\u0301@example.com'), emailKey('jos\u00e9@example.com'));
  });

  it('keep homographs apart', () => {
    assert.notEqual(usernameKey('\u0430dmin'), usernameKey('admin'));
  });
});

describe('currentStep()', () => {
  it('returns the first step of the policy that is not done', () => {
    const policy: StepName[] = ['directory', 'captcha', 'code'];
    assert.equal(currentStep({ policy, done: done() }), 'directory');
    assert.equal(currentStep({ policy, done: done('captcha') }), 'directory');
    assert.equal(currentStep({ policy, done: done('directory', 'captcha') }), 'code');
    assert.equal(currentStep({ policy, done: done('directory', 'captcha', 'code') }), 'finish');
  });
});

describe('channelsOf() and addressOf()', () => {
  it('return the channels and addresses of an identity', () => {
    assert.deepEqual(channelsOf({}, {}), []);
    assert.deepEqual(channelsOf({ email: 'ada@example.com' }, {}), ['email']);
    assert.deepEqual(channelsOf({ email: 'ada@example.com', phone: '+12025550100' }, {}), ['sms', 'email']);
    assert.equal(addressOf({ email: 'ada@example.com', phone: '+12025550100' }, 'sms'), '+12025550100');
    assert.equal(addressOf({ email: 'ada@example.com', phone: '+12025550100' }, 'email'), 'ada@example.com');
    assert.equal(addressOf({ email: 'ada@example.com' }, 'sms'), undefined);
  });
});

describe('refusedChannels()', () => {
  it('returns each permanently refused channel once', () => {
    const sends = [
      send({ state: 'refused' }),
      send({ number: 2, channel: 'email' }),
      send({ number: 3, channel: 'email', state: 'refused' }),
    ];
    assert.deepEqual(refusedChannels(sends), ['sms', 'email']);
    assert.deepEqual(refusedChannels(sends.slice(1, 2)), []);
  });
});

describe('registrationWorkflowId()', () => {
  it('consists of a noun and the id', () => {
    assert.equal(registrationWorkflowId('0123'), 'registration:0123');
  });
});

describe('retryPauseSeconds()', () => {
  /** Number of attempts during an outage of this length. */
  function tries(system: Parameters<typeof retryPauseSeconds>[0], awaySeconds: number): number {
    let passed = 0;
    let count = 0;
    for (; passed < awaySeconds; count++) passed += retryPauseSeconds(system, count, passed);
    return count;
  }

  it('retries after one second, then after a few seconds', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((count) => retryPauseSeconds('directory', count, 30)),
      [1, 2, 4, 5, 5],
    );
    assert.equal(retryPauseSeconds('sms', 10, 60), 15);
  });

  it('never exceeds five minutes, however long the outage lasts', () => {
    assert.equal(retryPauseSeconds('sms', 1000, 7 * 86_400), 300);
  });

  it('B11: retries at least every three minutes in the first hour, with fewer than 100 attempts', () => {
    const clock = { now: 0, tries: 0, longest: 0 };
    for (const backAt = 3600; clock.now < backAt; clock.tries++) {
      const pause = retryPauseSeconds('sms', clock.tries, clock.now);
      clock.longest = Math.max(clock.longest, pause);
      clock.now += pause;
    }
    assert.ok(clock.now - 3600 <= 180, `sent ${clock.now - 3600} s after the provider is back`);
    assert.ok(clock.longest <= 180 && clock.tries < 100, `${clock.tries} tries`);
  });

  it('stays below half of the history limit of Temporal in a week, at eleven events an attempt', () => {
    assert.ok(tries('database', 7 * 86_400) * 11 < 51_200 / 2);
  });
});
