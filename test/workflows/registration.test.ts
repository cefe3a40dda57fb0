import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ApplicationFailure } from '@temporalio/activity';
import type { UpdateDefinition } from '@temporalio/common';
import type { Failure } from '../../domain/failures.ts';
import type { RegistrationStatus, StepName } from '../../domain/registration.ts';
import {
  approve,
  authenticate,
  cancel,
  confirmCode,
  passCaptcha,
  requestCode,
  retryStep,
  setCredentials,
  switchChannel,
} from '../../workflows/registration.ts';
import { eventually, until } from '../support/until.ts';
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

const start = (script?: Script, input?: StartOptions) => stage.start(script, input);

function give<Answer, Args extends [unknown] | []>(
  scene: Scene,
  update: UpdateDefinition<Answer, Args>,
  ...args: Args
): Promise<Answer> {
  return scene.give(update, args);
}

const bind = (scene: Scene, passwordRef = 'seal') => give(scene, authenticate, { username: 'ada', passwordRef });
const solve = (scene: Scene) => give(scene, passCaptcha);
const ask = (scene: Scene, channel: 'sms' | 'email' = 'sms') => give(scene, requestCode, { channel });
const confirm = (scene: Scene, send = 1) => give(scene, confirmCode, { send });
const secure = (scene: Scene) => give(scene, setCredentials, { credentialsRef: 'seal' });
const stop = (scene: Scene, by?: string) => give(scene, cancel, by === undefined ? undefined : { by });
const retry = (scene: Scene, by?: string) => give(scene, retryStep, { by });
const change = (scene: Scene, channel: 'sms' | 'email', by?: string) => give(scene, switchChannel, { channel, by });
const isWaitingFor = (system: string) => (status: RegistrationStatus) => status.waitingFor === system;

/** The current details as the Temporal Web UI shows them. */
async function details({ handle }: Scene): Promise<string> {
  const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

/** The sends of a registration, as number and channel. */
const sendsOf = ({ calls }: Scene) =>
  calls.filter(({ name }) => name === 'sendCode').map(({ input }) => `${input.send} ${input.channel}`);

/** The result of a provider that accepts a message. */
const sentNow = () => ({ result: 'sent', at: Date.now() }) as const;

/** Starts a registration whose code waits for SMS, which stays unavailable with a reason. */
async function waitingSms(): Promise<Scene> {
  const scene = await start({
    sendCode: async ({ channel }) => {
      if (channel === 'sms') throw failure('unavailable', { reason: 'answers-500' });
      return sentNow();
    },
  });
  await bind(scene);
  await solve(scene);
  await ask(scene);
  await scene.until(isWaitingFor('sms'));
  return scene;
}

const isSent = (status: RegistrationStatus) => status.sends.some(({ state }) => state === 'sent');
const stepOf = (status: RegistrationStatus, name: StepName) => status.steps.find((step) => step.name === name);

/** Starts a registration with directory and captcha done and one code sent. */
async function withCode(script?: Script, input?: StartOptions): Promise<Scene> {
  const scene = await start(script, input);
  await bind(scene);
  await solve(scene);
  await ask(scene);
  await scene.until(isSent);
  return scene;
}

/** Starts a registration with all steps done but the credentials. */
async function beforeLast(script?: Script, input?: StartOptions): Promise<Scene> {
  const scene = await withCode(script, input);
  await confirm(scene);
  return scene;
}

/** Fails this many times, then succeeds. */
function awayFor<T>(times: number, answer: () => T, code: 'unavailable' | 'directory-unavailable' = 'unavailable') {
  let left = times;
  return async (): Promise<T> => {
    if (left-- > 0) throw failure(code);
    return answer();
  };
}

describe('registration()', { concurrency: 4 }, () => {
  it('turns four completed steps into an account, in the documented order', async () => {
    const scene = await beforeLast();
    const { outcome, status } = await secure(scene);
    assert.deepEqual([outcome, status.state], ['done', 'completed']);
    assert.equal((await scene.handle.result()).userId, status.userId);
    assert.deepEqual(scene.acts(), [
      'authenticate',
      'sendCode',
      'hashCredentials',
      'claimIdentity',
      'createAccount',
      'forget',
    ]);
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

  it('follows the policy it was started with: a code by e-mail alone', async () => {
    const scene = await start({}, { policy: ['code'], identity: { email: 'joan@example.com' } });
    await ask(scene, 'email');
    assert.equal((await confirm(scene)).status.state, 'completed');
    assert.deepEqual(scene.acts(), ['sendCode', 'claimIdentity', 'createAccount', 'forget']);
  });

  it('gives the account only the verified address when no directory vouches for the others', async () => {
    const identity = { email: 'joan@example.com', phone: '+12025550102', username: 'joan' };
    const scene = await start({}, { policy: ['code'], identity });
    await ask(scene, 'email');
    await confirm(scene);
    const claimed = scene.calls.find(({ name }) => name === 'claimIdentity')?.input.identity;
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

  it('publishes a status after every change, with a higher version and no personal data', async () => {
    const scene = await beforeLast();
    await secure(scene);
    await scene.handle.result();
    const versions = scene.published.map(({ version }) => version);
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(versions).size, versions.length);
    assert.ok(versions.length >= 6, versions.join());
    assert.equal(scene.published.at(-1)?.state, 'completed');
    const text = JSON.stringify(scene.published);
    for (const personal of ['Lovelace', ada.email, ada.phone, ada.directoryId])
      assert.equal(text.includes(personal), false);
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
    const scene = await beforeLast({ claimIdentity: awayFor(1, () => true) });
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
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'forget']);
  });

  it('compensates what was done, in reverse order', async () => {
    const scene = await beforeLast({ createAccount: awayFor(1000, () => undefined) });
    assert.equal((await secure(scene)).status.waitingFor, 'database');
    assert.equal((await stop(scene)).state, 'cancelled');
    const acts = scene
      .acts()
      .slice(3)
      .filter((name) => name !== 'createAccount');
    assert.deepEqual(acts, ['claimIdentity', 'removeAccount', 'releaseIdentity', 'forget']);
    const users = scene.calls.filter(({ input }) => input.userId).map(({ input }) => input.userId);
    assert.equal(new Set(users).size, 1);
  });

  it('compensates as soon as an unavailable database is back', async () => {
    const scene = await beforeLast({
      createAccount: awayFor(1000, () => undefined),
      removeAccount: awayFor(1, () => undefined),
      releaseIdentity: awayFor(1, () => undefined),
    });
    await secure(scene);
    assert.equal((await stop(scene)).state, 'cancelled');
    const undone = scene.acts().filter((name) => name === 'removeAccount' || name === 'releaseIdentity');
    assert.deepEqual(undone, ['removeAccount', 'removeAccount', 'releaseIdentity', 'releaseIdentity']);
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

describe('an operator who cancels the workflow execution', { concurrency: 4 }, () => {
  it('ends it as cancelled, with the reason operator', async () => {
    const scene = await withCode();
    await scene.handle.cancel();
    const status = await scene.handle.result();
    assert.deepEqual([status.state, status.reason], ['cancelled', 'operator']);
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'forget']);
    assert.equal(scene.published.at(-1)?.state, 'cancelled');
  });

  it('triggers all compensations', async () => {
    const scene = await beforeLast({ createAccount: awayFor(1000, () => undefined) });
    await secure(scene);
    await scene.handle.cancel();
    assert.equal((await scene.handle.result()).state, 'cancelled');
    assert.deepEqual(scene.acts().slice(-3), ['removeAccount', 'releaseIdentity', 'forget']);
  });

  it('stops a wait for a dependency', async () => {
    const scene = await start({
      authenticate: awayFor(1000, () => ({ outcome: 'lost' }) as const, 'directory-unavailable'),
    });
    await bind(scene);
    await scene.handle.cancel();
    const status = await scene.handle.result();
    assert.deepEqual([status.state, status.waitingFor], ['cancelled', undefined]);
  });
});

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
    const scene = await beforeLast({ claimIdentity: async () => false });
    const { status } = await secure(scene);
    assert.deepEqual([status.state, status.reason], ['rejected', 'identity-taken']);
    assert.equal('userId' in status, false);
    assert.deepEqual(scene.acts().slice(-3), ['claimIdentity', 'releaseIdentity', 'forget']);
    assert.equal(scene.acts().includes('createAccount'), false);
  });

  it('require the PIN of an existing account that has one, and then return that account', async () => {
    const scene = await beforeLast({
      claimIdentity: async () => ({ lockedBy: 'u-old' }),
      recoverAccount: async () => ['pin'],
    });
    assert.deepEqual(await refusalOf(give(scene, approve)), { code: 'step-not-available', context: {} });
    const { status } = await secure(scene);
    assert.equal(status.state, 'pending');
    assert.deepEqual(status.steps.at(-1), { name: 'approval', status: 'open', reason: 'registration-locked' });
    assert.equal('userId' in status, false, 'the owner stays unknown');
    const approved = await give(scene, approve);
    assert.deepEqual([approved.status.state, approved.status.userId], ['completed', 'u-old']);
    assert.equal(scene.acts().includes('createAccount'), false);
    const [reopened] = scene.calls.filter(({ name }) => name === 'recoverAccount');
    assert.equal(reopened?.input.userId, 'u-old');
  });

  it('reject the registration when the account changes hands while its PIN is entered', async () => {
    const scene = await beforeLast({
      claimIdentity: async () => ({ lockedBy: 'u-old' }),
      recoverAccount: async () => false,
    });
    await secure(scene);
    const { status } = await give(scene, approve);
    assert.deepEqual([status.state, status.reason], ['rejected', 'identity-taken']);
  });

  it('leave an existing account unchanged when the locked registration is cancelled', async () => {
    const scene = await beforeLast({ claimIdentity: async () => ({ lockedBy: 'u-old' }) });
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

  it('retry an activity that crashed', async () => {
    let crashes = 2;
    const scene = await beforeLast({
      hashCredentials: async () => {
        if (crashes-- > 0) throw new Error('A crash');
        return 'kept';
      },
    });
    assert.equal((await secure(scene)).status.state, 'completed');
    assert.equal(scene.acts().filter((name) => name === 'hashCredentials').length, 3);
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
    assert.equal(scene.acts().at(-1), 'forget');
  });

  it('end the registration with internal-error on a bug at the finish, and compensate', async () => {
    const scene = await beforeLast({
      createAccount: async () => {
        throw ApplicationFailure.nonRetryable('A bug', 'TypeError');
      },
    });
    const { status } = await secure(scene);
    assert.deepEqual([status.state, status.reason], ['rejected', 'internal-error']);
    assert.deepEqual(scene.acts().slice(-3), ['removeAccount', 'releaseIdentity', 'forget']);
  });
});

describe('updates', { concurrency: 4 }, () => {
  it('return the first result to a repeat with the same id, also after the end, and run once', async () => {
    const scene = await beforeLast();
    const give = () => scene.give(setCredentials, [{ credentialsRef: 'seal' }], 'key-1');
    const answers = await Promise.all([give(), give()]);
    await scene.handle.result();
    answers.push(await give());
    assert.deepEqual(new Set(answers.map(({ status }) => status.version)).size, 1);
    assert.equal(scene.acts().filter((name) => name === 'hashCredentials').length, 1);
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

describe('the view of operators', () => {
  it('has search attributes and a timeline without personal data', async () => {
    const scene = await withCode();
    const { searchAttributes } = await scene.handle.describe();
    assert.deepEqual(searchAttributes, {
      BuildIds: searchAttributes.BuildIds,
      VyryStep: ['code'],
      VyryState: ['pending'],
      VyryChannel: ['sms'],
      VyryCountry: ['GB'],
    });
    const history = JSON.stringify(await scene.handle.fetchHistory());
    for (const personal of ['Lovelace', ada.email, ada.phone.slice(1), ada.directoryId]) {
      assert.equal(history.includes(personal), false, personal);
    }
    await stop(scene);
  });
});

describe('switchChannel', { concurrency: 4 }, () => {
  it('sends one code on the other channel, which can be verified', async () => {
    const scene = await waitingSms();
    const status = await change(scene, 'email', 'alice');
    assert.deepEqual([status.state, status.waitingFor], ['pending', undefined]);
    await scene.until(({ sends }) => sends[1]?.state === 'sent');
    assert.deepEqual(
      sendsOf(scene).filter((send) => send.endsWith('email')),
      ['2 email'],
    );
    assert.deepEqual(
      (await scene.status()).sends.map(({ state }) => state),
      ['given-up', 'sent'],
    );
    await secure(scene);
    assert.equal((await confirm(scene, 2)).status.state, 'completed');
  });

  it('records an event with the name of the operator, who appears in the timeline', async () => {
    const scene = await waitingSms();
    await change(scene, 'email', 'alice');
    assert.deepEqual(scene.calls.find(({ name }) => name === 'operatorAct')?.input, {
      act: 'switch-channel',
      registrationId: scene.id,
      number: 1,
      operator: 'alice',
    });
    assert.match(
      await details(scene),
      /operator alice: channel switched to email\n.*code 1 by sms given up\n.*code 2 requested/,
    );
  });

  it('replaces a permanently refused send', async () => {
    const scene = await start({
      sendCode: async ({ channel }) =>
        channel === 'sms' ? { result: 'refused', reason: 'number-not-mobile' } : sentNow(),
    });
    await bind(scene);
    await solve(scene);
    await ask(scene);
    await scene.until(({ sends }) => sends[0]?.state === 'refused');
    await change(scene, 'email');
    const status = await scene.until(({ sends }) => sends[1]?.state === 'sent');
    assert.equal(status.sends[0]?.state, 'refused');
  });

  it('waits for an attempt in progress, and is refused if that sent the code after all', async () => {
    const gate = Promise.withResolvers<void>();
    let tries = 0;
    const scene = await start({
      sendCode: async () => {
        if (tries++ === 0) throw failure('unavailable', { reason: 'answers-500' });
        await gate.promise;
        return sentNow();
      },
    });
    await bind(scene);
    await solve(scene);
    await ask(scene);
    await until(() => tries >= 2);
    const order = refusalOf(change(scene, 'email'));
    await until(() => scene.acts().includes('operatorAct'));
    gate.resolve();
    assert.equal((await order).code, 'nothing-waiting');
    assert.deepEqual(sendsOf(scene), ['1 sms', '1 sms']);
    assert.equal((await scene.status()).sends[0]?.state, 'sent');
  });

  it('sends on the other channel when the attempt in progress fails too', async () => {
    const gate = Promise.withResolvers<void>();
    let tries = 0;
    const scene = await start({
      sendCode: async ({ channel }) => {
        if (channel === 'email') return sentNow();
        if (tries++ > 0) await gate.promise;
        throw failure('unavailable');
      },
    });
    await bind(scene);
    await solve(scene);
    await ask(scene);
    await until(() => tries >= 2);
    const order = change(scene, 'email');
    await until(() => scene.acts().includes('operatorAct'));
    assert.deepEqual(sendsOf(scene), ['1 sms', '1 sms']);
    gate.resolve();
    await order;
    await scene.until(({ sends }) => sends[1]?.state === 'sent');
    assert.deepEqual(sendsOf(scene), ['1 sms', '1 sms', '2 email']);
  });

  it('switches once for parallel requests', async () => {
    const scene = await waitingSms();
    const orders = await Promise.allSettled([change(scene, 'email'), change(scene, 'email'), change(scene, 'email')]);
    assert.equal(orders.filter(({ status }) => status === 'fulfilled').length, 1);
    await scene.until(({ sends }) => sends[1]?.state === 'sent');
    assert.equal(sendsOf(scene).filter((send) => send.endsWith('email')).length, 1);
  });

  it('is refused where it does not apply, and leaves no history', async () => {
    const scene = await waitingSms();
    const unsent = await start({}, { policy: ['code'], identity: { phone: ada.phone } });
    assert.equal((await refusalOf(change(unsent, 'email'))).code, 'nothing-waiting');
    const noAddress = await start(
      { sendCode: awayFor(1000, () => ({ result: 'sent', at: 0 }) as const) },
      { policy: ['code'], identity: { phone: ada.phone } },
    );
    await ask(noAddress);
    await noAddress.until(isWaitingFor('sms'));
    assert.equal((await refusalOf(change(noAddress, 'email'))).code, 'channel-not-available');
    await stop(scene);
    const sent = await withCode();
    await sent.status();
    await sent.leavesNoHistory(async () => {
      assert.equal((await refusalOf(change(sent, 'email'))).code, 'nothing-waiting');
      assert.equal((await refusalOf(change(sent, 'sms'))).code, 'nothing-waiting');
      for (const by of ['ada lovelace', '+447700900101', 'a@example.com', '', 'x'.repeat(65), '<b>']) {
        assert.equal((await refusalOf(change(sent, 'email', by))).code, 'malformed', by);
      }
    });
    await confirm(sent);
    assert.equal((await refusalOf(change(sent, 'email'))).code, 'nothing-waiting');
  });
});

describe('retryStep', () => {
  it('is refused when nothing waits, and leaves no history', async () => {
    const scene = await withCode();
    await scene.status();
    await scene.leavesNoHistory(async () => {
      for (let time = 0; time < 3; time++) assert.equal((await refusalOf(retry(scene))).code, 'nothing-waiting');
      assert.equal((await refusalOf(retry(scene, 'not a name'))).code, 'malformed');
    });
  });
});

describe('an operator who requests a cancel', () => {
  it('ends it as cancelled, with the reason operator, and records an event', async () => {
    const scene = await withCode();
    const status = await stop(scene, 'alice');
    assert.deepEqual([status.state, status.reason], ['cancelled', 'operator']);
    await scene.handle.result();
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'operatorAct', 'forget']);
    assert.match(await details(scene), /^\*\*cancelled\*\*: operator\n[\s\S]*operator alice: cancel requested/);
  });
});

describe('the current details', { concurrency: 4 }, () => {
  it('show the awaited dependency, since when, the number of attempts, the next one and the reason', async () => {
    const scene = await waitingSms();
    const instant = '[\\d: -]+';
    const line = new RegExp(
      `^\\*\\*waiting for sms\\*\\* since ${instant}, (\\d+) attempts, next at ${instant}, reason: answers 500\n`,
    );
    const shown = await eventually(async () => line.exec(await details(scene)) ?? undefined);
    const tries = Number(shown[1]);
    assert.ok(tries >= 2 && tries <= sendsOf(scene).length, shown[0]);
    assert.match(shown.input, /- [\d: -]+ started\n/);
    await stop(scene);
  });

  it('show what the user has to do, and the state of the code', async () => {
    const scene = await start();
    assert.match(await details(scene), /^\*\*waiting for the person\*\*: directory, captcha, credentials\n/);
    await bind(scene);
    await solve(scene);
    await ask(scene);
    await scene.until(isSent);
    assert.match(
      await details(scene),
      /^\*\*waiting for the person\*\*: code, credentials \(code 1 by sms: sent at [\d: -]+\)\n/,
    );
    await stop(scene);
  });

  it('show a call in progress while there is no result yet', async () => {
    const gate = Promise.withResolvers<void>();
    const scene = await start({
      authenticate: async () => {
        await gate.promise;
        return { outcome: 'refused' };
      },
    });
    const bound = bind(scene);
    await until(() => scene.acts().includes('authenticate'));
    assert.match(await details(scene), /^\*\*calling directory\*\* since [\d: -]+, no response yet\n/);
    gate.resolve();
    await bound;
    await stop(scene);
  });

  it('contain no personal data', async () => {
    const scene = await waitingSms();
    await change(scene, 'email', 'alice');
    await scene.until(({ sends }) => sends[1]?.state === 'sent');
    const text = await details(scene);
    for (const personal of ['Lovelace', ada.email, ada.phone.slice(1), ada.directoryId, ' ada ']) {
      assert.equal(text.includes(personal), false, personal);
    }
    await stop(scene);
  });
});
