/** Codes on their way to people: one message a send. */
import type { Mail } from '../adapters/mail.ts';
import type { Codes } from '../adapters/redis/codes.ts';
import type { Twilio } from '../adapters/twilio.ts';
import { Failure } from '../domain/failures.ts';
import type { Channel, CodePurpose, CodeSubject } from '../domain/verification.ts';
import type { newCode } from '../platform/crypto.ts';
import type { Events } from '../platform/events.ts';

export interface SendCodeInput extends CodeSubject {
  /** Number of the send within its subject. */
  send: number;
  channel: Channel;
  /** E.164 or one address. */
  to: string;
  /** Of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** Life of the code from its sending, in seconds. */
  ttlSeconds: number;
  /** Language of the person, BCP 47. */
  locale?: string | undefined;
  /** What the person types the code into. */
  client?: 'ios' | 'android' | 'desktop' | 'web' | undefined;
}

export type SendCodeResult = { result: 'sent'; at: number } | { result: 'refused'; reason: string };

export interface DeliveryActivityDeps {
  codes: Pick<Codes, 'start' | 'sent' | 'refused'>;
  /** Absent when not configured. */
  twilio?: Pick<Twilio, 'send' | 'find'> | undefined;
  mail?: Pick<Mail, 'send'> | undefined;
  events: Pick<Events, 'codeSent' | 'codeRefused' | 'dependencyAway' | 'providerAnswered'>;
  newCode: typeof newCode;
  /** Name of the product, as messages carry it. */
  productName: string;
}

export type DeliveryActivities = ReturnType<typeof createDeliveryActivities>;

type Outcome = { result: 'sent'; providerId: string } | { result: 'refused'; reason: string };

/** Creates the activities of the delivery role. */
export function createDeliveryActivities(deps: DeliveryActivityDeps) {
  return {
    /**
     * Sends a code, once. Safe to repeat, by subject and number of the send: the code is made and stored before
     * the provider is called, a repeat sends the same code, and only after the provider said that it does not have the
     * message. The code's life counts from the recorded send.
     *
     * @throws {Failure} unavailable
     */
    async sendCode(input: SendCodeInput): Promise<SendCodeResult> {
      const subject: CodeSubject = { subject: input.subject, purpose: input.purpose };
      const started = await deps.codes.start(subject, input.send, deps.newCode(), Date.now());
      if (started.sentAt !== undefined) return { result: 'sent', at: started.sentAt };
      if (started.code === undefined) throw new Error('A send that was started has no code');

      const sentCode = { ...input, provider: providerOf(input.channel) };
      const outcome = await hand(input, started.code, started.state === 'new' ? undefined : started.startedAt, deps);
      if (outcome.result === 'refused') {
        await deps.codes.refused(subject, input.send);
        deps.events.codeRefused(sentCode, outcome.reason);
        return outcome;
      }
      const at = await deps.codes.sent(subject, input.send, Date.now(), input.ttlSeconds, outcome.providerId);
      deps.events.codeSent(sentCode, outcome.providerId);
      return { result: 'sent', at };
    },
  };
}

/** Hands a code to the provider of its channel; `startedAt` is given when an earlier try may have done so. */
async function hand(
  input: SendCodeInput,
  code: string,
  startedAt: number | undefined,
  deps: DeliveryActivityDeps,
): Promise<Outcome> {
  const { channel } = input;
  const beganAt = performance.now();
  const answered = (outcome: string) => {
    const seconds = (performance.now() - beganAt) / 1000;
    deps.events.providerAnswered({ channel, provider: providerOf(channel), outcome, seconds });
  };
  try {
    const outcome = await handToProvider(input, code, startedAt, deps);
    answered(outcome.result);
    return outcome;
  } catch (err) {
    answered('unavailable');
    if (err instanceof Failure) deps.events.dependencyAway(channel, err.facts.message ?? err.code);
    throw err;
  }
}

async function handToProvider(
  input: SendCodeInput,
  code: string,
  startedAt: number | undefined,
  deps: DeliveryActivityDeps,
): Promise<Outcome> {
  if (input.channel === 'sms') return handToTwilio(input, code, startedAt, deps);
  if (input.channel === 'email') return handToMail(input, code, deps);
  return { result: 'refused', reason: 'not-configured' };
}

async function handToTwilio(
  input: SendCodeInput,
  code: string,
  startedAt: number | undefined,
  { twilio, ...deps }: DeliveryActivityDeps,
): Promise<Outcome> {
  if (twilio === undefined) return { result: 'refused', reason: 'not-configured' };
  const message = { to: input.to, body: codeText(input, code, deps) };
  const found = startedAt === undefined ? undefined : await twilio.find(message, new Date(startedAt));
  return found === undefined ? twilio.send(message) : { result: 'sent', providerId: found };
}

async function handToMail(
  input: SendCodeInput,
  code: string,
  { mail, ...deps }: DeliveryActivityDeps,
): Promise<Outcome> {
  if (mail === undefined) return { result: 'refused', reason: 'not-configured' };
  return mail.send({
    to: input.to,
    subject: `Your ${deps.productName} ${purposeWords[input.purpose]} code`,
    text: codeText(input, code, deps),
    messageId: `${input.subject}.${input.send}`,
  });
}

/** The provider that carries a channel. */
function providerOf(channel: Channel): string {
  return channel === 'email' ? 'smtp' : 'twilio';
}

const purposeWords: Record<CodePurpose, string> = { register: 'registration', verify: 'verification' };

/** One SMS segment. It names the purpose, so that a code asked for by somebody else is not typed elsewhere. */
function codeText(
  { purpose, ttlSeconds }: SendCodeInput,
  code: string,
  { productName }: Pick<DeliveryActivityDeps, 'productName'>,
): string {
  const minutes = Math.max(1, Math.floor(ttlSeconds / 60));
  return `${code} is your ${productName} ${purposeWords[purpose]} code. It is valid for ${minutes} min. Do not share it.`;
}
