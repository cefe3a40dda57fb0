/** A registration withstands many calls that change nothing, and a provider that takes 30 s to respond. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeFor, messagesTo, type RegistrationHandle } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { createJourney, type Journey, personOf } from '../support/journey.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind: stores } = await withSystem();

describe('A registration', () => {
  it('has no longer history after polls, wrong codes, refused sends and malformed calls', async () => {
    const journey = createJourney(system.ready, personOf(800));
    await journey.walk('send');
    await journey.prepare();
    const registration = registrationOf(journey);
    const lengthBefore = await settledHistoryLength(registration);
    const code = await codeFor(system.ready.outboxUrl, journey.person.phone);
    const wrongCode: Call = ['PUT', '/code', { code: code === '000000' ? '000001' : '000000' }];
    // these use up tries, of which the registration needs one at its end
    for (let round = 0; round < 4; round++) await callInVain(registration, [wrongCode, weakPin, weakPin, weakPin]);
    for (let round = 0; round < 6; round++) await callInVain(registration);
    assert.equal(await historyLength(registration), lengthBefore);
    await journey.walk('session');
    assert.ok((await historyLength(registration)) < 100);
    assert.equal((await messagesTo(system.ready.outboxUrl, journey.person.phone)).length, 1);
  });

  it('returns from a send at once while the provider is slow; its code works before the provider has confirmed it', async () => {
    const [typing, waiting] = [createJourney(system.ready, personOf(801)), createJourney(system.ready, personOf(802))];
    await Promise.all([typing.walk('captcha'), waiting.walk('captcha')]);
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'slow', seconds: 30 });
    const begin = performance.now();
    await Promise.all([typing.act(), waiting.act()]);
    assert.ok(performance.now() - begin < 4000);
    await typing.walk('session');
    assert.ok(performance.now() - begin < 10_000);
    // longer than the longest wait for a response of the provider: the send is retried
    await until(async () => (await registrationOf(waiting).call('GET', '')).body.waitingFor === 'sms');
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    await until(async () => (await registrationOf(waiting).call('GET', '')).body.state === 'pending');
    await waiting.walk('session');
    await sleep(1000);
    for (const { person } of [typing, waiting]) {
      assert.equal((await messagesTo(system.ready.outboxUrl, person.phone)).length, 1);
    }
  });

  /** The history length once it has stopped growing: events that follow the send are not of interest. */
  async function settledHistoryLength(registration: RegistrationHandle): Promise<number> {
    const length = await historyLength(registration);
    await sleep(1000);
    return (await historyLength(registration)) === length ? length : settledHistoryLength(registration);
  }

  async function historyLength(registration: RegistrationHandle): Promise<number> {
    return (await stores.temporal.workflow.getHandle(`registration:${registration.id}`).describe()).historyLength;
  }
});

type Call = Parameters<RegistrationHandle['call']>;
const weakPin: Call = ['PUT', '/credentials', { pin: '1111' }];

/** Makes 50 polls, 40 calls that the api or the workflow refuses, and others that are refused and counted. */
async function callInVain(registration: RegistrationHandle, counted: Call[] = []): Promise<void> {
  const polls = Array.from({ length: 50 }, () => registration.call('GET', ''));
  const refused = Array.from({ length: 10 }, () => [
    registration.call('POST', '/codes', { channel: 'sms' }),
    registration.call('POST', '/codes', { channel: 'fax' }),
    registration.call('PUT', '/directory', { username: '', password: '' }),
    registration.call('PUT', '/captcha', { provider: 'hcaptcha', token: 'x' }),
  ]).flat();
  refused.push(...counted.map((one) => registration.call(...one)));
  for (const { status } of await Promise.all(polls)) assert.equal(status, 200);
  for (const { status } of await Promise.all(refused)) assert.ok(status >= 400 && status < 500, String(status));
}

function registrationOf(journey: Journey): RegistrationHandle {
  if (journey.registration === undefined) throw new Error('Not started');
  return journey.registration;
}
