/** The activity that sends one-time codes. */
import type { Codes } from '../adapters/redis/codes.ts';
import type { DeliveryReports } from '../adapters/redis/delivery-reports.ts';
import { type DeliveryReportOrigin, messageReference } from '../domain/providers.ts';
import { languageFor, templatesOf } from '../domain/templates/languages.ts';
import { codeMail, codeSms, codeSpeech, type MessageContext } from '../domain/templates/messages.ts';
import type { Channel, ClientKind, CodeSubject } from '../domain/verification.ts';
import type { newCode } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import type { Deliver, Delivered, OutgoingMessage } from './deliver.ts';

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

/** Returns the fixed code of a number that gets no messages, and the name to report as provider. */
export type PrescribedCode = (channel: Channel, to: string) => { code: string; provider: string } | undefined;

/** Dependencies of the code-sending activity. */
export interface CodeSendingDeps {
  codes: Pick<Codes, 'start' | 'sent' | 'refused'>;
  reports: Pick<DeliveryReports, 'failedProviders'>;
  deliver: Deliver;
  /** Returns the URL for a provider's delivery reports; undefined when it sends none or the api has no public URL. */
  reportUrl: (of: Omit<DeliveryReportOrigin, 'provider'>, provider: string) => string | undefined;
  events: Pick<Events, 'codeSent' | 'codeRefused'>;
  newCode: typeof newCode;
  prescribedCode: PrescribedCode;
  /** Product name in messages. */
  productName: string;
  /** App hash of the SMS Retriever API: the last line of an SMS to an Android app. */
  androidAppHash?: string | undefined;
}

/** The code-sending activity of the delivery role. */
export type CodeSendingActivities = ReturnType<typeof createCodeSending>;

/** Creates the code-sending activity of the delivery role. */
export function createCodeSending(deps: CodeSendingDeps) {
  return {
    /**
     * Sends a code once. Idempotent by subject and send number: the code is stored before it is delivered, and a retry
     * delivers the same code. The lifetime of the code starts at the recorded send.
     *
     * @throws {Failure} unavailable
     */
    async sendCode(input: SendCodeInput): Promise<SendCodeResult> {
      const subject: CodeSubject = { subject: input.subject, purpose: input.purpose };
      const prescribed = deps.prescribedCode(input.channel, input.to);
      const started = await deps.codes.start(subject, input.send, prescribed?.code ?? deps.newCode());
      if (started.sentAt !== undefined) return { result: 'sent', at: started.sentAt };
      if (started.code === undefined) throw new Error('A send that was started has no code');

      // a code that was made before the number got a fixed one is delivered
      const { outcome, provider }: Delivered =
        prescribed?.code === started.code
          ? { outcome: { result: 'sent', providerId: 'none' }, provider: prescribed.provider }
          : await deps.deliver(await messageOf(input, started.code, deps));
      const sentCode = { ...input, provider };
      if (outcome.result === 'refused') {
        await deps.codes.refused(subject, input.send);
        deps.events.codeRefused(sentCode, outcome.reason);
        return outcome;
      }
      const { ttlSeconds, send } = input;
      const at = await deps.codes.sent(subject, send, { ttlSeconds, providerId: outcome.providerId });
      deps.events.codeSent(sentCode, outcome.providerId);
      return { result: 'sent', at };
    },
  };
}

async function messageOf(input: SendCodeInput, code: string, deps: CodeSendingDeps): Promise<OutgoingMessage> {
  return {
    id: { subject: input.subject, kind: input.purpose, send: input.send },
    ...contentOf(input, code, deps),
    country: input.country,
    failed: await deps.reports.failedProviders(input),
    reportUrl: (provider) => deps.reportUrl(input, provider),
  };
}

function contentOf(
  input: SendCodeInput,
  code: string,
  { productName: product, androidAppHash }: CodeSendingDeps,
): Pick<OutgoingMessage, 'channel' | 'content'> {
  const { channel, to, client, ttlSeconds } = input;
  const texts = templatesOf(languageFor(input.locale));
  const context: MessageContext = { product, code, minutes: Math.max(1, Math.floor(ttlSeconds / 60)) };
  const reference = messageReference(input);
  if (channel === 'sms') {
    const body = codeSms(texts, context, client === 'android' ? androidAppHash : undefined);
    return { channel, content: { to, body, reference } };
  }
  if (channel === 'voice') {
    const speech = codeSpeech(texts, templatesOf('en'), context);
    return { channel, content: { to, speech, ttlSeconds, reference } };
  }
  return { channel, content: { to, ...codeMail(texts, context), messageId: reference } };
}
