/** Builds messages to users from the texts of their language. No message contains user input. */
import type { NotificationCause, NotificationKind } from '../notifications.ts';
import type { ClientKind } from '../verification.ts';
import { isOneSegment } from './segments.ts';
import type { MailTexts, Templates } from './template.ts';

/** Placeholder values of a code message. */
export interface MessageContext {
  product: string;
  code: string;
  /** Lifetime of the code. */
  minutes: number;
}

/** Placeholder values of a recovery message. */
export interface RecoveryContext {
  product: string;
  /** Link to choose a new password, or the bare token. */
  link: string;
  /** Link to stop the recovery, or the bare token. */
  stopLink: string;
  /** Lifetime of the links. */
  minutes: number;
}

/** Placeholder values of a notification. All but `product` and `appLink` are for `number-registered`. */
export interface NotificationContext extends Partial<NotificationCause> {
  product: string;
  /** Link to stop the registration, or the bare token. */
  stopLink?: string;
  /** Link to the web app, where the owner acts on the notification. */
  appLink?: string | undefined;
}

/** An e-mail as plain text and HTML. */
export interface MailText {
  subject: string;
  text: string;
  html: string;
}

/** The spoken texts of a call. */
export interface Speech {
  /** `language` and `voice` of TwiML's Say. */
  language: string;
  voice?: string;
  pressKey: string;
  yourCodeIs: string;
  /** Spoken one at a time. */
  digits: string[];
}

const notificationTexts = {
  welcome: 'welcomeMail',
  'new-device': 'newDeviceMail',
  'password-changed': 'passwordChangedMail',
  'pin-changed': 'pinChangedMail',
  'number-registered': 'numberRegisteredMail',
  'contact-changed': 'contactChangedMail',
  'identity-transferred': 'identityTransferredMail',
  'deletion-planned': 'deletionPlannedMail',
  'account-deleted': 'accountDeletedMail',
  'session-stolen': 'sessionStolenMail',
  'device-link-requested': 'deviceLinkRequestedMail',
  'recovery-asked': 'recoveryAskedMail',
  'device-added': 'deviceAddedMail',
  'device-removed': 'deviceRemovedMail',
  'device-idle': 'deviceIdleMail',
  'identity-key-changed': 'identityKeyChangedMail',
} as const satisfies Record<NotificationKind, keyof Templates>;

/**
 * Returns the SMS with a code as one segment. If a long product name makes the sentence too long, only code and name.
 *
 * @param appHash last line by which an Android app reads the code automatically: 11 characters.
 *   https://developers.google.com/identity/sms-retriever/verify
 */
export function codeSms(texts: Templates, context: MessageContext, appHash?: string): string {
  const ending = appHash === undefined ? '' : `\n${appHash}`;
  const whole = fill(texts.codeSms, context) + ending;
  return isOneSegment(whole) ? whole : `${context.code} ${context.product}${ending}`;
}

/** Returns the e-mail with a code. Its subject contains no code, because lock screens show it. */
export function codeMail(texts: Templates, context: MessageContext): MailText {
  return mailText(texts, texts.codeMail, context);
}

/** Returns a notification as an e-mail. Its last paragraph is the link to the web app, which needs no words. */
export function notificationMail(texts: Templates, kind: NotificationKind, context: NotificationContext): MailText {
  const { subject, body } = texts[notificationTexts[kind]];
  const isActedOn = context.appLink !== undefined && kind !== 'account-deleted';
  const whole = { subject, body: isActedOn ? [...body, '{link}'] : body };
  return mailText(texts, whole, notificationFilling(texts, context));
}

/** Returns a notification as one SMS segment: the body, or the subject when the body does not fit. */
export function notificationSms(texts: Templates, kind: NotificationKind, context: NotificationContext): string {
  const { subject, body } = texts[notificationTexts[kind]];
  const filling = notificationFilling(texts, context);
  const whole = fill(body.join(' '), filling);
  return isOneSegment(whole) ? whole : fill(subject, filling);
}

/** Display names, the same in every language. */
const clientNames: Record<ClientKind, string> = { ios: 'iOS', android: 'Android', desktop: 'Desktop', web: 'Web' };

function notificationFilling(
  { tag }: Templates,
  { product, at, client, stopLink = '', appLink = '' }: NotificationContext,
): Filling {
  // without the year, which phones could offer as a code
  const format = new Intl.DateTimeFormat(tag, {
    month: 'long',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: 'UTC',
  });
  return {
    product,
    code: '',
    minutes: 0,
    stopLink,
    link: appLink,
    when: at === undefined ? '' : format.format(at),
    client: client === undefined ? '–' : clientNames[client],
  };
}

/** Returns a recovery message as an e-mail. */
export function recoveryMail(texts: Templates, context: RecoveryContext): MailText {
  return mailText(texts, texts.recoveryMail, { ...context, code: '' });
}

/** Returns a recovery message as an SMS. */
export function recoverySms(texts: Templates, context: RecoveryContext): string {
  return fill(texts.recoverySms, { ...context, code: '' });
}

/** Returns the spoken texts of a code, in the language of `fallback` when no voice supports the other. */
export function codeSpeech(texts: Templates, fallback: Templates, context: MessageContext): Speech {
  const call = texts.call ?? fallback.call;
  if (call === undefined) throw new Error('No voice supports the fallback language');
  const { pressKey, yourCodeIs, ...voice } = call;
  const spoken = { pressKey: fill(pressKey, context), yourCodeIs: fill(yourCodeIs, context) };
  return { ...voice, ...spoken, digits: [...context.code] };
}

function mailText({ tag, direction }: Templates, { subject, body }: MailTexts, context: Filling): MailText {
  const paragraphs = body.map((paragraph) => fill(paragraph, context));
  const title = fill(subject, context);
  const html = body.map((paragraph) => `<p>${fillHtml(paragraph, context)}</p>`).join('\n');
  return {
    subject: title,
    text: `${paragraphs.join('\n\n')}\n`,
    html: `<!doctype html>
<html lang="${tag}" dir="${direction}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title></head>
<body style="margin:0;padding:24px;font:16px/1.5 sans-serif;color:#1a1a1a;background:#ffffff">
<main style="max-width:34em;margin:0 auto">
<h1 style="font-size:20px">${escapeHtml(title)}</h1>
${html}
</main>
</body>
</html>
`,
  };
}

/** Placeholder values of any message. */
type Filling = MessageContext & Partial<RecoveryContext> & { when?: string; client?: string };

function fill(text: string, context: Filling): string {
  const { product, code, minutes, link = '', stopLink = '', when = '', client = '' } = context;
  return text
    .replaceAll('{product}', () => product)
    .replaceAll('{code}', () => code)
    .replaceAll('{minutes}', `${minutes}`)
    .replaceAll('{link}', () => link)
    .replaceAll('{stopLink}', () => stopLink)
    .replaceAll('{when}', () => when)
    .replaceAll('{client}', () => client);
}

function fillHtml(text: string, context: Filling): string {
  const marked = `<strong style="font-size:24px;letter-spacing:3px" dir="ltr">${escapeHtml(context.code)}</strong>`;
  return fill(escapeHtml(text), {
    ...context,
    product: escapeHtml(context.product),
    code: marked,
    link: markLink(context.link),
    stopLink: markLink(context.stopLink),
  });
}

/** A link can be followed and keeps its direction; a bare token is to be copied. */
function markLink(link = ''): string {
  const text = escapeHtml(link);
  return link.startsWith('http') ? `<a href="${text}" dir="ltr">${text}</a>` : text;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
