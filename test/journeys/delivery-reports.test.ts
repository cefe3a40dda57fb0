/** Delivery reports of providers are recorded once, and affect the provider of the next message to a user. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { codeFor, messagesTo, type RegistrationHandle, startRegistration } from '../support/client.ts';
import { reportEventsOf, reportsTo } from '../support/delivery-reports.ts';
import { type FaultSetting, setFault } from '../support/faults.ts';
import { must } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

let people = 300;

const { system, behind } = await withSystem({
  REGISTRATION_STEPS: 'code',
  INFOBIP_API_KEY: 'fake',
  INFOBIP_FROM: 'Vyry',
  OTP_RESEND_WAITS: '1,1',
  OTP_TTL: '600',
});

beforeEach(async () => {
  for (const channel of ['sms', 'voice']) await fault({ channel, mode: 'none' });
});

const fault = (settings: Partial<FaultSetting> & { mode: string }) =>
  setFault(system.ready.outboxUrl, { channel: 'sms', ...settings });

interface Person {
  registration: RegistrationHandle;
  phone: string;
}

async function begin(): Promise<Person> {
  const phone = `+447700900${people++}`;
  return { phone, registration: await startRegistration(system.ready.apiUrl, { phone }) };
}

async function send({ registration }: Person, channel = 'sms'): Promise<void> {
  await until(async () => (await registration.call('POST', '/codes', { channel })).status === 202);
}

/** The providers of the messages to a user, oldest first. */
async function carriersOf({ phone }: Person): Promise<(string | undefined)[]> {
  const messages = await messagesTo(system.ready.outboxUrl, phone);
  return messages.map((message) => (message as { provider?: string }).provider);
}

/** Waits for a number of delivery events of a user in the audit log, and returns them as text. */
async function toldOf({ registration }: Person, count = 1): Promise<string[]> {
  await until(async () => (await reportEventsOf(behind, registration.id)).length >= count);
  const events = await reportEventsOf(behind, registration.id);
  return events.map(({ event, vyry }) => `${vyry.otp.send} ${vyry.messaging.provider} ${event.reason ?? 'delivered'}`);
}

async function prove(person: Person, count = 1): Promise<void> {
  const code = await codeFor(system.ready.outboxUrl, person.phone, count);
  await must(person.registration.call('PUT', '/code', { code }));
}

describe('A delivery report', () => {
  it('is in the audit log with result, provider and country, and without the number', async () => {
    const person = await begin();
    await send(person);
    assert.deepEqual(await toldOf(person), ['1 twilio delivered']);
    const events = await reportEventsOf(behind, person.registration.id);
    assert.deepEqual(
      events.map(({ status, vyry }) => [status, vyry.messaging.country, vyry.otp.channel]),
      [['success', 'GB', 'sms']],
    );
    assert.equal(JSON.stringify(events).includes(person.phone.slice(1)), false);
    await prove(person);
  });

  it('of an undelivered message moves the next message of the same user, and of no other, to another provider', async () => {
    await fault({ provider: 'twilio', mode: 'report-undelivered' });
    const person = await begin();
    await send(person);
    assert.deepEqual(await toldOf(person), ['1 twilio undelivered']);
    const [event] = await reportEventsOf(behind, person.registration.id);
    assert.deepEqual([event?.status, event?.error?.code], ['failure', '30003']);
    await send(person);
    assert.deepEqual(await toldOf(person, 2), ['1 twilio undelivered', '2 infobip delivered']);
    assert.deepEqual(await carriersOf(person), ['twilio', 'infobip']);
    await prove(person, 2);
    const other = await begin();
    await send(other);
    await codeFor(system.ready.outboxUrl, other.phone);
    assert.deepEqual(await carriersOf(other), ['twilio']);
  });

  it('that arrives twice, or after another final one, is recorded once: the first stays', async () => {
    for (const mode of ['duplicate-report', 'report-out-of-order']) {
      await fault({ provider: 'twilio', mode });
      const person = await begin();
      await send(person);
      const { apiUrl, outboxUrl } = system.ready;
      const tried = (await reportsTo(outboxUrl, apiUrl)).length;
      await until(async () => {
        const since = (await reportsTo(outboxUrl, apiUrl)).slice(tried - 3);
        return since.length >= 3 && since.slice(-3).every(({ status }) => status === 204);
      });
      assert.deepEqual(await toldOf(person), ['1 twilio delivered']);
      await send(person);
      await codeFor(outboxUrl, person.phone, 2);
      assert.deepEqual(await carriersOf(person), ['twilio', 'twilio']);
    }
  });

  it('of an unanswered call is not a failure of its provider', async () => {
    await fault({ channel: 'voice', mode: 'report-undelivered' });
    const person = await begin();
    await send(person, 'voice');
    assert.deepEqual(await toldOf(person), ['1 twilio unanswered']);
    await send(person);
    await codeFor(system.ready.outboxUrl, person.phone, 2);
    assert.deepEqual(await carriersOf(person), ['twilio', 'twilio']);
  });

  it('that never arrives delays nothing', async () => {
    await fault({ mode: 'report-none' });
    const person = await begin();
    await send(person);
    await prove(person);
    assert.deepEqual(await reportEventsOf(behind, person.registration.id), []);
  });
});
