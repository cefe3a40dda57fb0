/** Notifications: messages to people about their account. They carry no code, and nothing that a person wrote. */

import type { ClientKind } from './verification.ts';

/** Every kind there is. */
export const notificationKinds = [
  'welcome',
  'new-device',
  'password-changed',
  'pin-changed',
  'number-registered',
  'contact-changed',
  'deletion-planned',
  'account-deleted',
  'session-stolen',
  'recovery-asked',
] as const;
export type NotificationKind = (typeof notificationKinds)[number];

export type NotificationChannel = 'email' | 'sms';

const everyChannel = ['email', 'sms'] as const;

/**
 * The channels of each kind. What a thief would hide goes to every one that there is: whoever has stolen the mailbox does
 * not have the telephone. An SMS costs money, so what is only kind to know goes by e-mail; a number that is being
 * registered gets the code itself by SMS.
 */
export const notificationChannels: Readonly<Record<NotificationKind, readonly NotificationChannel[]>> = {
  welcome: ['email'],
  'new-device': everyChannel,
  'password-changed': everyChannel,
  'pin-changed': everyChannel,
  'number-registered': ['email'],
  'contact-changed': everyChannel,
  'deletion-planned': everyChannel,
  'account-deleted': everyChannel,
  'session-stolen': everyChannel,
  'recovery-asked': everyChannel,
};

/**
 * SMS notifications to one number, over all accounts: who changes a password all day must not make us pay for each change. Beyond,
 * e-mail alone goes on.
 */
export const smsNotificationLimit = {
  name: 'sms-notifications-per-number',
  windows: [{ max: 10, windowSeconds: 86_400 }],
};

/** Where a notification goes. */
export interface Recipient {
  channel: NotificationChannel;
  /** One address or E.164. */
  to: string;
  /** Language of the person, BCP 47; English without. */
  locale?: string;
}

/** What a notification tells of what caused it: nothing of who did. */
export interface NotificationCause {
  /** Milliseconds since the Unix epoch. */
  at: number;
  /** What the app said that it is. */
  client?: ClientKind;
}

/** A notification to the owner of an account. */
export interface Notification {
  userId: string;
  kind: NotificationKind;
  /**
   * What it is told for: a person gets one notification of a kind for one occasion. Letters, digits, dots and dashes, nothing
   * personal: the id of a session or a device, or a day where a stranger can cause notifications.
   */
  occasion: string;
  /** Where it goes when that is not what the account has when it is sent. */
  recipients?: Recipient[];
  /** Of `number-registered`. */
  cause?: NotificationCause;
}

/** Every way that a person is reached by, e-mail first. */
export function recipientsOf(person: { email?: string; phone?: string; locale?: string }): Recipient[] {
  const { email, phone, locale } = person;
  const own = locale === undefined ? {} : { locale };
  return [
    ...(email === undefined ? [] : [{ channel: 'email' as const, to: email, ...own }]),
    ...(phone === undefined ? [] : [{ channel: 'sms' as const, to: phone, ...own }]),
  ];
}

/** The id of the workflow of a notification, which keeps it from being sent twice. */
export function notificationWorkflowId({ userId, kind, occasion }: Notification): string {
  return `notification:${kind}:${userId}:${occasion}`;
}
