/** Infobip, Resend and SendGrid, tested against fakes that speak their protocols. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { connectInfobip, readInfobipReport } from '../../adapters/http/infobip.ts';
import { connectResend } from '../../adapters/http/resend.ts';
import { connectSendgrid } from '../../adapters/http/sendgrid.ts';
import { InfobipReports } from '../../contract/callbacks.ts';
import { Failure } from '../../domain/failures.ts';
import type { SendOutcome } from '../../domain/providers.ts';
import { demoTwilio } from '../../engines/engines.ts';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { messagesTo } from '../support/client.ts';
import { reportsTo } from '../support/delivery-reports.ts';
import { setFault } from '../support/faults.ts';
import { until } from '../support/until.ts';

const apiKey = new Secret('a-key-that-nobody-sees');
const phone = '+12025550102';
const address = 'ada@example.com';
let fakes: Fakes;

interface Case {
  provider: string;
  channel: 'sms' | 'email';
  to: string;
  /** Sends one message with this reference. */
  send: (reference: string, options?: { baseUrl?: string; timeoutMs?: number }) => Promise<SendOutcome>;
  reason: string;
}

const mailOf = (messageId: string) => ({
  to: address,
  subject: 'Your code',
  text: '123456 is your code',
  html: '<p>123456 is your code</p>',
  messageId,
});
/** Clients of the fakes. The timeout is longer than any response takes, unless a test sets one. */
const reached = (options = {}) => ({ apiKey, baseUrl: fakes.outboxUrl, timeoutMs: 600_000, ...options });
const infobipAt = (options = {}) => connectInfobip({ from: 'Vyry', ...reached(options) });
const from = 'Vyry <no-reply@example.org>';

const cases: Case[] = [
  {
    provider: 'infobip',
    channel: 'sms',
    to: phone,
    send: (reference, options) => infobipAt(options).send({ to: phone, body: '123456 is your code', reference }),
    reason: 'number-not-valid',
  },
  {
    provider: 'resend',
    channel: 'email',
    to: address,
    send: (id, options) => connectResend({ from, ...reached(options) }).send(mailOf(id)),
    reason: 'mailbox-refused',
  },
  {
    provider: 'sendgrid',
    channel: 'email',
    to: address,
    send: (id, options) => connectSendgrid({ from, ...reached(options) }).send(mailOf(id)),
    reason: 'mailbox-refused',
  },
];

before(async () => {
  fakes = await startFakes({ twilio: demoTwilio });
});
after(() => fakes.close());
beforeEach(async () => {
  for (const channel of ['sms', 'email']) await setFault(fakes.outboxUrl, { channel, mode: 'none' });
  await fetch(`${fakes.outboxUrl}/messages`, { method: 'DELETE' });
});

const reportOf = (groupName: string, name: string, error = 'NO_ERROR') =>
  InfobipReports.parse({ results: [{ messageId: 'm', status: { groupName, name }, error: { name: error } }] }).results;

describe('readInfobipReport()', () => {
  it('distinguishes final states from intermediate ones', () => {
    assert.deepEqual(readInfobipReport(reportOf('DELIVERED', 'DELIVERED_TO_HANDSET')), { outcome: 'delivered' });
    assert.deepEqual(readInfobipReport(reportOf('REJECTED', 'REJECTED_NETWORK', 'EC_X')), {
      outcome: 'failed',
      errorCode: 'EC_X',
    });
    assert.deepEqual(readInfobipReport(reportOf('EXPIRED', 'EXPIRED_UNKNOWN', 'a text')), { outcome: 'undelivered' });
    for (const [group, name] of [
      ['PENDING', 'PENDING_ENROUTE'],
      ['DELIVERED', 'DELIVERED_TO_OPERATOR'],
      ['toString', 'toString'],
    ] as const) {
      assert.equal(readInfobipReport(reportOf(group, name)), undefined);
    }
  });

  it('is posted to the URL given with the message until it is accepted', async () => {
    const reportUrl = `${fakes.outboxUrl}/nobody`;
    await infobipAt().send({ to: phone, body: '123456 is your code', reference: 'a.1', reportUrl });
    await until(async () => (await reportsTo(fakes.outboxUrl, reportUrl)).length >= 2);
    const [first, second] = await reportsTo(fakes.outboxUrl, reportUrl);
    assert.equal(first?.body, second?.body);
    assert.equal(InfobipReports.parse(JSON.parse(first?.body ?? '')).results[0]?.messageId, 'a.1');
  });
});

/** Asserts that the failure is a temporary one and contains neither the message nor the key. */
async function assertUnavailable(job: Promise<unknown>, reason: string): Promise<void> {
  const failure = await job.then(
    () => undefined,
    (err: unknown) => err,
  );
  assert.ok(failure instanceof Failure, inspect(failure));
  assert.equal(failure.code, 'unavailable');
  assert.equal(failure.context.reason, reason);
  const text = inspect(failure, { depth: 9 });
  for (const personal of [phone.slice(1), address, '123456', apiKey.reveal()])
    assert.equal(text.includes(personal), false, text);
}

for (const { provider, channel, to, send, reason } of cases) {
  describe(`${provider}: send()`, () => {
    const fault = (mode: string, more: Record<string, unknown> = {}) =>
      setFault(fakes.outboxUrl, { channel, provider, mode, ...more });

    it('sends a message', async () => {
      const outcome = await send('one.1');
      assert.equal(outcome.result, 'sent');
      assert.notEqual(outcome.result === 'sent' && outcome.providerId, '');
      const messages = await messagesTo(fakes.outboxUrl, to);
      assert.deepEqual(
        messages.map(({ body }) => body),
        ['123456 is your code'],
      );
    });

    it('returns a permanent refusal when no retry can succeed', async () => {
      await fault('error400');
      assert.deepEqual(await send('one.2'), { result: 'refused', reason });
      assert.deepEqual(await messagesTo(fakes.outboxUrl, to), []);
    });

    it('treats a failing, an unreachable and a silent provider as an outage, and names the reason', async () => {
      await fault('error500');
      await assertUnavailable(send('one.3'), 'answers-500');
      await assertUnavailable(send('one.4', { baseUrl: 'http://127.0.0.1:49151' }), 'unreachable');
      await fault('accept-then-drop');
      await assertUnavailable(send('one.5'), 'connection-lost');
    });

    it('gives up on a provider that does not respond in time', async () => {
      await fault('hold');
      await assertUnavailable(send('one.6', { timeoutMs: 100 }), 'timeout');
    });
  });
}

describe('infobip: find()', () => {
  it('finds only messages that the provider accepted, even if its response was lost', async () => {
    await setFault(fakes.outboxUrl, { channel: 'sms', provider: 'infobip', mode: 'accept-then-drop' });
    await assertUnavailable(cases[0]?.send('two.1') ?? Promise.resolve(), 'connection-lost');
    await setFault(fakes.outboxUrl, { channel: 'sms', mode: 'none' });
    assert.equal(await infobipAt().find({ reference: 'two.1' }), 'two.1');
    assert.equal(await infobipAt().find({ reference: 'two.2' }), undefined);
    await setFault(fakes.outboxUrl, { channel: 'sms', provider: 'infobip', mode: 'error500' });
    await assertUnavailable(infobipAt().find({ reference: 'two.1' }), 'answers-500');
  });

  it('treats a rejection that operators can fix, such as no credit, as an outage', async () => {
    const fault = {
      channel: 'sms',
      provider: 'infobip',
      mode: 'error400',
      providerCode: 'REJECTED_NOT_ENOUGH_CREDITS',
    };
    await setFault(fakes.outboxUrl, fault);
    await assertUnavailable(cases[0]?.send('two.3') ?? Promise.resolve(), 'limited');
  });
});

describe('resend: send()', () => {
  it('sends one message, no matter how often it is repeated', async () => {
    await cases[1]?.send('three.1');
    await cases[1]?.send('three.1');
    assert.equal((await messagesTo(fakes.outboxUrl, address)).length, 1);
  });
});
