/** Notifications: messages to users about their account. They contain no code and no user input. */

import type { ClientKind } from './verification.ts';

/** All kinds of notifications. */
export const notificationKinds = [
  'welcome',
  'new-device',
  'password-changed',
  'pin-changed',
  'number-registered',
  'contact-changed',
  'identity-transferred',
  'deletion-planned',
  'account-deleted',
  'session-stolen',
  'device-link-requested',
  'recovery-asked',
  'device-added',
  'device-removed',
  'device-idle',
  'identity-key-changed',
] as const;
/** A kind of notification. */
export type NotificationKind = (typeof notificationKinds)[number];

/** A channel of notifications. */
export type NotificationChannel = 'email' | 'sms';

const everyChannel = ['email', 'sms'] as const;

/**
 * The channels of each kind. Security notifications use every channel, because an attacker who controls the mailbox
 * rarely controls the telephone. An SMS costs money, so `welcome` and `device-idle` go by e-mail only. So does `number-registered`:
 * that number already gets the code by SMS.
 */
export const notificationChannels: Readonly<Record<NotificationKind, readonly NotificationChannel[]>> = {
  welcome: ['email'],
  'new-device': everyChannel,
  'password-changed': everyChannel,
  'pin-changed': everyChannel,
  'number-registered': ['email'],
  'contact-changed': everyChannel,
  'identity-transferred': everyChannel,
  'deletion-planned': everyChannel,
  'account-deleted': everyChannel,
  'session-stolen': everyChannel,
  'device-link-requested': everyChannel,
  'recovery-asked': everyChannel,
  'device-added': everyChannel,
  'device-removed': everyChannel,
  'device-idle': ['email'],
  'identity-key-changed': everyChannel,
};

/**
 * Kinds that do not wake up the devices of the account: nothing to protect, or no devices left. `device-idle`: only that
 * device is woken up, and not by the notification.
 */
const quietKinds: readonly NotificationKind[] = ['welcome', 'account-deleted', 'device-idle'];

/** Returns whether a notification also wakes up the devices of the account. */
export function wakesDevices(kind: NotificationKind): boolean {
  return !quietKinds.includes(kind);
}

/**
 * Limit of SMS notifications to one number, over all accounts, so that repeated changes do not cost an SMS each. Beyond
 * it only e-mail is sent.
 */
export const smsNotificationLimit = {
  name: 'sms-notifications-per-number',
  windows: [{ max: 10, windowSeconds: 86_400 }],
};

/** The recipient of a notification. */
export interface Recipient {
  channel: NotificationChannel;
  /** E-mail address or E.164 number. */
  to: string;
  /** Language of the message, BCP 47. Default: English. */
  locale?: string;
}

/** What a notification says about its cause. It does not identify who caused it. */
export interface NotificationCause {
  /** Milliseconds since the Unix epoch. */
  at: number;
  /** The kind of app, as the app reported it. */
  client?: ClientKind;
}

/** A notification to the owner of an account. */
export interface Notification {
  userId: string;
  kind: NotificationKind;
  /**
   * Deduplication key: a user gets one notification of a kind per occasion. Letters, digits, dots and dashes, no
   * personal data: the id of a session or device, or a date where anyone can cause the notification.
   */
  occasion: string;
  /** Replaces the recipients that the account has at the time of sending. */
  recipients?: Recipient[];
  /** Only for `number-registered`. */
  cause?: NotificationCause;
}

/** Returns all recipients of a user, e-mail first. */
export function recipientsOf(person: { email?: string; phone?: string; locale?: string }): Recipient[] {
  const { email, phone, locale } = person;
  const own = locale === undefined ? {} : { locale };
  return [
    ...(email === undefined ? [] : [{ channel: 'email' as const, to: email, ...own }]),
    ...(phone === undefined ? [] : [{ channel: 'sms' as const, to: phone, ...own }]),
  ];
}
