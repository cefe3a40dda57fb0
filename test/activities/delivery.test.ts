import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import {
  type CodeSendingDeps,
  createCodeSending,
  type SendCodeInput,
  type SendCodeResult,
} from '../../activities/code-sending.ts';
import { createDeliver, type DeliverDeps, type Providers } from '../../activities/deliver.ts';
import {
  createNotificationSending,
  type NotificationSendingDeps,
  type SendNotificationInput,
} from '../../activities/notification-sending.ts';
import { type Codes, createCodes } from '../../adapters/redis/codes.ts';
import type { Redis } from '../../adapters/redis/connect.ts';
import { createDeliveries } from '../../adapters/redis/deliveries.ts';
import { createDeliveryReports, type DeliveryReports } from '../../adapters/redis/delivery-reports.ts';
import { createRecoveries } from '../../adapters/redis/recoveries.ts';
import { Failure } from '../../domain/failures.ts';
import type { MailMessage, TextMessage } from '../../domain/providers.ts';
import type { CodeSubject } from '../../domain/verification.ts';
import { newCode, newToken } from '../../platform/crypto.ts';
import { recordEvents } from '../support/recorder.ts';
import { connectTestRedis, testCipher, uniqueName } from '../support/redis.ts';

let redis: Redis;
let codes: Codes;
let reports: DeliveryReports;

before(() => {
  redis = connectTestRedis();
  codes = createCodes(redis, [randomBytes(32)], testCipher());
  reports = createDeliveryReports(redis);
});
after(() => redis.disconnect());

const to = '+12025550102';

/** A provider that records its calls. It can throw a fault before or after it has accepted a message. */
function fakeProvider(name = 'twilio') {
  const accepted: (TextMessage & { sid: string })[] = [];
  const calls: string[] = [];
  const provider = {
    name,
    accepted,
    calls,
    refusal: undefined as string | undefined,
    failsBefore: false,
    failsAfter: false,
    dies: false,
    async send(message: TextMessage) {
      calls.push('send');
      if (provider.failsBefore) throw new Failure('unavailable', { message: 'twilio 503' });
      if (provider.refusal !== undefined) return { result: 'refused' as const, reason: provider.refusal };
      const sid = `SM${accepted.length + 1}`;
      accepted.push({ ...message, sid });
      if (provider.dies) throw new Error('killed');
      if (provider.failsAfter) throw new Failure('unavailable', { message: 'twilio ECONNRESET' });
      return { result: 'sent' as const, providerId: sid };
    },
    async find(message: TextMessage) {
      calls.push('find');
      return accepted.find((known) => known.to === message.to && known.body === message.body)?.sid;
    },
  };
  return provider;
}

function scene({
  providers,
  ...given
}: Partial<Omit<DeliverDeps & CodeSendingDeps & NotificationSendingDeps, 'providers'>> & {
  providers?: Partial<Providers>;
} = {}) {
  const twilio = fakeProvider();
  const { events, recorded } = recordEvents();
  const deliver = createDeliver({
    deliveries: createDeliveries(redis),
    providers: { sms: [twilio], voice: [], email: [], push: [], ...providers },
    orderOf: (_channel, { available, failed }) =>
      [...available].sort((a, b) => Number(failed.has(a)) - Number(failed.has(b))),
    events,
    ...given,
  });
  const deps: CodeSendingDeps & NotificationSendingDeps = {
    deliver,
    codes,
    reports,
    recoveries: createRecoveries(redis, testCipher()),
    reportUrl: () => undefined,
    events,
    newCode,
    newToken,
    prescribedCode: () => undefined,
    consumeSmsNotification: async () => true,
    consumeSms: async () => ({ allowed: true, resetSeconds: 1 }),
    productName: 'Vyry',
    pages: { publicUrl: 'https://vyry.example' },
    stopTokenOf: async () => 'token',
    ...given,
  };
  const { sendCode } = createCodeSending(deps);
  const { sendNotification, sendRecovery } = createNotificationSending(deps);
  const input: SendCodeInput = {
    subject: uniqueName(),
    purpose: 'register',
    send: 1,
    channel: 'sms',
    to,
    ttlSeconds: 3600,
  };
  const run = (overrides: Partial<SendCodeInput> = {}, attempt = 1) =>
    new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') }).run(sendCode, {
      ...input,
      ...overrides,
    }) as Promise<SendCodeResult>;
  const notification: SendNotificationInput = {
    notificationId: uniqueName(),
    userId: 'user-1',
    kind: 'welcome',
    channel: 'email',
    to: 'ada@example.com',
  };
  const { channel: _, ...notificationAsTold } = notification;
  const runNotification = () =>
    new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(
      sendNotification,
      notification,
    ) as Promise<boolean>;
  const runRecovery = (until: number) =>
    sendRecovery({ ...notification, recoveryId: notification.notificationId, ttlSeconds: 3600, until });
  const subject = { subject: input.subject, purpose: input.purpose };
  /** The recorded events except durations. */
  const told = () => recorded.filter(({ name }) => name !== 'providerAnswered');
  /** The code as events describe it. */
  const codeBy = (provider: string) => ({ ...input, provider });
  const failedBy = (provider: string) => {
    const { subject: id, purpose: kind, send, channel, to } = input;
    const of = { subject: id, kind, send, channel, to, provider, country: undefined };
    return { ...of, reason: 'unavailable', why: 'twilio 503' };
  };
  return {
    twilio,
    recorded,
    told,
    input,
    run,
    notification,
    notificationAsTold,
    runNotification,
    runRecovery,
    subject,
    codeBy,
    failedBy,
  };
}

const outcomeOf = async (subject: CodeSubject, code: string) =>
  (await codes.check(subject, code, { checksMax: 5 }, Date.now())).outcome;

const codeIn = (body = '') => /\d{6}/.exec(body)?.[0] ?? '';

describe('sendCode()', () => {
  it('sends one message with a code that is valid from the recorded send on', async () => {
    const { twilio, told, run, subject, codeBy } = scene();
    const begin = Date.now();
    const result = await run();
    assert.equal(result.result, 'sent');
    assert.deepEqual(twilio.calls, ['send']);
    const [message] = twilio.accepted;
    assert.equal(message?.to, to);
    assert.match(
      message?.body ?? '',
      /^\d{6} is your Vyry verification code\. It is valid for 60 min\. Do not share it\.$/,
    );
    const state = await codes.read(subject);
    assert.ok(result.result === 'sent' && result.at >= begin && state?.since === result.at);
    assert.equal(state?.expiresAt, result.at + 3_600_000);
    assert.equal(await outcomeOf(subject, codeIn(message?.body)), 'verified');
    assert.deepEqual(told(), [{ name: 'codeSent', args: [codeBy('twilio'), 'SM1'] }]);
  });

  it('returns the first result to a repeat after the send, without calling the provider', async () => {
    const { twilio, run } = scene();
    const first = await run();
    assert.deepEqual(await run({}, 2), first);
    assert.deepEqual(twilio.calls, ['send']);
  });

  it('asks the provider before a retry, and does not resend a message it already has', async () => {
    const { twilio, run, recorded, subject } = scene();
    twilio.failsAfter = true;
    await assert.rejects(run(), { code: 'unavailable' });
    twilio.failsAfter = false;
    assert.equal((await run({}, 2)).result, 'sent');
    assert.deepEqual(twilio.calls, ['send', 'find']);
    assert.equal(twilio.accepted.length, 1);
    assert.equal(recorded.at(-1)?.args[1], 'SM1');
    assert.equal(await outcomeOf(subject, codeIn(twilio.accepted[0]?.body)), 'verified');
  });

  it('resends the same code when the provider does not have it', async () => {
    const { twilio, run, subject } = scene();
    twilio.failsBefore = true;
    for (const attempt of [1, 2, 3]) await assert.rejects(run({}, attempt), { code: 'unavailable' });
    twilio.failsBefore = false;
    await run({}, 4);
    assert.deepEqual(twilio.calls, ['send', 'find', 'send', 'find', 'send', 'find', 'send']);
    assert.equal(twilio.accepted.length, 1);
    assert.equal(await outcomeOf(subject, codeIn(twilio.accepted[0]?.body)), 'verified');
  });

  it('sends one message when the process dies before the answer of the provider is stored', async () => {
    const deliveries = createDeliveries(redis);
    let isDying = true;
    const dying: DeliverDeps['deliveries'] = {
      ...deliveries,
      record: async (id, attempts) => {
        if (isDying && attempts.some(({ outcome }) => outcome !== undefined)) throw new Error('killed');
        await deliveries.record(id, attempts);
      },
    };
    const { twilio, run } = scene({ deliveries: dying });
    await assert.rejects(run(), /killed/);
    isDying = false;
    assert.equal((await run({}, 2)).result, 'sent');
    assert.deepEqual(twilio.calls, ['send', 'find']);
    assert.equal(twilio.accepted.length, 1);
  });

  it('returns a refusal again without calling the provider', async () => {
    const { twilio, run } = scene();
    twilio.refusal = 'number-not-mobile';
    const first = await run();
    twilio.refusal = undefined;
    assert.deepEqual(await run({}, 2), first);
    assert.deepEqual(twilio.calls, ['send']);
  });

  it('sends one message when the process dies before the send is recorded', async () => {
    let isDying = true;
    const dying: CodeSendingDeps['codes'] = {
      ...codes,
      sent: (...args) => (isDying ? Promise.reject(new Error('killed')) : codes.sent(...args)),
    };
    const { twilio, run } = scene({ codes: dying });
    await assert.rejects(run(), /killed/);
    isDying = false;
    assert.equal((await run({}, 2)).result, 'sent');
    assert.equal(twilio.accepted.length, 1);
  });

  it('creates a new code for the next send of the same registration', async () => {
    const made = ['111111', '222222'];
    const { twilio, run } = scene({ newCode: () => made.shift() ?? '' });
    await run();
    await run({ send: 2 });
    assert.deepEqual(
      twilio.accepted.map(({ body }) => codeIn(body)),
      ['111111', '222222'],
    );
  });

  it('reports the unavailable provider and its try, without any part of the message', async () => {
    const { twilio, run, told, failedBy } = scene();
    twilio.failsBefore = true;
    await assert.rejects(run(), { code: 'unavailable' });
    assert.deepEqual(told(), [
      { name: 'dependencyAway', args: ['sms', 'twilio 503'] },
      { name: 'sendFailed', args: [failedBy('twilio')] },
    ]);
  });

  it('returns a permanent refusal, and records nothing as sent', async () => {
    const { twilio, run, told, codeBy, subject } = scene();
    twilio.refusal = 'number-not-mobile';
    assert.deepEqual(await run(), { result: 'refused', reason: 'number-not-mobile' });
    const code = codeBy('twilio');
    assert.deepEqual(told(), [{ name: 'codeRefused', args: [code, 'number-not-mobile'] }]);
    assert.equal(await codes.read(subject), undefined);
    assert.equal(await outcomeOf(subject, '123456'), 'none');
  });

  it('refuses a channel that is not configured', async () => {
    const { run } = scene({ providers: { sms: [] } });
    assert.deepEqual(await run(), { result: 'refused', reason: 'not-configured' });
    assert.deepEqual(await run({ channel: 'email', to: 'ada@example.com', send: 2 }), {
      result: 'refused',
      reason: 'not-configured',
    });
  });

  it('sends e-mail under one Message-ID, made of registration and send, on every attempt', async () => {
    const sent: MailMessage[] = [];
    const mail = {
      name: 'smtp',
      async send(message: MailMessage) {
        sent.push(message);
        if (sent.length === 1) throw new Failure('unavailable', { message: 'smtp ECONNRESET' });
        return { result: 'sent' as const, providerId: `<${message.messageId}>` };
      },
    };
    const { run, input, told } = scene({ providers: { email: [mail] } });
    const email = { channel: 'email', to: 'ada@example.com' } as const;
    await assert.rejects(run(email), { code: 'unavailable' });
    assert.equal((await run(email, 2)).result, 'sent');
    assert.deepEqual(
      sent.map(({ messageId }) => messageId),
      [`${input.subject}.1`, `${input.subject}.1`],
    );
    assert.equal(sent[0]?.text, sent[1]?.text);
    assert.equal(sent[0]?.subject, 'Your Vyry verification code');
    assert.equal(sent[0]?.subject.includes(codeIn(sent[0]?.text)), false);
    assert.equal(told()[0]?.args[0], 'email');
  });

  it('fits into one SMS segment, even with the longest lifetime', async () => {
    const { twilio, run } = scene();
    await run({ ttlSeconds: 3600 });
    const { body = '' } = twilio.accepted[0] ?? {};
    assert.ok(body.length <= 160, body);
    assert.match(body, /valid for 60 min/);
  });

  it('records how long the provider took to respond, even if it failed', async () => {
    const { twilio, run, recorded } = scene();
    twilio.failsBefore = true;
    await assert.rejects(run());
    twilio.failsBefore = false;
    await run();
    const answers = recorded.filter(({ name }) => name === 'providerAnswered').map(({ args }) => args[0]);
    const labels = answers.map((answer) => ({ ...(answer as object), seconds: 0 }));
    const send = { channel: 'sms', provider: 'twilio', seconds: 0 };
    assert.deepEqual(labels, [
      { ...send, outcome: 'unavailable' },
      { ...send, outcome: 'sent' },
    ]);
  });

  it('passes no code to events, and the number only as the input of a pseudonym', async () => {
    const { twilio, run, recorded } = scene();
    twilio.failsBefore = true;
    await run().catch(() => undefined);
    twilio.failsBefore = false;
    await run();
    const text = JSON.stringify(recorded, (name, value) => (name === 'to' || name === 'subject' ? undefined : value));
    for (const secret of [codeIn(twilio.accepted[0]?.body), to, to.slice(1)])
      assert.equal(text.includes(secret), false);
  });
});

describe('sendCode() with several providers', () => {
  function twoProviders() {
    const [first, second] = [fakeProvider('first'), fakeProvider('second')];
    return { first, second, ...scene({ providers: { sms: [first, second] } }) };
  }

  it('B10: skips an unavailable provider, and sends one message', async () => {
    const { first, second, run, subject, told, codeBy, failedBy } = twoProviders();
    first.failsBefore = true;
    assert.equal((await run()).result, 'sent');
    assert.equal(second.accepted.length, 1);
    assert.deepEqual(told(), [
      { name: 'dependencyAway', args: ['sms', 'twilio 503'] },
      { name: 'sendFailed', args: [failedBy('first')] },
      { name: 'codeSent', args: [codeBy('second'), 'SM1'] },
    ]);
    assert.equal(await outcomeOf(subject, codeIn(second.accepted[0]?.body)), 'verified');
  });

  it('asks a provider that went silent before using another one', async () => {
    const { first, second, run } = twoProviders();
    first.failsAfter = true;
    assert.equal((await run()).result, 'sent');
    assert.deepEqual(first.calls, ['send', 'find']);
    assert.deepEqual(second.calls, []);
  });

  it('B9: asks the same provider first after a crash during failover', async () => {
    const { first, second, run } = twoProviders();
    first.failsBefore = true;
    second.dies = true;
    await assert.rejects(run(), /killed/);
    first.failsBefore = false;
    second.dies = false;
    assert.equal((await run({}, 2)).result, 'sent');
    assert.equal(first.accepted.length, 0);
    assert.equal(second.accepted.length, 1);
    assert.deepEqual(second.calls, ['send', 'find']);
  });

  it('tries the failed provider last for the next send to the same person, but not for others', async () => {
    const { first, second, run } = twoProviders();
    first.failsBefore = true;
    await run();
    first.failsBefore = false;
    await run({ send: 2 });
    assert.equal(second.accepted.length, 2);
    await run({ subject: uniqueName() });
    assert.equal(first.accepted.length, 1);
  });

  it('tries a provider last that accepted a message and did not deliver it', async () => {
    const { first, second, run, subject } = twoProviders();
    await run();
    await reports.note({ ...subject, send: 1, channel: 'sms', provider: 'first' as never }, 'undelivered');
    await run({ send: 2 });
    assert.deepEqual([first.accepted.length, second.accepted.length], [1, 1]);
  });

  it('gives each provider the URL for its delivery reports', async () => {
    const [first, second] = [fakeProvider('first'), fakeProvider('second')];
    const { run, input } = scene({
      providers: { sms: [first, second] },
      reportUrl: ({ subject, send }, provider) => `${subject} ${send} ${provider}`,
    });
    first.failsBefore = true;
    await run();
    assert.equal(second.accepted[0]?.reportUrl, `${input.subject} 1 second`);
  });

  it('B11: waits while all providers are unavailable, and sends one message when one is back', async () => {
    const { first, second, run } = twoProviders();
    first.failsBefore = true;
    second.failsBefore = true;
    for (const attempt of [1, 2, 3]) await assert.rejects(run({}, attempt), { code: 'unavailable' });
    first.failsBefore = false;
    second.failsBefore = false;
    assert.equal((await run({}, 4)).result, 'sent');
    assert.equal(first.accepted.length + second.accepted.length, 1);
  });

  it('does not try another provider when one refuses the recipient', async () => {
    const { first, second, run } = twoProviders();
    first.refusal = 'number-not-valid';
    assert.deepEqual(await run(), { result: 'refused', reason: 'number-not-valid' });
    assert.deepEqual(second.calls, []);
  });
});

describe('sendCode() in the language of the user', () => {
  it('uses the locale, and adds the line of the Android app for that app only', async () => {
    const { twilio, run } = scene({ androidAppHash: 'AbCdEfGhIjK' });
    await run({ locale: 'de', client: 'android' });
    await run({ locale: 'de', client: 'ios', send: 2 });
    assert.match(twilio.accepted[0]?.body ?? '', /^\d{6} ist Ihr .*\nAbCdEfGhIjK$/);
    assert.match(twilio.accepted[1]?.body ?? '', /^\d{6} ist Ihr [^\n]*$/);
  });
});

describe('sendNotification()', () => {
  /** A mail server that records its messages and can be unavailable. */
  function fakeMail() {
    const sent: MailMessage[] = [];
    const mail = {
      name: 'smtp',
      sent,
      isAway: false,
      refuses: false,
      async send(message: MailMessage) {
        if (mail.isAway) throw new Failure('unavailable', { message: 'smtp ECONNREFUSED', reason: 'unreachable' });
        if (mail.refuses) return { result: 'refused' as const, reason: 'mailbox-refused' };
        sent.push(message);
        return { result: 'sent' as const, providerId: `<${message.messageId}>` };
      },
    };
    return mail;
  }

  it('sends one message, and none for a repeat', async () => {
    const mail = fakeMail();
    const { notification, notificationAsTold, runNotification, told } = scene({ providers: { email: [mail] } });
    assert.deepEqual([await runNotification(), await runNotification()], [true, true]);
    assert.deepEqual(
      mail.sent.map(({ to: recipient, subject, messageId }) => [recipient, subject, messageId]),
      [[notification.to, 'Welcome to Vyry', notification.notificationId]],
    );
    // the audit log drops the second event, which has the same id
    const event = {
      name: 'notificationSent',
      args: [{ ...notificationAsTold, provider: 'smtp' }, `<${notification.notificationId}>`],
    };
    assert.deepEqual(told(), [event, event]);
  });

  it('sends no SMS to a number that has received too many', async () => {
    const { twilio, notification, runNotification, told } = scene({ consumeSmsNotification: async () => false });
    Object.assign(notification, { kind: 'password-changed', channel: 'sms', to });
    assert.equal(await runNotification(), false);
    assert.deepEqual(twilio.accepted, []);
    assert.deepEqual(
      told().map(({ name, args }) => [name, args[1]]),
      [['notificationRefused', 'rate-limited']],
    );
  });

  it('F19: sends no recovery SMS within the spacing of its number, and tells until when, if it may wait', async () => {
    const { twilio, notification, runRecovery, told } = scene({
      consumeSms: async () => ({ allowed: false, resetSeconds: 60 }),
    });
    Object.assign(notification, { channel: 'sms', to });
    assert.deepEqual(await runRecovery(Number.MAX_SAFE_INTEGER), { retryAfterSeconds: 60 });
    assert.deepEqual(told(), []);
    assert.equal(await runRecovery(0), false);
    assert.deepEqual(
      told().map(({ name, args }) => [name, args[1]]),
      [['notificationRefused', 'rate-limited']],
    );
    assert.deepEqual(twilio.accepted, []);
  });

  it('sends nothing to a test number', async () => {
    const { twilio, notification, runNotification, told, notificationAsTold } = scene({
      prescribedCode: () => ({ code: '123456', provider: 'test' }),
    });
    Object.assign(notification, { kind: 'password-changed', channel: 'sms', to });
    assert.equal(await runNotification(), true);
    assert.deepEqual(twilio.accepted, []);
    assert.deepEqual(told(), [
      {
        name: 'notificationSent',
        args: [{ ...notificationAsTold, kind: 'password-changed', to, provider: 'test' }, 'none'],
      },
    ]);
  });

  it('throws while the provider is unavailable, and sends when it is back', async () => {
    const mail = fakeMail();
    const { runNotification } = scene({ providers: { email: [mail] } });
    mail.isAway = true;
    await assert.rejects(runNotification(), { code: 'unavailable' });
    mail.isAway = false;
    assert.equal(await runNotification(), true);
    assert.equal(mail.sent.length, 1);
  });

  it('returns false for a refused mailbox, and records that', async () => {
    const mail = fakeMail();
    mail.refuses = true;
    const { notificationAsTold, runNotification, told } = scene({ providers: { email: [mail] } });
    assert.equal(await runNotification(), false);
    assert.deepEqual(told(), [
      { name: 'notificationRefused', args: [{ ...notificationAsTold, provider: 'smtp' }, 'mailbox-refused'] },
    ]);
  });
});
