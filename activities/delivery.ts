/** Codes on their way to people: one message a send. */
import type { Codes, Hop } from '../adapters/redis/codes.ts';
import type { Receipts } from '../adapters/redis/receipts.ts';
import type { VoiceMessage } from '../adapters/twilio.ts';
import { Failure } from '../domain/failures.ts';
import {
  type MailMessage,
  messageReference,
  type Provider,
  type ReceiptOrigin,
  type SendOutcome,
  type TextMessage,
} from '../domain/providers.ts';
import { languageFor, templatesOf } from '../domain/templates/languages.ts';
import { codeMail, codeSms, codeSpeech, type Facts } from '../domain/templates/messages.ts';
import type { Channel, ClientKind, CodeSubject } from '../domain/verification.ts';
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
  /** Language of the person, BCP 47; English without. */
  locale?: string | undefined;
  /** What the person types the code into. */
  client?: ClientKind | undefined;
}

export type SendCodeResult = { result: 'sent'; at: number } | { result: 'refused'; reason: string };

/** Those that are configured, by channel. */
export interface Providers {
  sms: Provider<TextMessage>[];
  voice: Provider<VoiceMessage>[];
  email: Provider<MailMessage>[];
}

export interface DeliveryActivityDeps {
  codes: Pick<Codes, 'start' | 'sent' | 'refused' | 'noteHops' | 'failedProviders'>;
  receipts: Pick<Receipts, 'failedProviders'>;
  providers: Providers;
  /** Where a provider tells what became of a message; nowhere when it does not, or when nobody can reach us. */
  receiptUrl: (of: Omit<ReceiptOrigin, 'provider'>, provider: string) => string | undefined;
  /** Their order for one send, from the names of those that are configured. */
  orderOf: (
    channel: Channel,
    send: { available: string[]; country?: string | undefined; failed: Set<string> },
  ) => string[];
  events: Pick<Events, 'codeSent' | 'codeRefused' | 'dependencyAway' | 'providerAnswered'>;
  newCode: typeof newCode;
  /** The code of a number that nobody is sent one to, and what is named in place of a provider. */
  prescribedCode: (channel: Channel, to: string) => { code: string; provider: string } | undefined;
  /** Name of the product, as messages carry it. */
  productName: string;
  androidAppHash?: string | undefined;
}

export type DeliveryActivities = ReturnType<typeof createDeliveryActivities>;

/** Creates the activities of the delivery role. */
export function createDeliveryActivities(deps: DeliveryActivityDeps) {
  return {
    /**
     * Sends a code, once. Safe to repeat, by subject and number of the send: the code is made and the order of providers
     * decided and stored before one is called, and so is each call; a repeat sends the same code, and only after a
     * provider that may have the message said that it does not. The code's life counts from the recorded send.
     *
     * @throws {Failure} unavailable
     */
    async sendCode(input: SendCodeInput): Promise<SendCodeResult> {
      const subject: CodeSubject = { subject: input.subject, purpose: input.purpose };
      const prescribed = deps.prescribedCode(input.channel, input.to);
      const order = prescribed === undefined ? await orderFor(input, deps) : [prescribed.provider];
      const candidate = prescribed?.code ?? deps.newCode();
      const started = await deps.codes.start(subject, input.send, candidate, Date.now(), order);
      if (started.sentAt !== undefined) return { result: 'sent', at: started.sentAt };
      if (started.code === undefined) throw new Error('A send that was started has no code');

      const isPrescribed = prescribed !== undefined && started.hops[0]?.provider === prescribed.provider;
      const { outcome, provider } = isPrescribed
        ? { outcome: { result: 'sent', providerId: 'none' } as const, provider: prescribed.provider }
        : await handOver(input, started.code, started.hops, deps);
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
  };
}

async function orderFor(input: SendCodeInput, deps: DeliveryActivityDeps): Promise<string[]> {
  const { channel, country } = input;
  const failed = await Promise.all([deps.codes.failedProviders(input), deps.receipts.failedProviders(input)]);
  const available = deps.providers[channel].map(({ name }) => name);
  return deps.orderOf(channel, { available, country, failed: new Set(failed.flatMap((names) => [...names])) });
}

interface Handed {
  outcome: SendOutcome;
  provider: string;
}

function handOver(input: SendCodeInput, code: string, hops: Hop[], deps: DeliveryActivityDeps): Promise<Handed> {
  const { channel, to, client, ttlSeconds } = input;
  const { providers, productName: product, androidAppHash } = deps;
  const texts = templatesOf(languageFor(input.locale));
  const facts: Facts = { product, code, minutes: Math.max(1, Math.floor(ttlSeconds / 60)) };
  const reference = messageReference(input);
  const call = { input, hops, deps };
  if (channel === 'sms') {
    const body = codeSms(texts, facts, client === 'android' ? androidAppHash : undefined);
    return untilTaken(call, providers.sms, { to, body, reference });
  }
  if (channel === 'voice') {
    return untilTaken(call, providers.voice, {
      to,
      speech: codeSpeech(texts, templatesOf('en'), facts),
      ttlSeconds,
      reference,
    });
  }
  return untilTaken(call, providers.email, { to, ...codeMail(texts, facts), messageId: reference });
}

interface Call {
  input: SendCodeInput;
  hops: Hop[];
  deps: DeliveryActivityDeps;
}

interface KnownHop<M> {
  hop: Hop;
  provider: Provider<M>;
}

/**
 * Tries providers in their order until one takes or refuses the message. Those that may have it from an earlier try are
 * asked first; one that cannot be asked now is passed over. So at most one extra message is sent by each that fell
 * silent, with the same code.
 */
async function untilTaken<M extends object>(call: Call, providers: Provider<M>[], message: M): Promise<Handed> {
  const known = call.hops.flatMap((hop): KnownHop<M>[] => {
    const provider = providers.find(({ name }) => name === hop.provider);
    return provider === undefined ? [] : [{ hop, provider }];
  });
  if (known.length === 0) return { outcome: { result: 'refused', reason: 'not-configured' }, provider: 'none' };
  const failures: Failure[] = [];
  const silent = new Set<Hop>();
  for (const way of known.filter(({ hop }) => hop.state === 'handed' || hop.state === 'lost')) {
    const found = await find(call, way, message).catch((err: unknown) => {
      failures.push(outageOf(call, err));
      silent.add(way.hop);
    });
    if (found !== undefined) return { outcome: { result: 'sent', providerId: found }, provider: way.provider.name };
  }
  // a call that was cut short is repeated where it cannot be asked about, before others are called
  const cutShort = known.filter(({ hop }) => hop.state === 'handed');
  for (const way of [...cutShort, ...known.filter((other) => !cutShort.includes(other))]) {
    if (silent.has(way.hop)) continue;
    try {
      return { outcome: await hand(call, way, message, way !== known.at(-1)), provider: way.provider.name };
    } catch (err) {
      failures.push(outageOf(call, err));
    }
  }
  throw failures[0] ?? new Failure('unavailable');
}

/** Asks a provider that can be asked. @throws {Failure} unavailable */
async function find<M extends object>(
  call: Call,
  { hop, provider }: KnownHop<M>,
  message: M,
): Promise<string | undefined> {
  if (provider.find === undefined) return undefined;
  const found = await provider.find(message, new Date(hop.at ?? 0));
  if (found === undefined) await note(call, hop, 'failed');
  return found;
}

/** @throws {Failure} unavailable: it does not have the message, or nobody knows */
async function hand<M extends object>(
  call: Call,
  way: KnownHop<M>,
  message: M,
  isFollowed: boolean,
): Promise<SendOutcome> {
  const { hop, provider } = way;
  const receiptUrl = call.deps.receiptUrl(call.input, provider.name);
  await note(call, hop, 'handed');
  try {
    return await measured(
      call,
      provider.name,
      () => provider.send({ ...message, ...(receiptUrl !== undefined && { receiptUrl }) }),
      ({ result }) => result,
    );
  } catch (err) {
    if (!(err instanceof Failure)) throw err;
    const isUnknown = silences.includes(err.facts.reason);
    await note(call, hop, isUnknown ? 'lost' : 'failed');
    const found = isUnknown && isFollowed ? await find(call, way, message).catch(() => undefined) : undefined;
    if (found === undefined) throw err;
    return { result: 'sent', providerId: found };
  }
}

/** After these, a provider may have the message all the same. */
const silences: (string | undefined)[] = [undefined, 'timeout', 'connection-lost'];

async function note({ input, hops, deps }: Call, hop: Hop, state: Hop['state']): Promise<void> {
  hop.state = state;
  hop.at ??= Date.now();
  await deps.codes.noteHops(input, input.send, hops);
}

async function measured<T>(
  { input, deps }: Call,
  provider: string,
  ask: () => Promise<T>,
  outcomeOf: (answer: T) => string,
): Promise<T> {
  const beganAt = performance.now();
  const answered = (outcome: string) => {
    const seconds = (performance.now() - beganAt) / 1000;
    deps.events.providerAnswered({ channel: input.channel, provider, outcome, seconds });
  };
  try {
    const answer = await ask();
    answered(outcomeOf(answer));
    return answer;
  } catch (err) {
    answered('unavailable');
    throw err;
  }
}

/** @throws what is no outage: a bug is not passed over */
function outageOf({ input, deps }: Call, err: unknown): Failure {
  if (!(err instanceof Failure) || err.code !== 'unavailable') throw err;
  deps.events.dependencyAway(input.channel, err.facts.message ?? err.code);
  return err;
}
