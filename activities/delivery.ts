/** Activities that send messages: codes and notifications. */
import type { Codes } from '../adapters/redis/codes.ts';
import type { DeliveryAttempt } from '../adapters/redis/delivery-attempts.ts';
import type { DeliveryReports } from '../adapters/redis/delivery-reports.ts';
import type { Notifications } from '../adapters/redis/notifications.ts';
import type { VoiceMessage } from '../adapters/twilio.ts';
import type { NotificationCause, NotificationKind, Recipient } from '../domain/notifications.ts';
import {
  type DeliveryReportOrigin,
  type MailMessage,
  messageReference,
  type Provider,
  type TextMessage,
} from '../domain/providers.ts';
import { languageFor, templatesOf } from '../domain/templates/languages.ts';
import {
  codeMail,
  codeSms,
  codeSpeech,
  type MessageContext,
  type NotificationContext,
  notificationMail,
  notificationSms,
} from '../domain/templates/messages.ts';
import type { Channel, ClientKind, CodeSubject } from '../domain/verification.ts';
import type { newCode } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import { type Delivery, type FailoverResult, sendWithFailover } from './provider-failover.ts';

/** The input of `sendCode`. */
export interface SendCodeInput extends CodeSubject {
  /** Number of the send within its subject. */
  send: number;
  channel: Channel;
  /** E.164 number or e-mail address. */
  to: string;
  /** Country of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** Lifetime of the code from its sending, in seconds. */
  ttlSeconds: number;
  /** Language of the message, BCP 47. Default: English. */
  locale?: string | undefined;
  /** The app that the user types the code into. */
  client?: ClientKind | undefined;
}

/** The result of a send. `at` is in milliseconds since the Unix epoch, `reason` is the provider's. */
export type SendCodeResult = { result: 'sent'; at: number } | { result: 'refused'; reason: string };

/** The input of `sendNotification`. */
export interface SendNotificationInput extends Recipient {
  /** Unique to this message, the same for every retry. */
  notificationId: string;
  userId: string;
  kind: NotificationKind;
  cause?: NotificationCause;
}

/** The configured providers, by channel. */
export interface Providers {
  sms: Provider<TextMessage>[];
  voice: Provider<VoiceMessage>[];
  email: Provider<MailMessage>[];
}

/** Dependencies of the delivery activities. */
export interface DeliveryActivityDeps {
  codes: Pick<Codes, 'start' | 'sent' | 'refused' | 'recordAttempts' | 'failedProviders'>;
  reports: Pick<DeliveryReports, 'failedProviders'>;
  notifications: Notifications;
  providers: Providers;
  /** Returns the URL for a provider's delivery reports; undefined when it sends none or the api has no public URL. */
  reportUrl: (of: Omit<DeliveryReportOrigin, 'provider'>, provider: string) => string | undefined;
  /** Returns the order in which to try the available providers for one send. */
  orderOf: (
    channel: Channel,
    send: { available: string[]; country?: string | undefined; failed: Set<string> },
  ) => string[];
  events: Pick<
    Events,
    'codeSent' | 'codeRefused' | 'notificationSent' | 'notificationRefused' | 'dependencyAway' | 'providerAnswered'
  >;
  newCode: typeof newCode;
  /** Returns the fixed code of a number that gets no messages, and the name to report as provider. */
  prescribedCode: (channel: Channel, to: string) => { code: string; provider: string } | undefined;
  /** Counts an SMS notification to a number, once per id. Returns false when the limit is reached. */
  consumeSmsNotification: (to: string, notificationId: string) => Promise<boolean>;
  /** Product name in messages. */
  productName: string;
  /** App hash of the SMS Retriever API: the last line of an SMS to an Android app. */
  androidAppHash?: string | undefined;
  /**
   * Returns the link, or bare token, by which an owner stops registrations with their number. The token is registered
   * before it is returned, and is the same for every attempt of a notification.
   */
  stopLinkOf: (notification: { notificationId: string; userId: string }) => Promise<string>;
}

/** The activities of the delivery role. */
export type DeliveryActivities = ReturnType<typeof createDeliveryActivities>;

/** Creates the activities of the delivery role. */
export function createDeliveryActivities(deps: DeliveryActivityDeps) {
  return {
    /**
     * Sends a code once. Idempotent by subject and send number. The code, the order of providers and each delivery
     * attempt are stored before a provider is called. A retry sends the same code, and first queries the providers that
     * may already have the message. The lifetime of the code starts at the recorded send.
     *
     * @throws {Failure} unavailable
     */
    async sendCode(input: SendCodeInput): Promise<SendCodeResult> {
      const subject: CodeSubject = { subject: input.subject, purpose: input.purpose };
      const prescribed = deps.prescribedCode(input.channel, input.to);
      const request = prescribed === undefined ? await orderFor(input, deps) : [prescribed.provider];
      const candidate = prescribed?.code ?? deps.newCode();
      const started = await deps.codes.start(subject, input.send, candidate, Date.now(), request);
      if (started.sentAt !== undefined) return { result: 'sent', at: started.sentAt };
      if (started.code === undefined) throw new Error('A send that was started has no code');

      const isPrescribed = prescribed !== undefined && started.attempts[0]?.provider === prescribed.provider;
      const { outcome, provider } = isPrescribed
        ? { outcome: { result: 'sent', providerId: 'none' } as const, provider: prescribed.provider }
        : await sendToProviders(input, started.code, started.attempts, deps);
      const sentCode = { ...input, provider };
      if (outcome.result === 'refused') {
        await deps.codes.refused(subject, input.send);
        deps.events.codeRefused(sentCode, outcome.reason);
        return outcome;
      }
      const at = await deps.codes.sent(subject, input.send, Date.now(), input.ttlSeconds, outcome.providerId);
      deps.events.codeSent(sentCode, outcome.providerId);
      return { result: 'sent', at };
    },

    /**
     * Sends a notification once. Idempotent by `notificationId`: as in `sendCode`, each delivery attempt is stored
     * before a provider is called. Numbers with a fixed code get no notifications either. Returns false when the
     * provider refuses the recipient or the number has reached its limit.
     *
     * @throws {Failure} unavailable
     */
    async sendNotification(input: SendNotificationInput): Promise<boolean> {
      const { notificationId, to, kind, channel } = input;
      const told = { notificationId, userId: input.userId, kind, to };
      const prescribed = deps.prescribedCode(channel, to);
      if (prescribed !== undefined) {
        deps.events.notificationSent({ ...told, provider: prescribed.provider }, 'none');
        return true;
      }
      const available = deps.providers[channel].map(({ name }) => name);
      const { attempts, isSent } = await deps.notifications.start(
        notificationId,
        deps.orderOf(channel, { available, failed: new Set() }),
      );
      if (isSent) return true;
      if (channel === 'sms' && !(await deps.consumeSmsNotification(to, notificationId))) {
        deps.events.notificationRefused({ ...told, provider: 'none' }, 'rate-limited');
        return false;
      }
      const { outcome, provider } = await deliverNotification(input, attempts, deps);
      const sent = { ...told, provider };
      if (outcome.result === 'refused') {
        deps.events.notificationRefused(sent, outcome.reason);
        return false;
      }
      await deps.notifications.sent(notificationId);
      deps.events.notificationSent(sent, outcome.providerId);
      return true;
    },
  };
}

async function orderFor(input: SendCodeInput, deps: DeliveryActivityDeps): Promise<string[]> {
  const { channel, country } = input;
  const failed = await Promise.all([deps.codes.failedProviders(input), deps.reports.failedProviders(input)]);
  const available = deps.providers[channel].map(({ name }) => name);
  return deps.orderOf(channel, { available, country, failed: new Set(failed.flatMap((names) => [...names])) });
}

async function deliverNotification(
  input: SendNotificationInput,
  attempts: DeliveryAttempt[],
  deps: DeliveryActivityDeps,
): Promise<FailoverResult> {
  const { notificationId, to, kind, channel, locale } = input;
  const { providers, productName: product, events } = deps;
  const texts = templatesOf(locale);
  const { cause = { at: Date.now() } } = input;
  const state: NotificationContext =
    kind === 'number-registered' ? { product, ...cause, stopLink: await deps.stopLinkOf(input) } : { product };
  const call: Delivery = {
    channel,
    attempts,
    note: (known) => deps.notifications.recordAttempts(notificationId, known),
    events,
  };
  if (channel === 'email') {
    return sendWithFailover(call, providers.email, {
      to,
      ...notificationMail(texts, kind, state),
      messageId: notificationId,
    });
  }
  return sendWithFailover(call, providers.sms, {
    to,
    body: notificationSms(texts, kind, state),
    reference: notificationId,
  });
}

function sendToProviders(
  input: SendCodeInput,
  code: string,
  attempts: DeliveryAttempt[],
  deps: DeliveryActivityDeps,
): Promise<FailoverResult> {
  const { channel, to, client, ttlSeconds } = input;
  const { providers, productName: product, androidAppHash } = deps;
  const texts = templatesOf(languageFor(input.locale));
  const state: MessageContext = { product, code, minutes: Math.max(1, Math.floor(ttlSeconds / 60)) };
  const reference = messageReference(input);
  const call: Delivery = {
    channel,
    attempts,
    note: (known) => deps.codes.recordAttempts(input, input.send, known),
    reportUrl: (provider) => deps.reportUrl(input, provider),
    events: deps.events,
  };
  if (channel === 'sms') {
    const body = codeSms(texts, state, client === 'android' ? androidAppHash : undefined);
    return sendWithFailover(call, providers.sms, { to, body, reference });
  }
  if (channel === 'voice') {
    return sendWithFailover(call, providers.voice, {
      to,
      speech: codeSpeech(texts, templatesOf('en'), state),
      ttlSeconds,
      reference,
    });
  }
  return sendWithFailover(call, providers.email, { to, ...codeMail(texts, state), messageId: reference });
}
