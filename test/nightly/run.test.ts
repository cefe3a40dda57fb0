/** Measures how long the processes take to stop: well within the 30 seconds that docker-compose.yml allows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { roles } from '../../platform/config/roles.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { must, registrationAtCode } from '../support/registrations.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { withSystem } from '../support/with-system.ts';

const stopMs = 10_000;

const { system } = await withSystem({}, { start: startOwnTestSystem, elasticsearch: true, roles });

async function assertStopsInTime(role: (typeof roles)[number]): Promise<void> {
  const beganAt = performance.now();
  await system.kill(role, 'SIGTERM');
  const tookMs = performance.now() - beganAt;
  assert.ok(tookMs < stopMs, `${role} took ${tookMs} ms`);
}

describe('SIGTERM', () => {
  it('ends delivery within ten seconds, after a provider that takes two', async () => {
    const { apiUrl, outboxUrl } = system.ready;
    const registration = await registrationAtCode(apiUrl, 410);
    await setFault(outboxUrl, { channel: 'sms', mode: 'hold' });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    await untilHeld(outboxUrl, { channel: 'sms' });
    const released = setTimeout(() => void setFault(outboxUrl, { channel: 'sms', mode: 'none' }), 2000);
    await assertStopsInTime('delivery');
    clearTimeout(released);
    await system.restart('delivery');
  });

  it('ends each process within ten seconds', async () => {
    for (const role of roles) await assertStopsInTime(role);
  });
});
