/** What a registration does as time passes, on a server whose clock jumps from timer to timer. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Identity } from '../../domain/registration.ts';
import {
  authenticate,
  confirmCode,
  passCaptcha,
  requestCode,
  retryStep,
  switchChannel,
} from '../../workflows/registration.ts';
import { startTimeSkippingServer, type TimeSkippingServer } from '../support/time-skipping.ts';
import { until } from '../support/until.ts';
import {
  ada,
  failure,
  openStageOn,
  refusalOf,
  type Scene,
  type Script,
  type Stage,
  type StartOptions,
} from '../support/workflow-scene.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Pauses between tries are five minutes by then: nothing is tried again by itself while a test looks. */
const longOutageMs = 2 * hourMs;
const ttlSeconds = 600;

/** Without an address no notification follows the account: after the workflow of one, the clock of this server jumps no more. */
const unwelcomed: Identity = { phone: ada.phone, country: ada.country };

let server: TimeSkippingServer;
let stage: Stage;
/** Those of the test that runs: what still waits for something would be woken by every jump of the next tests. */
const scenes: Scene[] = [];

before(async () => {
  server = await startTimeSkippingServer();
  stage = await openStageOn(server);
});
after(async () => {
  await stage?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.handle.terminate().catch(() => undefined);
});

async function start(script: Script = {}, { rules, ...options }: StartOptions = {}): Promise<Scene> {
  const scene = await stage.start(script, { ...options, rules: { ttlSeconds: 24 * 3600, ...rules } });
  scenes.push(scene);
  return scene;
}

const bind = (scene: Scene, passwordRef = 'seal') => scene.give(authenticate, [{ username: 'ada', passwordRef }]);
const ask = (scene: Scene) => scene.give(requestCode, [{ channel: 'sms' }]);
const confirm = (scene: Scene, send = 1) => scene.give(confirmCode, [{ send }]);

/** Up to the code, which is asked for. */
async function withCode(script?: Script, options?: StartOptions): Promise<Scene> {
  const scene = await start(script, options);
  await bind(scene);
  await scene.give(passCaptcha, []);
  await ask(scene);
  return scene;
}

/** A provider of SMS that is away with a reason until it is back; when it was asked, and when it took a code. */
function awayProvider() {
  const provider = { isBack: false, triedAt: [] as number[], sentAt: [] as number[] };
  const script: Script = {
    async sendCode({ channel }) {
      const now = await server.now();
      if (channel !== 'sms') return { result: 'sent', at: now };
      provider.triedAt.push(now);
      if (!provider.isBack) throw failure('unavailable', { reason: 'answers-500' });
      provider.sentAt.push(now);
      return { result: 'sent', at: now };
    },
  };
  return { provider, script };
}

const callsOf = ({ calls }: Scene, name: Scene['calls'][number]['name']) => calls.filter((call) => call.name === name);
const waitsFor = (scene: Scene, system: string) => scene.until(({ waitingFor }) => waitingFor === system);

/** Lets an outage last until tries are rare and one has just failed: the next is minutes away. */
async function outlast(tries: () => number): Promise<void> {
  await server.sleep(longOutageMs);
  for (const before = tries(); tries() === before; ) await server.sleep(10_000);
  // time passes when nothing is under way any more
  await server.sleep(1000);
}

describe('another code', () => {
  it('waits between the sends of a channel, and ends after the last', async () => {
    const scene = await withCode({}, { rules: { resendWaitsSeconds: [ttlSeconds] } });
    await scene.until(({ sends }) => sends[0]?.state === 'sent');
    const { code, context } = await refusalOf(ask(scene));
    const { retryAfterSeconds = 0 } = context as { retryAfterSeconds?: number };
    assert.equal(code, 'rate-limited');
    assert.ok(retryAfterSeconds > 0 && retryAfterSeconds <= ttlSeconds, `${retryAfterSeconds}`);
    await server.sleep((retryAfterSeconds + 1) * 1000);
    await ask(scene);
    await scene.until(({ sends }) => sends[1]?.state === 'sent');
    assert.deepEqual(await refusalOf(ask(scene)), { code: 'rate-limited', context: {} });
  });

  it('is not sent while the first is under way, however long that takes', async () => {
    const { provider, script } = awayProvider();
    const scene = await withCode(script, { rules: { resendWaitsSeconds: [ttlSeconds] } });
    await waitsFor(scene, 'sms');
    await server.sleep(2 * ttlSeconds * 1000);
    assert.deepEqual(await refusalOf(ask(scene)), { code: 'rate-limited', context: { retryAfterSeconds: 1 } });
    provider.isBack = true;
    await server.sleep(hourMs);
    await scene.until(({ sends }) => sends[0]?.state === 'sent');
    assert.equal((await scene.status()).sends.length, 1);
    assert.equal(provider.sentAt.length, 1);
  });

  it('is not sent after the proof, when its provider comes back', async () => {
    const { provider, script } = awayProvider();
    const scene = await withCode(script);
    await waitsFor(scene, 'sms');
    await outlast(() => provider.triedAt.length);
    await confirm(scene);
    provider.isBack = true;
    await server.sleep(hourMs);
    assert.deepEqual(provider.sentAt, []);
    const status = await scene.status();
    assert.deepEqual([status.state, status.waitingFor], ['pending', undefined]);
  });

  it('is not sent after an operator has switched to another channel, when its provider comes back', async () => {
    const { provider, script } = awayProvider();
    const scene = await withCode(script);
    await waitsFor(scene, 'sms');
    await outlast(() => provider.triedAt.length);
    await scene.give(switchChannel, [{ channel: 'email' }]);
    await scene.until(({ sends }) => sends[1]?.state === 'sent');
    provider.isBack = true;
    await server.sleep(hourMs);
    assert.deepEqual(provider.sentAt, []);
    assert.deepEqual(
      (await scene.status()).sends.map(({ state }) => state),
      ['given-up', 'sent'],
    );
  });
});

describe('an order of the person that is parked', () => {
  it('is left for a newer one: the older one is not tried again', async () => {
    const oneTimeSecrets: string[] = [];
    const scene = await start({
      async authenticate({ passwordRef }) {
        oneTimeSecrets.push(passwordRef);
        if (passwordRef === 'older') throw failure('directory-unavailable');
        return { outcome: 'ok', identity: ada };
      },
    });
    assert.equal((await bind(scene, 'older')).outcome, 'waiting');
    await outlast(() => oneTimeSecrets.length);
    const { outcome, status } = await bind(scene, 'newer');
    assert.deepEqual([outcome, status.state], ['done', 'pending']);
    await server.sleep(hourMs);
    assert.equal(oneTimeSecrets.lastIndexOf('older'), oneTimeSecrets.length - 2);
    assert.equal(oneTimeSecrets.at(-1), 'newer');
  });
});

describe('the end of time', () => {
  it('expires what nobody finished, forgets it, and closes', async () => {
    const scene = await start({}, { rules: { ttlSeconds } });
    await server.sleep(ttlSeconds * 1000 - minuteMs);
    assert.equal((await scene.status()).state, 'pending');
    await server.sleep(2 * minuteMs);
    const status = await scene.handle.result();
    assert.equal(status.state, 'expired');
    assert.equal('reason' in status, false);
    assert.deepEqual(scene.acts(), ['forget']);
    assert.equal(scene.published.at(-1)?.state, 'expired');
    assert.equal((await refusalOf(scene.give(passCaptcha, []))).code, 'registration-closed');
  });

  it('does not count the time that an outside system is away, and gives the whole life again after it', async () => {
    const { provider, script } = awayProvider();
    const scene = await withCode(script, { rules: { ttlSeconds } });
    await waitsFor(scene, 'sms');
    await server.sleep(hourMs);
    assert.equal((await scene.status()).state, 'waiting');
    provider.isBack = true;
    await server.sleep(5 * minuteMs);
    const { expiresAt } = await scene.until(({ sends }) => sends[0]?.state === 'sent');
    const [sentAt = 0] = provider.sentAt;
    assert.ok(expiresAt >= sentAt + ttlSeconds * 1000, `${expiresAt - sentAt} ms left`);
    await server.sleep(ttlSeconds * 1000);
    assert.equal((await scene.handle.result()).state, 'expired');
  });

  it('ends also the wait for an outside system, and says which', async () => {
    const { script } = awayProvider();
    const scene = await withCode(script, { rules: { ttlSeconds, waitMaxSeconds: 3600 } });
    await waitsFor(scene, 'sms');
    await server.sleep(hourMs);
    assert.equal((await scene.status()).state, 'waiting');
    await server.sleep(hourMs);
    const status = await scene.handle.result();
    assert.deepEqual([status.state, status.reason], ['expired', 'sms-unavailable']);
    assert.equal(scene.acts().at(-1), 'forget');
  });
});

describe('retryStep', () => {
  it('has a parked flow try at once, however long its pause', async () => {
    const { provider, script } = awayProvider();
    const scene = await withCode(script);
    await waitsFor(scene, 'sms');
    await outlast(() => provider.triedAt.length);
    const tries = provider.triedAt.length;
    provider.isBack = true;
    await scene.give(retryStep, [{ by: 'bob' }]);
    await scene.until(({ sends }) => sends[0]?.state === 'sent');
    assert.equal(provider.triedAt.length, tries + 1);
    assert.equal((await scene.status()).waitingFor, undefined);
    assert.equal(callsOf(scene, 'operatorAct')[0]?.input.act, 'retry-step');
  });

  it('serves every system that is waited for', async () => {
    let isBack = false;
    const claimIdentity = async () => {
      if (!isBack) throw failure('unavailable');
      return true;
    };
    const scene = await start({ claimIdentity }, { policy: ['code'], identity: unwelcomed });
    await ask(scene);
    await confirm(scene);
    await waitsFor(scene, 'database');
    await outlast(() => callsOf(scene, 'claimIdentity').length);
    const tries = callsOf(scene, 'claimIdentity').length;
    isBack = true;
    await scene.give(retryStep, [{}]);
    assert.equal((await scene.handle.result()).state, 'completed');
    assert.equal(callsOf(scene, 'claimIdentity').length, tries + 1);
  });
});

describe('B11: all providers are down for an hour', () => {
  it('the registration parks, sends one code soon after they are back, and its time counts from there', async () => {
    const { provider, script } = awayProvider();
    const scene = await start(script, { policy: ['captcha', 'code'], identity: unwelcomed, rules: { ttlSeconds } });
    await scene.give(passCaptcha, []);
    await ask(scene);
    await waitsFor(scene, 'sms');
    assert.equal((await scene.status()).state, 'waiting');

    await server.sleep(hourMs);
    assert.equal((await scene.status()).waitingFor, 'sms', 'still parked after an hour');
    provider.isBack = true;
    const backAt = await server.now();
    await server.sleep(5 * minuteMs);
    await until(async () => (await scene.status()).state === 'pending');

    const [sent = 0] = provider.sentAt;
    assert.equal(provider.sentAt.length, 1, 'one code');
    assert.ok(sent - backAt <= 200_000, `${(sent - backAt) / 1000} s after the provider was back`);
    assert.ok(provider.triedAt.length < 100, `${provider.triedAt.length} tries`);
    const { expiresAt } = await scene.status();
    assert.ok(expiresAt >= sent + ttlSeconds * 1000, 'the whole time again from the send');
    const { status } = await confirm(scene);
    assert.equal(status.state, 'completed');
  });
});
