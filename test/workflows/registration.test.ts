import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ApplicationFailure } from '@temporalio/activity';
import type { Failure } from '../../domain/failures.ts';
import type { RegistrationStatus, StepName } from '../../domain/registration.ts';
import { approve, requestCode, setCredentials } from '../../workflows/registration-messages.ts';
import {
  ask,
  awayFor,
  bind,
  confirm,
  give,
  isSent,
  reachCode,
  secure,
  sentNow,
  solve,
  stop,
} from '../support/registration-steps.ts';
import { until } from '../support/until.ts';
import {
  ada,
  failure,
  openStage,
  refusalOf,
  type Scene,
  type Script,
  type Stage,
  type StartOptions,
} from '../support/workflow-scene.ts';

let stage: Stage;

before(async () => {
  stage = await openStage();
});
after(() => stage[Symbol.asyncDispose]());

const created = { outcome: 'created' } as const;
/** The identity has an account with a PIN. */
const locked = { outcome: 'locked', lockedBy: 'u-old', lock: { hasPin: true, hasDevices: false } } as const;

const start = (script?: Script, input?: StartOptions) => stage.start(script, input);
const stepOf = (status: RegistrationStatus, name: StepName) => status.steps.find((step) => step.name === name);

/** Starts a registration with directory and captcha done and one code sent. */
const withCode = async (script?: Script, input?: StartOptions) => reachCode(await start(script, input));

/** Starts a registration with all steps done but the credentials. */
async function beforeLast(script?: Script, input?: StartOptions): Promise<Scene> {
  const scene = await withCode(script, input);
  await confirm(scene);
  return scene;
}

describe('registration()', { concurrency: 4 }, () => {
  it('turns four completed steps into an account, in the documented order', async () => {
    const scene = await beforeLast();
    const { outcome, status } = await secure(scene);
    assert.deepEqual([outcome, status.state], ['done', 'completed']);
    assert.equal((await scene.handle.result()).userId, status.userId);
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'createAccount', 'closeRegistration']);
    const account = scene.calls.find(({ name }) => name === 'createAccount')?.input;
    assert.deepEqual(account.identity, ada);
    assert.equal(account.userId, status.userId);
    assert.deepEqual(scene.calls.find(({ name }) => name === 'sendCode')?.input, {
      subject: scene.id,
      purpose: 'register',
      ttlSeconds: 180,
      send: 1,
      channel: 'sms',
      to: ada.phone,
      country: ada.country,
    });
  });

  it('accepts the steps in any order that their requirements allow', async () => {
    const scene = await start();
    await secure(scene);
    await solve(scene);
    await bind(scene);
    await ask(scene);
    const { status } = await confirm(scene);
    assert.equal(status.state, 'completed');
  });

  it('F14: opens the credentials again when the directory shows that the password is a word of the user', async () => {
    const scene = await start({ judgeCredentials: async () => 'own-word' });
    await secure(scene);
    await solve(scene);
    const { outcome, status } = await bind(scene);
    assert.equal(outcome, 'done');
    assert.deepEqual(stepOf(status, 'credentials'), { name: 'credentials', status: 'open', reason: 'own-word' });
    await ask(scene);
    assert.equal((await confirm(scene)).status.state, 'pending');
    assert.equal((await secure(scene)).status.state, 'completed');
  });

  it('F14: judges a password again whose hash is computed while the directory answers', async () => {
    let isKnown = false;
    const scene: Scene = await start({
      hashCredentials: async ({ identity }) => {
        if (identity?.username !== undefined) return 'own-word';
        await until(() => isKnown);
        return 'kept';
      },
    });
    const secured = secure(scene);
    await until(() => scene.acts().includes('hashCredentials'));
    await bind(scene);
    isKnown = true;
    assert.equal((await secured).outcome, 'own-word');
    assert.equal(scene.acts().filter((name) => name === 'hashCredentials').length, 2);
  });

  it('follows the policy it was started with: a code by e-mail alone', async () => {
    const scene = await start({}, { policy: ['code'], identity: { email: 'joan@example.com' } });
    await ask(scene, 'email');
    assert.equal((await confirm(scene)).status.state, 'completed');
    assert.deepEqual(scene.acts(), ['sendCode', 'createAccount', 'closeRegistration']);
  });

  it('gives the account only the verified address when no directory vouches for the others', async () => {
    const identity = { email: 'joan@example.com', phone: '+12025550102', username: 'joan' };
    const scene = await start({}, { policy: ['code'], identity });
    await ask(scene, 'email');
    await confirm(scene);
    const claimed = scene.calls.find(({ name }) => name === 'createAccount')?.input.identity;
    assert.deepEqual(claimed, { email: 'joan@example.com', username: 'joan' });
  });

  it('replaces what the client claimed with the data of the directory', async () => {
    const scene = await start({}, { identity: { phone: '+12025550102', email: 'eve@example.com' } });
    await bind(scene);
    await solve(scene);
    await ask(scene);
    await scene.until(isSent);
    assert.equal(scene.calls.find(({ name }) => name === 'sendCode')?.input.to, ada.phone);
  });

  it('returns or publishes a status after every change, with a higher version and no personal data', async () => {
    const scene = await start();
    const answered = [(await bind(scene)).status, (await solve(scene)).status, await ask(scene)];
    const sent = await scene.until(isSent);
    answered.push((await confirm(scene)).status, (await secure(scene)).status);
    await scene.handle.result();
    const versions = [...answered.slice(0, 3), sent, ...answered.slice(3)].map(({ version }) => version);
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(versions).size, versions.length);
    assert.deepEqual(
      scene.published.map(({ state }) => state),
      ['pending', 'completed'],
    );
    const text = JSON.stringify([answered, scene.published]);
    for (const personal of ['Lovelace', ada.email, ada.phone, ada.directoryId])
      assert.equal(text.includes(personal), false);
  });

  it('learns the proofs that an update brings along, and judges the update by them', async () => {
    const scene = await start();
    await bind(scene);
    await give(scene, requestCode, { channel: 'sms', proofs: { captcha: { at: 1 } } });
    await scene.until(isSent);
    const { status } = await give(scene, setCredentials, {
      credentialsRef: 'ref-1',
      proofs: { captcha: { at: 1 }, code: { at: 2, send: 1 } },
    });
    assert.equal(status.state, 'completed');
  });

  it('asks for the proofs that no update would bring along, and completes with them', async () => {
    const scene = await withCode({ takeProofs: async () => ({ code: { at: 1, send: 1 } }) });
    assert.equal((await secure(scene)).status.state, 'completed');
  });
});

describe('the requirements of a code', { concurrency: 4 }, () => {
  it('refuse it before directory and captcha, and leave no history', async () => {
    const scene = await start();
    await scene.status();
    await scene.leavesNoHistory(async () => {
      for (let time = 0; time < 5; time++) assert.equal((await refusalOf(ask(scene))).code, 'step-blocked');
    });
    await bind(scene);
    assert.equal((await refusalOf(ask(scene))).code, 'step-blocked');
    await solve(scene);
    await ask(scene);
  });

  it('refuse a channel for which there is no address', async () => {
    const scene = await start({}, { policy: ['code'], identity: { email: 'joan@example.com' } });
    assert.equal((await refusalOf(ask(scene, 'sms'))).code, 'channel-not-available');
  });

  it('refuse steps that the policy does not list', async () => {
    const scene = await start({}, { policy: ['code'], identity: { phone: ada.phone } });
    assert.equal((await refusalOf(bind(scene))).code, 'step-not-available');
    assert.equal((await refusalOf(secure(scene))).code, 'step-not-available');
  });

  it('refuse another code after verification', async () => {
    const scene = await beforeLast();
    assert.equal((await refusalOf(ask(scene))).code, 'step-not-available');
  });
});

describe('requestCode', { concurrency: 4 }, () => {
  it('sends one message for parallel requests, and refuses the others', async () => {
    const scene = await start();
    await bind(scene);
    await solve(scene);
    const orders = await Promise.allSettled([ask(scene), ask(scene), ask(scene)]);
    assert.equal(orders.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const order of orders) {
      if (order.status === 'rejected')
        assert.equal((await refusalOf(Promise.reject(order.reason))).code, 'rate-limited');
    }
    await scene.until(isSent);
    assert.deepEqual(
      scene.acts().filter((name) => name === 'sendCode'),
      ['sendCode'],
    );
  });

  it('sends one message each for two channels', async () => {
    const scene = await start();
    await bind(scene);
    await solve(scene);
    await Promise.all([ask(scene, 'sms'), ask(scene, 'email')]);
    await scene.until(({ sends }) => sends.filter(({ state }) => state === 'sent').length === 2);
    const sent = scene.calls.filter(({ name }) => name === 'sendCode').map(({ input }) => [input.send, input.to]);
    assert.deepEqual(sent.map(([, to]) => to).sort(), [ada.phone, ada.email].sort());
    assert.deepEqual(sent.map(([send]) => send).sort(), [1, 2]);
  });

  it('returns before the message is sent', async () => {
    let send = () => {};
    const isAllowed = new Promise<void>((resolve) => {
      send = resolve;
    });
    const scene = await start({ sendCode: () => isAllowed.then(sentNow) });
    await bind(scene);
    await solve(scene);
    assert.equal((await ask(scene)).sends[0]?.state, 'sending');
    send();
    await scene.until(isSent);
  });

  it('offers the other channel after a permanent refusal', async () => {
    const scene = await start({
      sendCode: async ({ channel }) =>
        channel === 'sms' ? { result: 'refused', reason: 'number-not-mobile' } : sentNow(),
    });
    await bind(scene);
    await solve(scene);
    await ask(scene, 'sms');
    const refused = await scene.until(({ sends }) => sends[0]?.state === 'refused');
    assert.deepEqual(stepOf(refused, 'code'), { name: 'code', status: 'open', reason: 'sms-refused' });
    assert.equal(refused.nextSendAt.sms, null);
    assert.equal((await refusalOf(ask(scene, 'sms'))).code, 'channel-refused');
    await ask(scene, 'email');
    await scene.until(isSent);
  });
});

describe('an unavailable dependency', { concurrency: 4 }, () => {
  it('is waited for at the directory step: the update returns `waiting` and continues on its own', async () => {
    const away = awayFor(1, () => ({ outcome: 'ok', identity: ada }) as const, 'directory-unavailable');
    const scene = await start({ authenticate: away });
    const { outcome, status } = await bind(scene);
    assert.equal(outcome, 'waiting');
    assert.deepEqual([status.state, status.waitingFor], ['waiting', 'directory']);
    assert.equal(stepOf(status, 'directory')?.reason, 'directory-unavailable');
    const after = await scene.until((later) => stepOf(later, 'directory')?.status === 'done');
    assert.equal(after.waitingFor === 'directory', false);
    assert.equal((await scene.status()).state, 'pending');
  });

  it('is dropped when a newer update is refused', async () => {
    const scene = await start({
      authenticate: async ({ passwordRef }) => {
        if (passwordRef === 'older') throw failure('directory-unavailable');
        return { outcome: 'refused' };
      },
    });
    await bind(scene, 'older');
    const { outcome, status } = await bind(scene, 'newer');
    assert.deepEqual([outcome, status.state, status.waitingFor], ['refused', 'pending', undefined]);
  });

  it('is waited for at the send, and does not block the other steps', async () => {
    const scene = await start({ sendCode: awayFor(1, sentNow) });
    await bind(scene);
    await solve(scene);
    await ask(scene);
    const waiting = await scene.until(({ waitingFor }) => waitingFor === 'sms');
    assert.deepEqual(stepOf(waiting, 'code'), { name: 'code', status: 'waiting', reason: 'sms-unavailable' });
    assert.equal((await secure(scene)).outcome, 'done');
    await scene.until(isSent);
    assert.equal((await confirm(scene)).status.state, 'completed');
    const sends = scene.calls.filter(({ name }) => name === 'sendCode').map(({ input }) => input.send);
    assert.deepEqual(sends, [1, 1]);
  });

  it('is waited for at the finish: the last step returns `waiting`, and the execution completes on its own', async () => {
    const scene = await beforeLast({ createAccount: awayFor(1, () => created) });
    const { outcome, status } = await secure(scene);
    assert.deepEqual([outcome, status.state, status.waitingFor], ['done', 'waiting', 'database']);
    assert.equal((await scene.handle.result()).state, 'completed');
  });
});

describe('cancel', { concurrency: 4 }, () => {
  it('closes a registration without compensations and forgets it', async () => {
    const scene = await withCode();
    assert.equal((await stop(scene)).state, 'cancelled');
    assert.equal((await scene.handle.result()).state, 'cancelled');
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'closeRegistration']);
  });

  it('removes what was created', async () => {
    const scene = await beforeLast({ createAccount: awayFor(1000, () => created) });
    assert.equal((await secure(scene)).status.waitingFor, 'database');
    assert.equal((await stop(scene)).state, 'cancelled');
    const acts = scene
      .acts()
      .slice(2)
      .filter((name) => name !== 'createAccount');
    assert.deepEqual(acts, ['removeAccount', 'closeRegistration']);
    const users = scene.calls.filter(({ input }) => input.userId).map(({ input }) => input.userId);
    assert.equal(new Set(users).size, 1);
  });

  it('compensates as soon as an unavailable database is back', async () => {
    const scene = await beforeLast({
      createAccount: awayFor(1000, () => created),
      removeAccount: awayFor(1, () => undefined),
    });
    await secure(scene);
    assert.equal((await stop(scene)).state, 'cancelled');
    const undone = scene.acts().filter((name) => name === 'removeAccount');
    assert.deepEqual(undone, ['removeAccount', 'removeAccount']);
  });

  it('returns the same to parallel repeats', async () => {
    const scene = await withCode();
    const answers = await Promise.allSettled([stop(scene), stop(scene), stop(scene)]);
    const states = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.state] : []));
    assert.deepEqual(new Set(states), new Set(['cancelled']));
    for (const answer of answers) assert.equal(await isAnswerOrClosed(answer), true);
  });

  it('gets a result when it races with a step, and so does the step', async () => {
    for (let round = 0; round < 5; round++) {
      const scene = await beforeLast();
      const answers = await Promise.allSettled([secure(scene), stop(scene)]);
      const { state } = await scene.handle.result();
      assert.match(state, /^(completed|cancelled)$/);
      for (const answer of answers) assert.equal(await isAnswerOrClosed(answer), true);
      const isCompensated = !scene.acts().includes('createAccount') || scene.acts().includes('removeAccount');
      assert.equal(state === 'completed' || isCompensated, true);
    }
  });
});

/** An update that arrives while the execution closes may be refused as closed, by the workflow or by Temporal. */
async function isAnswerOrClosed(answer: PromiseSettledResult<unknown>): Promise<boolean> {
  if (answer.status === 'fulfilled' || (answer.reason as Failure).code === 'registration-closed') return true;
  return (await refusalOf(Promise.reject(answer.reason))).code === 'registration-closed';
}

describe('errors', { concurrency: 4 }, () => {
  it('keep the directory step open after any number of refusals', async () => {
    let isKnown = false;
    const scene = await start({
      authenticate: async () => (isKnown ? { outcome: 'ok', identity: ada } : { outcome: 'refused' }),
    });
    for (let time = 0; time < 3; time++) {
      const { outcome, status } = await bind(scene);
      assert.deepEqual([outcome, status.state, stepOf(status, 'directory')?.status], ['refused', 'pending', 'open']);
    }
    isKnown = true;
    assert.equal((await bind(scene)).outcome, 'done');
  });

  it('do not replace the user once the directory has vouched for one', async () => {
    let directoryId = 'entry-of-ada';
    const scene = await start({
      authenticate: async () => ({
        outcome: 'ok',
        identity: { ...ada, directoryId, phone: `+1202555010${directoryId.length % 10}` },
      }),
    });
    await bind(scene);
    const before = (await scene.status()).phone;
    assert.equal((await bind(scene)).outcome, 'done');
    directoryId = 'entry-of-mallory';
    assert.equal((await bind(scene)).outcome, 'somebody-else');
    assert.equal((await scene.status()).phone, before);
  });

  it('reject an identity that has an account, and release its claims', async () => {
    const scene = await beforeLast({ createAccount: async () => ({ outcome: 'taken' }) });
    const { status } = await secure(scene);
    assert.deepEqual([status.state, status.reason], ['rejected', 'identity-taken']);
    assert.equal('userId' in status, false);
    assert.deepEqual(scene.acts().slice(-3), ['createAccount', 'removeAccount', 'closeRegistration']);
  });

  it('require the PIN of an existing account that has one, and then return that account', async () => {
    const scene = await beforeLast({
      createAccount: async () => locked,
      recoverAccount: async () => ({ outcome: 'recovered', replaced: ['pin'], ended: [] }),
    });
    assert.deepEqual(await refusalOf(give(scene, approve, {})), { code: 'step-not-available', context: {} });
    const { status } = await secure(scene);
    assert.equal(status.state, 'pending');
    assert.deepEqual(status.steps.at(-1), { name: 'approval', status: 'open', reason: 'registration-locked' });
    assert.equal('userId' in status, false, 'the owner stays unknown');
    const approved = await give(scene, approve, {});
    assert.deepEqual([approved.status.state, approved.status.userId], ['completed', 'u-old']);
    const [reopened] = scene.calls.filter(({ name }) => name === 'recoverAccount');
    assert.equal(reopened?.input.userId, 'u-old');
  });

  it('reject the registration when the account changes hands while its PIN is entered', async () => {
    const scene = await beforeLast({
      createAccount: async () => locked,
      recoverAccount: async () => ({ outcome: 'taken' }),
    });
    await secure(scene);
    const { status } = await give(scene, approve, {});
    assert.deepEqual([status.state, status.reason], ['rejected', 'identity-taken']);
  });

  it('leave an existing account unchanged when the locked registration is cancelled', async () => {
    const scene = await beforeLast({ createAccount: async () => locked });
    await secure(scene);
    assert.equal((await stop(scene)).state, 'cancelled');
    assert.equal(scene.acts().includes('recoverAccount'), false);
  });

  it('ask again for one-time secrets that have expired after two minutes', async () => {
    let isLost = true;
    const scene = await start({
      authenticate: async () => (isLost ? { outcome: 'lost' } : { outcome: 'ok', identity: ada }),
      hashCredentials: async () => (isLost ? 'lost' : 'kept'),
    });
    assert.equal((await bind(scene)).outcome, 'lost');
    assert.equal((await secure(scene)).outcome, 'lost');
    isLost = false;
    assert.equal((await bind(scene)).outcome, 'done');
    assert.equal((await secure(scene)).outcome, 'done');
  });

  it('open the credentials again when the account cannot be created with them', async () => {
    const answers = [{ outcome: 'lost' }, { outcome: 'own-word' }, created] as const;
    let tries = 0;
    const scene = await beforeLast({ createAccount: async () => answers[tries++] ?? created });
    for (const outcome of ['lost', 'own-word']) {
      const refused = await secure(scene);
      assert.equal(refused.outcome, outcome);
      assert.deepEqual(stepOf(refused.status, 'credentials'), { name: 'credentials', status: 'open' });
    }
    assert.equal((await secure(scene)).status.state, 'completed');
    assert.equal(scene.acts().includes('removeAccount'), false);
  });

  it('retry an activity that crashed', async () => {
    let crashes = 2;
    const scene = await beforeLast({
      createAccount: async () => {
        if (crashes-- > 0) throw new Error('A crash');
        return created;
      },
    });
    assert.equal((await secure(scene)).status.state, 'completed');
    assert.equal(scene.acts().filter((name) => name === 'createAccount').length, 3);
  });

  it('fail the update on a bug in its own step, and keep the execution running', async () => {
    let isBroken = true;
    const scene = await start({
      hashCredentials: async () => {
        if (isBroken) throw ApplicationFailure.nonRetryable('A bug', 'TypeError');
        return 'kept';
      },
    });
    await assert.rejects(secure(scene));
    isBroken = false;
    assert.equal((await secure(scene)).outcome, 'done');
  });

  it('end the registration with internal-error on a bug after the update has returned', async () => {
    const scene = await start({
      sendCode: async () => {
        throw ApplicationFailure.nonRetryable('A bug', 'TypeError');
      },
    });
    await bind(scene);
    await solve(scene);
    await ask(scene);
    const status = await scene.handle.result();
    assert.deepEqual([status.state, status.reason], ['rejected', 'internal-error']);
    assert.equal(scene.acts().at(-1), 'closeRegistration');
  });

  it('end the registration with internal-error on a bug at the finish, and compensate', async () => {
    const scene = await beforeLast({
      createAccount: async () => {
        throw ApplicationFailure.nonRetryable('A bug', 'TypeError');
      },
    });
    const { status } = await secure(scene);
    assert.deepEqual([status.state, status.reason], ['rejected', 'internal-error']);
    assert.deepEqual(scene.acts().slice(-2), ['removeAccount', 'closeRegistration']);
  });
});

describe('updates', { concurrency: 4 }, () => {
  it('return the first result to a repeat with the same id, also after the end, and run once', async () => {
    const scene = await beforeLast();
    const give = () => scene.give(setCredentials, [{ credentialsRef: 'ref-1' }], 'key-1');
    const answers = await Promise.all([give(), give()]);
    await scene.handle.result();
    answers.push(await give());
    assert.deepEqual(new Set(answers.map(({ status }) => status.version)).size, 1);
    assert.equal(scene.acts().filter((name) => name === 'createAccount').length, 1);
  });

  it('all return before the execution closes', async () => {
    for (let round = 0; round < 5; round++) {
      const scene = await withCode();
      await secure(scene);
      const answers = await Promise.allSettled([confirm(scene), confirm(scene), confirm(scene)]);
      for (const answer of answers) assert.equal(await isAnswerOrClosed(answer), true);
      const outcomes = answers.map((answer) => answer.status === 'fulfilled' && answer.value.status.state);
      assert.equal(outcomes.includes('completed'), true);
      await scene.handle.result();
      assert.equal(scene.acts().filter((name) => name === 'createAccount').length, 1);
    }
  });

  it('return even if the registration ends while they run', async () => {
    const gate = Promise.withResolvers<void>();
    const scene = await start({
      hashCredentials: async () => {
        await gate.promise;
        return 'kept';
      },
    });
    const securing = secure(scene);
    await until(() => scene.acts().includes('hashCredentials'));
    const stopped = await stop(scene);
    gate.resolve();
    const secured = await securing;
    assert.equal(stopped.state, 'cancelled');
    assert.equal(secured.status.state, 'cancelled');
    assert.equal((await scene.handle.result()).state, 'cancelled');
  });

  it('leave no history when they are refused, however many they are', async () => {
    const scene = await withCode();
    await scene.status();
    await scene.leavesNoHistory(async () => {
      const refusals = await Promise.all(Array.from({ length: 30 }, () => refusalOf(ask(scene))));
      assert.deepEqual(new Set(refusals.map(({ code }) => code)), new Set(['rate-limited']));
    });
  });
});
