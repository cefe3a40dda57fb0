/** Notices: messages to people about their account. They carry no code, and nothing that a person wrote. */

/** Every kind there is. */
export const noticeKinds = [
  'welcome',
  'new-device',
  'password-changed',
  'pin-changed',
  'number-registered',
  'contact-changed',
  'deletion-planned',
  'account-deleted',
] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** Where a notice goes. */
export interface Recipient {
  channel: 'email' | 'sms';
  /** One address or E.164. */
  to: string;
  /** Language of the person, BCP 47; English without. */
  locale?: string;
}

/** A notice to the owner of an account. */
export interface Notice {
  userId: string;
  kind: NoticeKind;
  /**
   * What it is told for: a person gets one notice of a kind for one occasion. Letters, digits, dots and dashes, nothing
   * personal: the id of a session or a device, or a day where a stranger can cause notices.
   */
  occasion: string;
  /** Where it goes when that is not the address of the account, as read when it is sent. */
  recipient?: Recipient;
}

/** The id of the workflow of a notice, which keeps it from being sent twice. */
export function noticeWorkflowId({ userId, kind, occasion }: Notice): string {
  return `notice:${kind}:${userId}:${occasion}`;
}
