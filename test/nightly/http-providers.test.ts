/** Measures the timeouts of the providers with plain HTTP APIs. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectInfobip } from '../../adapters/http/infobip.ts';
import { connectResend } from '../../adapters/http/resend.ts';
import { connectSendgrid } from '../../adapters/http/sendgrid.ts';
import { demoTwilio } from '../../engines/engines.ts';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { setFault } from '../support/faults.ts';

const options = () => ({ apiKey: new Secret('a-key'), from: 'no-reply@example.org', baseUrl: fakes.outboxUrl });
const text = { to: '+12025550102', body: '123456 is your code', reference: 'one.1' };
const mail = { to: 'ada@example.com', subject: 'Your code', text: 'code', html: '<p>code</p>', messageId: 'one.1' };
let fakes: Fakes;

before(async () => {
  fakes = await startFakes({ twilio: demoTwilio });
  for (const channel of ['sms', 'email']) await setFault(fakes.outboxUrl, { channel, mode: 'hold' });
});
after(() => fakes.close());

/** Asserts that a call to a provider that does not respond ends after ten seconds, and not much later. */
async function assertTenSeconds(call: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await assert.rejects(call(), { code: 'unavailable' });
  const seconds = (performance.now() - begin) / 1000;
  assert.ok(seconds > 9.9 && seconds < 14, `${seconds} s`);
}

describe('send()', () => {
  it('of Infobip waits no longer than ten seconds', async () => {
    await assertTenSeconds(() => connectInfobip(options()).send(text));
  });

  it('of Resend waits no longer than ten seconds', async () => {
    await assertTenSeconds(() => connectResend(options()).send(mail));
  });

  it('of SendGrid waits no longer than ten seconds', async () => {
    await assertTenSeconds(() => connectSendgrid(options()).send(mail));
  });
});
