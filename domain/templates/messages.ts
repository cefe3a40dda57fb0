/** Messages to people, put together from the texts of their language. Nothing a person wrote is in any of them. */
import type { NotificationCause, NotificationKind } from '../notifications.ts';
import type { ClientKind } from '../verification.ts';
import { isOneSegment } from './segments.ts';
import type { MailTexts, Templates } from './template.ts';

/** What the placeholders stand for. */
export interface MessageContext {
  product: string;
  code: string;
  /** Life of the code. */
  minutes: number;
}

/** What the placeholders of a recovery stand for. */
export interface RecoveryContext {
  product: string;
  /** Where a new password is chosen, or the token to type there. */
  link: string;
  /** Where it is stopped. */
  stopLink: string;
  /** Life of the links. */
  minutes: number;
}

/** What the placeholders of a notification stand for; those after the product are of `number-registered`. */
export interface NotificationContext extends Partial<NotificationCause> {
  product: string;
  /** Where the owner ends it, or the token to type there. */
  stopLink?: string;
}

/** An e-mail in both of its forms. */
export interface MailText {
  subject: string;
  text: string;
  html: string;
}

/** What a call says. */
export interface Speech {
  /** `language` and `voice` of TwiML's Say. */
  language: string;
  voice?: string;
  pressKey: string;
  yourCodeIs: string;
  /** Spoken one by one. */
  digits: string[];
}

const notificationTexts = {
  welcome: 'welcomeMail',
  'new-device': 'newDeviceMail',
  'password-changed': 'passwordChangedMail',
  'pin-changed': 'pinChangedMail',
  'number-registered': 'numberRegisteredMail',
  'contact-changed': 'contactChangedMail',
  'deletion-planned': 'deletionPlannedMail',
  'account-deleted': 'accountDeletedMail',
  'session-stolen': 'sessionStolenMail',
  'recovery-asked': 'recoveryAskedMail',
} as const satisfies Record<NotificationKind, keyof Templates>;

/**
 * The code as one SMS segment. Where the name of the product is so long that the sentence does not fit, code and name
 * alone.
 *
 * @param appHash the line by which an Android app reads the code by itself: 11 characters.
 *   https://developers.google.com/identity/sms-retriever/verify
 */
export function codeSms(texts: Templates, context: MessageContext, appHash?: string): string {
  const ending = appHash === undefined ? '' : `\n${appHash}`;
  const whole = fill(texts.codeSms, context) + ending;
  return isOneSegment(whole) ? whole : `${context.code} ${context.product}${ending}`;
}

/** The code as an e-mail. The subject, which lock screens show, has no code. */
export function codeMail(texts: Templates, context: MessageContext): MailText {
  return mailText(texts, texts.codeMail, context);
}

/** A message to a person about their account. */
export function notificationMail(texts: Templates, kind: NotificationKind, context: NotificationContext): MailText {
  return mailText(texts, texts[notificationTexts[kind]], notificationFilling(texts, context));
}

/** The same as one SMS segment: the subject alone where the rest does not fit. */
export function notificationSms(texts: Templates, kind: NotificationKind, context: NotificationContext): string {
  const { subject, body } = texts[notificationTexts[kind]];
  const filling = notificationFilling(texts, context);
  const whole = fill(body.join(' '), filling);
  return isOneSegment(whole) ? whole : fill(subject, filling);
}

/** As people call them in every language. */
const clientNames: Record<ClientKind, string> = { ios: 'iOS', android: 'Android', desktop: 'Desktop', web: 'Web' };

function notificationFilling({ tag }: Templates, { product, at, client, stopLink = '' }: NotificationContext): Filling {
  // without a year, which phones would offer as a code
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
    when: at === undefined ? '' : format.format(at),
    client: client === undefined ? '–' : clientNames[client],
  };
}

/** How a forgotten password is replaced, as an e-mail. */
export function recoveryMail(texts: Templates, context: RecoveryContext): MailText {
  return mailText(texts, texts.recoveryMail, { ...context, code: '' });
}

/** The same as an SMS. */
export function recoverySms(texts: Templates, context: RecoveryContext): string {
  return fill(texts.recoverySms, { ...context, code: '' });
}

/** The code as speech; in the language of `fallback` where no voice speaks the other. */
export function codeSpeech(texts: Templates, fallback: Templates, context: MessageContext): Speech {
  const call = texts.call ?? fallback.call;
  if (call === undefined) throw new Error('No voice speaks the language to fall back on');
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

/** What stands in a text. */
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
    link: escapeHtml(context.link ?? ''),
    stopLink: escapeHtml(context.stopLink ?? ''),
  });
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
