/** The activities that send messages without a code: notifications, and the links of a password recovery. */
import type { LimitState } from '../adapters/redis/rate-limits.ts';
import type { Recoveries, RecoveryTokens } from '../adapters/redis/recoveries.ts';
import { appLinkOf, type LinkPages, linkOf } from '../domain/message-links.ts';
import type { NotificationCause, NotificationKind, Recipient } from '../domain/notifications.ts';
import type { MessageKind } from '../domain/providers.ts';
import { templatesOf } from '../domain/templates/languages.ts';
import {
  type NotificationContext,
  notificationMail,
  notificationSms,
  recoveryMail,
  recoverySms,
} from '../domain/templates/messages.ts';
import type { newToken } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import type { PrescribedCode } from './code-sending.ts';
import type { Deliver } from './deliver.ts';

/** The input of `sendNotification`. */
export interface SendNotificationInput extends Recipient {
  /** Unique to this message, the same for every retry. */
  notificationId: string;
  userId: string;
  kind: NotificationKind;
  cause?: NotificationCause;
}

/** The input of `sendRecovery`. */
export interface SendRecoveryInput extends Recipient {
  userId: string;
  recoveryId: string;
  /** Lifetime of the links, in seconds. */
  ttlSeconds: number;
  /** The epoch of the account; the tokens count in this epoch only. */
  epoch?: number | undefined;
  /** Until when the message may wait for the limit of its number, in milliseconds since the Unix epoch. */
  until?: number | undefined;
}

/** Whether a message was sent; `retryAfterSeconds`: when its number may get it. */
export type RecoverySent = boolean | { retryAfterSeconds: number };

/** Dependencies of the notification-sending activities. */
export interface NotificationSendingDeps {
  deliver: Deliver;
  recoveries: Pick<Recoveries, 'start'>;
  events: Pick<Events, 'notificationSent' | 'notificationRefused'>;
  /** Numbers with a fixed code get no notifications either. */
  prescribedCode: PrescribedCode;
  /** Counts an SMS notification to a number, once per id. Returns false when the limit is reached. */
  consumeSmsNotification: (to: string, notificationId: string) => Promise<boolean>;
  /** Counts an SMS to a number as the codes to it, once per id. */
  consumeSms: (to: string, id: string) => Promise<Pick<LimitState, 'allowed' | 'resetSeconds'>>;
  /** Product name in messages. */
  productName: string;
  newToken: typeof newToken;
  /** Where the links of messages lead. */
  pages: LinkPages;
  /**
   * Returns the token by which an owner stops registrations with their number. It is registered before it is returned,
   * and is the same for every attempt of a notification.
   */
  stopTokenOf: (notification: { notificationId: string; userId: string }) => Promise<string>;
}

/** The notification-sending activities of the delivery role. */
export type NotificationSendingActivities = ReturnType<typeof createNotificationSending>;

/** Creates the notification-sending activities of the delivery role. */
export function createNotificationSending(deps: NotificationSendingDeps) {
  return {
    /**
     * Sends a notification once. Idempotent by `notificationId`. Returns false when the provider refuses the recipient
     * or the number has reached its limit.
     *
     * @throws {Failure} unavailable
     */
    async sendNotification(input: SendNotificationInput): Promise<boolean> {
      const { notificationId, userId, to, kind, channel } = input;
      const told = { notificationId, userId, kind, to };
      const prescribed = deps.prescribedCode(channel, to);
      if (prescribed !== undefined) {
        deps.events.notificationSent({ ...told, provider: prescribed.provider }, 'none');
        return true;
      }
      if (channel === 'sms' && !(await deps.consumeSmsNotification(to, notificationId))) {
        deps.events.notificationRefused({ ...told, provider: 'none' }, 'rate-limited');
        return false;
      }
      const context = await notificationContext(deps, input);
      const texts = templatesOf(input.locale);
      return await send({ ...input, ...told, messageKind: 'notification' }, deps, {
        mail: () => notificationMail(texts, kind, context),
        sms: () => notificationSms(texts, kind, context),
      });
    },

    /**
     * Sends the recovery message once. Idempotent by `recoveryId`: the tokens are stored before they are sent. The
     * lifetime of the tokens starts at the last attempt. An SMS is spaced from the codes to its number, which only here
     * is known for every identifier. Returns false when the provider refuses the recipient, or the number has reached
     * its limit for longer than the message may wait.
     *
     * @throws {Failure} unavailable
     */
    async sendRecovery(input: SendRecoveryInput): Promise<RecoverySent> {
      const { recoveryId, userId, channel, ttlSeconds, epoch, to, until = 0 } = input;
      const limit = channel === 'sms' ? await deps.consumeSms(to, recoveryId) : { allowed: true, resetSeconds: 0 };
      if (!limit.allowed) {
        if (Date.now() + limit.resetSeconds * 1000 < until) return { retryAfterSeconds: limit.resetSeconds };
        const refused = { notificationId: recoveryId, userId, kind: 'recovery', to, provider: 'none' } as const;
        deps.events.notificationRefused(refused, 'rate-limited');
        return false;
      }
      const minted: RecoveryTokens = { reset: deps.newToken(), stop: deps.newToken() };
      const tokens = await deps.recoveries.start(recoveryId, { userId, channel, epoch, tokens: minted, ttlSeconds });
      const context = {
        product: deps.productName,
        link: linkOf('choose-password', tokens.reset, deps.pages),
        stopLink: linkOf('stop-recovery', tokens.stop, deps.pages),
        minutes: Math.floor(ttlSeconds / 60),
      };
      const texts = templatesOf(input.locale);
      return await send({ ...input, notificationId: recoveryId, kind: 'recovery', messageKind: 'recovery' }, deps, {
        mail: () => recoveryMail(texts, context),
        sms: () => recoverySms(texts, context),
      });
    },
  };
}

/** Returns what a notification says. */
async function notificationContext(
  { productName: product, pages, stopTokenOf }: NotificationSendingDeps,
  input: SendNotificationInput,
): Promise<NotificationContext> {
  if (input.kind !== 'number-registered') return { product, appLink: appLinkOf(pages) };
  const { cause = { at: Date.now() } } = input;
  const stopLink = linkOf('stop-registration', await stopTokenOf(input), pages);
  return { product, ...cause, stopLink };
}

interface OutgoingNotification extends Recipient {
  notificationId: string;
  userId: string;
  /** The kind that events name. */
  kind: NotificationKind | 'recovery';
  messageKind: MessageKind;
}

/** Delivers a message by the channel of its recipient and reports the outcome. Returns whether it was sent. */
async function send(
  { notificationId, userId, kind, messageKind, channel, to }: OutgoingNotification,
  { deliver, events }: Pick<NotificationSendingDeps, 'deliver' | 'events'>,
  content: { mail: () => { subject: string; text: string; html: string }; sms: () => string },
): Promise<boolean> {
  const id = { subject: notificationId, kind: messageKind, send: 1 };
  const { outcome, provider } =
    channel === 'email'
      ? await deliver({ id, channel, content: { to, ...content.mail(), messageId: notificationId } })
      : await deliver({ id, channel, content: { to, body: content.sms(), reference: notificationId } });
  const sent = { notificationId, userId, kind, to, provider };
  if (outcome.result === 'refused') events.notificationRefused(sent, outcome.reason);
  else events.notificationSent(sent, outcome.providerId);
  return outcome.result === 'sent';
}
