/** Whatever fails while a code is sent, by any channel and provider, the user gets one code that works. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { messagesTo } from '../support/client.ts';
import { postReport, reportsTo } from '../support/delivery-reports.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { assertReached } from '../support/instants.ts';
import { type Channel, createJourney, type Journey, personOf } from '../support/journey.ts';
import { allMessages } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

let people = 300;

const { system, behind } = await withSystem({
  INFOBIP_API_KEY: 'fake',
  INFOBIP_FROM: 'Vyry',
  RESEND_API_KEY: 'fake',
});

beforeEach(async () => {
  for (const channel of ['sms', 'voice', 'email'] as const) await fault(channel, 'none');
});

const next = (channel: Channel): Journey => createJourney(system.ready, personOf(people++), channel);
const fault = (channel: Channel, mode: string, provider?: string) =>
  setFault(system.ready.outboxUrl, { channel, mode, ...(provider && { provider }) });
const addressOf = ({ person }: Journey, channel: Channel) => (channel === 'email' ? person.email : person.phone);
const sentTo = (journey: Journey, channel: Channel) => messagesTo(system.ready.outboxUrl, addressOf(journey, channel));

/** Sends a code by a provider that accepts it, but whose response is held until delivery is killed and restarted. */
async function killInsideSend(journey: Journey, channel: Channel, provider: string): Promise<void> {
  await fault(channel, 'hold', provider);
  const sending = journey.act();
  await untilHeld(system.ready.outboxUrl, { channel, provider });
  await system.kill('delivery');
  for (const each of ['sms', 'voice', 'email'] as const) await fault(each, 'none');
  await system.restart('delivery');
  await sending;
  await journey.walk('session');
}

async function assertOneMessage(journey: Journey, channel: Channel, provider: string): Promise<void> {
  const messages = await sentTo(journey, channel);
  assert.deepEqual(
    messages.map((message) => (message as { provider?: string }).provider),
    [provider],
  );
}

describe('A call', () => {
  it('says the code only after a key was pressed, three times, in the language of the user', async () => {
    const journey = next('voice');
    await journey.walk('session');
    const [message] = await sentTo(journey, 'voice');
    assert.equal(message?.channel, 'voice');
    assert.equal(message?.body.split(message.code ?? '').length, 4, message?.body);
    assert.ok((message?.body.indexOf('Press any key') ?? -1) >= 0);
  });

  it('is refused to a caller without a valid Twilio signature', async () => {
    for (const headers of [{}, { 'X-Twilio-Signature': 'bm90IHRoZWlycw==' }]) {
      const response = await fetch(`${system.ready.apiUrl}/api/v1/voice/twilio?speech=x`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({ Digits: '1' }),
      });
      assert.equal(response.status, 401);
    }
  });

  it('has waits of its own, and is offered next to the other channels', async () => {
    const journey = next('voice');
    await journey.walk('send');
    await until(async () => {
      const { 'sentAt:1': sentAt } = await behind.verificationOf(journey.registration?.id ?? '');
      const status = await journey.registration?.call('GET', '');
      assert.equal(Date.parse(status?.body.nextVoiceAt), Number(sentAt) + 120_000);
      assertReached(status?.body.nextSmsAt);
      return true;
    });
  });
});

describe('A second provider', () => {
  it('B10: sends the code when the first one fails, and B9: also when the worker is killed during that send', async () => {
    const smooth = next('sms');
    await fault('sms', 'error500', 'twilio');
    await smooth.walk('session');
    await assertOneMessage(smooth, 'sms', 'infobip');

    const killed = next('sms');
    await fault('sms', 'none');
    await killed.walk('captcha');
    await fault('sms', 'error500', 'twilio');
    await killInsideSend(killed, 'sms', 'infobip');
    await assertOneMessage(killed, 'sms', 'infobip');
  });

  it('is not used for a message that the first one accepted but did not confirm', async () => {
    const journey = next('sms');
    await journey.walk('captcha');
    await fault('sms', 'accept-then-drop', 'twilio');
    await journey.walk('session');
    await assertOneMessage(journey, 'sms', 'twilio');
  });

  it('also sends e-mail, once, because of its idempotency key', async () => {
    const journey = next('email');
    await journey.walk('captcha');
    await fault('email', 'error500', 'smtp');
    await fault('email', 'hold', 'resend');
    const sending = journey.act();
    await untilHeld(system.ready.outboxUrl, { channel: 'email', provider: 'resend' });
    await system.kill('delivery');
    // smtp keeps failing, so resend gets the message again: only the idempotency key makes it the same one
    await fault('email', 'none', 'resend');
    await system.restart('delivery');
    await sending;
    await journey.walk('session');
    await assertOneMessage(journey, 'email', 'resend');
  });
});

describe('A mail server that refuses us', () => {
  it('is no reason to refuse the recipient: the next provider sends, and operators are told', async () => {
    const journey = next('email');
    await journey.walk('captcha');
    const refusal = { channel: 'email', provider: 'smtp', mode: 'error400', providerCode: '5.7.60' } as const;
    await setFault(system.ready.outboxUrl, refusal);
    await journey.walk('session');
    await assertOneMessage(journey, 'email', 'resend');
    await until(async () =>
      (await behind.auditEvents('dependency-away')).some(
        ({ metadata }) => metadata?.why === 'smtp 550 5.7.60 MAIL FROM',
      ),
    );
  });
});

describe('When a provider is slow', () => {
  it('the send returns, and its code works, before the provider has confirmed it', async () => {
    const journey = next('sms');
    await journey.walk('captcha');
    await fault('sms', 'hold');
    await journey.act();
    await untilHeld(system.ready.outboxUrl, { channel: 'sms' });
    await journey.walk('session');
    await fault('sms', 'none');
    assert.equal((await sentTo(journey, 'sms')).length, 1);
  });
});

describe('When all providers are unavailable', () => {
  it('B8, B11: the user is informed soon, the registration waits and continues on its own, with one message', async () => {
    const journey = next('sms');
    await journey.walk('captcha');
    await fault('sms', 'error500');
    await journey.act();
    await until(async () => (await journey.registration?.call('GET', ''))?.body.waitingFor === 'sms');
    await fault('sms', 'none');
    await until(async () => (await journey.registration?.call('GET', ''))?.body.state === 'pending');
    await journey.walk('session');
    assert.equal((await sentTo(journey, 'sms')).length, 1);
  });
});

describe('The callback URL for a provider', () => {
  it('B17: consumes nothing on GET or HEAD, which scanners and previews send; no message contains a link', async () => {
    const { apiUrl, outboxUrl } = system.ready;
    const journey = next('sms');
    await journey.walk('send');
    await until(async () => (await reportsTo(outboxUrl, apiUrl)).length > 0);
    const [report] = await reportsTo(outboxUrl, apiUrl);
    for (const url of [report?.url ?? '', `${apiUrl}/api/v1/voice/twilio?speech=x`]) {
      for (const method of ['GET', 'HEAD']) assert.ok([404, 405].includes((await fetch(url, { method })).status));
    }
    assert.ok(report && (await postReport(report)).status === 204);
    for (const { body } of await allMessages(outboxUrl)) assert.doesNotMatch(body, /https?:|www\.|:\/\//i);
    await journey.walk('session');
  });
});
