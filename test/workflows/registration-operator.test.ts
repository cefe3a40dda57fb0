import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  ask,
  awayFor,
  bind,
  change,
  confirm,
  isSent,
  isWaitingFor,
  reachCode,
  retry,
  secure,
  sendsOf,
  sentNow,
  solve,
  stop,
} from '../support/registration-steps.ts';
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

/** The current details as the Temporal Web UI shows them. */
async function details({ handle }: Scene): Promise<string> {
  const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

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

/** Starts a registration with all steps done but the credentials, and a database that stays away. */
async function beforeAccount(): Promise<Scene> {
  const scene = await withCode({ createAccount: awayFor(1000, () => ({ outcome: 'created' }) as const) });
  await confirm(scene);
  return scene;
}

/** Starts a registration with directory and captcha done and one code sent. */
const withCode = async (script?: Script, input?: StartOptions) => reachCode(await start(script, input));

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
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'operatorAct', 'closeRegistration']);
    assert.match(await details(scene), /^\*\*cancelled\*\*: operator\n[\s\S]*operator alice: cancel requested/);
  });
});

describe('an operator who cancels the workflow execution', { concurrency: 4 }, () => {
  it('ends it as cancelled, with the reason operator', async () => {
    const scene = await withCode();
    await scene.handle.cancel();
    const status = await scene.handle.result();
    assert.deepEqual([status.state, status.reason], ['cancelled', 'operator']);
    assert.deepEqual(scene.acts(), ['authenticate', 'sendCode', 'closeRegistration']);
    assert.equal(scene.published.at(-1)?.state, 'cancelled');
  });

  it('triggers the compensation', async () => {
    const scene = await beforeAccount();
    await secure(scene);
    await scene.handle.cancel();
    assert.equal((await scene.handle.result()).state, 'cancelled');
    assert.deepEqual(scene.acts().slice(-2), ['removeAccount', 'closeRegistration']);
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
