/** An hour without any provider, on a server whose clock jumps from timer to timer. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { order } from '../../adapters/temporal/orders.ts';
import { confirmCode, passCaptcha, requestCode } from '../../workflows/registration.ts';
import { startTimeSkippingServer, type TimeSkippingServer } from '../support/time-skipping.ts';
import { until } from '../support/until.ts';
import { ada, failure, openStageOn, type Scene, type Stage } from '../support/workflow-scene.ts';

const hourMs = 3_600_000;
const ttlSeconds = 600;

describe('B11: all providers are down for an hour', () => {
  let server: TimeSkippingServer;
  let stage: Stage;

  before(async () => {
    server = await startTimeSkippingServer();
    stage = await openStageOn(server.address, 'default');
  });
  after(async () => {
    await stage?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  it('the registration parks, sends one code soon after they are back, and its time counts from there', async () => {
    const backAt = (await server.now()) + hourMs;
    const sentAt: number[] = [];
    const scene = await stage.start(
      {
        async sendCode() {
          const now = await server.now();
          if (now < backAt) throw failure('unavailable', { reason: 'answers-500' });
          sentAt.push(now);
          return { result: 'sent', at: now };
        },
      },
      { policy: ['captcha', 'code'], identity: ada, rules: { ttlSeconds, waitMaxSeconds: 86_400 } },
    );
    const give = { temporal: stage.client };
    await order(give, scene.id, passCaptcha, []);
    await order(give, scene.id, requestCode, [{ channel: 'sms' }]);
    await scene.until(({ waitingFor }) => waitingFor === 'sms');
    assert.equal((await scene.status()).state, 'waiting');

    await server.sleep(hourMs - 60_000);
    assert.equal((await scene.status()).waitingFor, 'sms', 'still parked after 59 minutes');
    assert.deepEqual(sentAt, []);
    await server.sleep(5 * 60_000);
    await until(async () => (await scene.status()).state === 'pending');

    const [sent = 0] = sentAt;
    assert.equal(sentAt.length, 1, 'one code');
    assert.ok(sent - backAt <= 200_000, `${(sent - backAt) / 1000} s after the provider was back`);
    assert.ok(triesOf(scene) < 100, `${triesOf(scene)} tries`);
    const { expiresAt } = await scene.status();
    assert.ok(expiresAt >= sent + ttlSeconds * 1000, 'the whole time again from the send');
    const { status } = await order(give, scene.id, confirmCode, [{ send: 1 }]);
    assert.equal(status.state, 'completed');
  });
});

const triesOf = ({ calls }: Scene) => calls.filter(({ name }) => name === 'sendCode').length;
