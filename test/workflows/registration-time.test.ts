/** The behavior of a registration over time, on a server whose clock jumps from timer to timer. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ContactIdentity } from '../../domain/identity.ts';
import {
  authenticate,
  confirmCode,
  passCaptcha,
  requestCode,
  retryStep,
  switchChannel,
} from '../../workflows/registration-messages.ts';
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
/** Long enough that retries are five minutes apart: none happens on its own while a test runs. */
const longOutageMs = 2 * hourMs;
const ttlSeconds = 600;

/**
 * An identity without an e-mail address, so that no welcome is sent.
 */
const unwelcomed: ContactIdentity = { phone: ada.phone, country: ada.country };

let server: TimeSkippingServer;
let stage: Stage;
/**
 * The registrations of the current test. They are terminated after it, because every jump of the next tests would wake
 * them.
 */
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

const bind = (scene: Scene, passwordRef = 'ref-1') => scene.give(authenticate, [{ username: 'ada', passwordRef }]);
const ask = (scene: Scene) => scene.give(requestCode, [{ channel: 'sms' }]);
const confirm = (scene: Scene, send = 1) => scene.give(confirmCode, [{ send }]);

/** Starts a registration and requests a code. */
async function withCode(script?: Script, options?: StartOptions): Promise<Scene> {
  const scene = await start(script, options);
  await bind(scene);
  await scene.give(passCaptcha, [{}]);
  await ask(scene);
  return scene;
}

/** An SMS provider that is unavailable until `isBack`. It records when it was called and when it accepted a code. */
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

/** Lets an outage last until retries are rare and one has just failed, so that the next one is minutes away. */
async function outlast(tries: () => number): Promise<void> {
  await server.sleep(longOutageMs);
  for (const before = tries(); tries() === before; ) await server.sleep(10_000);
  // time passes only when nothing is in progress
  await server.sleep(1000);
}

describe('another code', () => {
  it('is delayed by the waits of its channel, and refused after the last one', async () => {
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

  it('is refused while the first is in progress, however long that takes', async () => {
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

  it('is not sent after verification when its provider is back', async () => {
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

  it('is not sent after an operator has switched the channel, when its provider is back', async () => {
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

describe('an update that waits for a dependency', () => {
  it('is replaced by a newer one and not retried', async () => {
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

describe('expiry', () => {
  it('closes an abandoned registration and forgets it', async () => {
    const scene = await start({}, { rules: { ttlSeconds } });
    await server.sleep(ttlSeconds * 1000 - minuteMs);
    assert.equal((await scene.status()).state, 'pending');
    await server.sleep(2 * minuteMs);
    const status = await scene.handle.result();
    assert.equal(status.state, 'expired');
    assert.equal('reason' in status, false);
    assert.deepEqual(scene.acts(), ['closeRegistration']);
    assert.equal(scene.published.at(-1)?.state, 'expired');
    assert.equal((await refusalOf(scene.give(passCaptcha, [{}]))).code, 'registration-closed');
  });

  it('does not count an outage, and starts the lifetime again after it', async () => {
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

  it('also ends the wait for a dependency, and names it', async () => {
    const { script } = awayProvider();
    const scene = await withCode(script, { rules: { ttlSeconds, waitMaxSeconds: 3600 } });
    await waitsFor(scene, 'sms');
    await server.sleep(hourMs);
    assert.equal((await scene.status()).state, 'waiting');
    await server.sleep(hourMs);
    const status = await scene.handle.result();
    assert.deepEqual([status.state, status.reason], ['expired', 'sms-unavailable']);
    assert.equal(scene.acts().at(-1), 'closeRegistration');
  });
});

describe('retryStep', () => {
  it('retries a waiting execution now, however long its pause is', async () => {
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

  it('works for every dependency', async () => {
    let isBack = false;
    const createAccount = async () => {
      if (!isBack) throw failure('unavailable');
      return { outcome: 'created' } as const;
    };
    const scene = await start({ createAccount }, { policy: ['code'], identity: unwelcomed });
    await ask(scene);
    await confirm(scene);
    await waitsFor(scene, 'database');
    await outlast(() => callsOf(scene, 'createAccount').length);
    const tries = callsOf(scene, 'createAccount').length;
    isBack = true;
    await scene.give(retryStep, [{}]);
    assert.equal((await scene.handle.result()).state, 'completed');
    assert.equal(callsOf(scene, 'createAccount').length, tries + 1);
  });
});

describe('a provider that asks for a pause', () => {
  it('is not called again before it, although retries are more frequent otherwise', async () => {
    const triedAt: number[] = [];
    const scene = await start(
      {
        async sendCode() {
          const now = await server.now();
          if (triedAt.push(now) === 1) throw failure('unavailable', { retryAfterSeconds: 3600 });
          return { result: 'sent', at: now };
        },
      },
      { policy: ['captcha', 'code'], identity: unwelcomed },
    );
    await scene.give(passCaptcha, [{}]);
    await ask(scene);
    await waitsFor(scene, 'sms');
    await server.sleep(hourMs - minuteMs);
    assert.equal(triedAt.length, 1);
    await server.sleep(5 * minuteMs);
    await scene.until(({ sends }) => sends[0]?.state === 'sent');
    assert.equal(triedAt.length, 2);
  });
});

describe('B11: all providers are down for an hour', () => {
  it('the registration waits, sends one code soon after they are back, and its lifetime starts again', async () => {
    const { provider, script } = awayProvider();
    const scene = await start(script, { policy: ['captcha', 'code'], identity: unwelcomed, rules: { ttlSeconds } });
    await scene.give(passCaptcha, [{}]);
    await ask(scene);
    await waitsFor(scene, 'sms');
    assert.equal((await scene.status()).state, 'waiting');

    await server.sleep(hourMs);
    assert.equal((await scene.status()).waitingFor, 'sms', 'still waiting after an hour');
    provider.isBack = true;
    const backAt = await server.now();
    await server.sleep(5 * minuteMs);
    await until(async () => (await scene.status()).state === 'pending');

    const [sent = 0] = provider.sentAt;
    assert.equal(provider.sentAt.length, 1, 'one code');
    assert.ok(sent - backAt <= 200_000, `${(sent - backAt) / 1000} s after the provider was back`);
    assert.ok(provider.triedAt.length < 100, `${provider.triedAt.length} tries`);
    const { expiresAt } = await scene.status();
    assert.ok(expiresAt >= sent + ttlSeconds * 1000, 'the full lifetime from the send');
    const { status } = await confirm(scene);
    assert.equal(status.state, 'completed');
  });
});
