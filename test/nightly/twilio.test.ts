/** Measures the timeout of Twilio. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectTwilio } from '../../adapters/twilio.ts';
import { demoTwilio } from '../../engines/engines.ts';
import { startFakes } from '../../engines/fakes/fakes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { setFault } from '../support/faults.ts';

describe('send()', () => {
  it('waits no longer than ten seconds', async () => {
    await using fakes = await startFakes({ twilio: demoTwilio });
    await setFault(fakes.outboxUrl, { channel: 'sms', mode: 'hold' });
    const authToken = new Secret(demoTwilio.authToken);
    const twilio = connectTwilio({ ...demoTwilio, authToken, baseUrl: fakes.twilioUrl });
    const begin = performance.now();
    const message = { to: '+12025550102', body: '123456 is your code', reference: 'one.1' };
    await assert.rejects(twilio.send(message), { code: 'unavailable' });
    const seconds = (performance.now() - begin) / 1000;
    assert.ok(seconds > 9.9 && seconds < 14, `${seconds} s`);
  });
});
