/**
 * Providers of messages, and the order in which they are tried.
 *
 * Terminology
 * - weight: how often a provider is tried first, relative to the others.
 * - refused: the provider cannot reach this recipient by this channel, and no other provider could; no other is tried.
 * - failed: the provider was unavailable, slow or rate limiting; the next one is tried.
 * - delivery report: a later report by the provider on what happened to a message it accepted.
 */
import type { ProviderAnswer } from './push.ts';
import type { Channel, CodePurpose, CodeSubject } from './verification.ts';

/** The response of a provider to a message. A failed call is not an outcome but a `Failure` `unavailable`. */
export type SendOutcome = ({ result: 'sent'; providerId: string } | { result: 'refused'; reason: string }) & {
  /** What a push provider said. */
  answer?: ProviderAnswer;
};

/** What messages are delivered by: a channel to people, or a push provider to a device. */
export type DeliveryChannel = Channel | 'push';

/** A provider of one channel. */
export interface Provider<M> {
  name: string;
  /** The recipient chose the server: its outage is none of a dependency. */
  isChosenByRecipient?: boolean;
  /** Sends a message once. @throws {Failure} unavailable */
  send(message: M): Promise<SendOutcome>;
  /**
   * Returns the provider's id of a message that it already has. Absent when the provider offers no such query: then a
   * retry may deliver one duplicate, with the same code. @throws {Failure} unavailable
   */
  find?(message: M, since: Date): Promise<string | undefined>;
}

/** An SMS. */
export interface TextMessage {
  /** E.164. */
  to: string;
  body: string;
  /** The same for every retry: the client reference, for providers that support one. */
  reference: string;
  /** URL for delivery reports; absent: no reports are requested. */
  reportUrl?: string;
}

/** Providers that send delivery reports. */
export const reportingProviders = ['twilio', 'infobip'] as const;
/** A provider that sends delivery reports. */
export type ReportingProvider = (typeof reportingProviders)[number];

/** The message that a delivery report is about. */
export interface DeliveryReportOrigin extends CodeSubject {
  /** Number of the send within its subject. */
  send: number;
  channel: Channel;
  provider: ReportingProvider;
  /** Country of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
}

/**
 * Final delivery outcomes. `undelivered`: the network or the telephone did not accept the message. `failed`: the
 * provider could not pass it on. `unanswered`: the call was not answered, which says nothing about the provider.
 */
export const reportOutcomes = ['delivered', 'undelivered', 'failed', 'unanswered'] as const;
/** A final delivery outcome. */
export type DeliveryReportOutcome = (typeof reportOutcomes)[number];

/** A delivery report in normalized form. */
export interface DeliveryReport {
  outcome: DeliveryReportOutcome;
  /** The provider's error code. */
  errorCode?: string;
}

/** Returns the reference that identifies a message at its provider, the same for every retry. */
export function messageReference({ subject, send }: Pick<DeliveryReportOrigin, 'subject' | 'send'>): string {
  return `${subject}.${send}`;
}

/** An e-mail to one recipient. */
export interface MailMessage {
  /** A single bare address. */
  to: string;
  subject: string;
  text: string;
  html: string;
  /** The same for every retry: local part of the Message-ID, or idempotency key. */
  messageId: string;
}

/** Kinds of messages: codes by their purpose, and messages without a code. */
export type MessageKind = CodePurpose | 'notification' | 'recovery' | 'wake-up';

/** Identifies a message in all attempts to deliver it. */
export interface DeliveryId {
  /** The registration, log-in, notification or other act that the message belongs to. */
  subject: string;
  kind: MessageKind;
  /** Number of the send within its subject and kind, from 1. */
  send: number;
}

/** The attempt to deliver one message by one provider. */
export interface DeliveryAttempt {
  provider: string;
  /**
   * `open`: not called yet. `started`: the call began and its result is not stored. `unknown`: the call failed, but the
   * provider may have the message. `failed`: the provider does not have the message. `accepted`, `refused`: the provider
   * answered.
   */
  state: 'open' | 'started' | 'unknown' | 'failed' | 'accepted' | 'refused';
  /** Time of the first call, in milliseconds since the Unix epoch. */
  at?: number;
  /** The answer of the provider. */
  outcome?: SendOutcome;
}

/** Weights by provider name, in fallback order. */
export type Weights = ReadonlyMap<string, number>;

/** Default weights, and weights by country (ISO 3166, or a calling code such as `+44`). */
export interface ProviderChoice {
  weights: Weights;
  byCountry: ReadonlyMap<string, Weights>;
}

/**
 * Parses weights such as `twilio:80,infobip:20`. A name without a weight counts as 1; weight 0 means fallback only.
 *
 * @param alone a name that must not be combined with others
 * @throws {RangeError} on an unknown or repeated name, an invalid weight, or weights that sum to 0
 */
export function readWeights(text: string, known: readonly string[], alone?: string): Weights {
  const weights = new Map<string, number>();
  for (const item of text.split(',').filter((part) => part.trim() !== '')) {
    const [, name = '', weight = '1'] = /^\s*([a-z-]+)(?::(\d{1,4}))?\s*$/.exec(item) ?? [];
    if (!known.includes(name))
      throw new RangeError(`must list providers, such as ${known[0]}:80; there are ${known.join(', ')}`);
    if (weights.has(name)) throw new RangeError(`lists ${name} twice`);
    weights.set(name, Number(weight));
  }
  if (alone !== undefined && weights.size > 1 && weights.has(alone))
    throw new RangeError(`lists ${alone} beside others`);
  if (weights.size > 0 && sumOf(weights) === 0) throw new RangeError('needs a weight above 0');
  return weights;
}

/** Parses weights by country: `IN=infobip:100;US=twilio:50,infobip:50`. @throws {RangeError} as `readWeights` */
export function readCountryWeights(text: string, known: readonly string[]): ReadonlyMap<string, Weights> {
  const byCountry = new Map<string, Weights>();
  for (const item of text.split(';').filter((part) => part.trim() !== '')) {
    const [, country, list = ''] = /^\s*([A-Z]{2}|\+\d{1,3})=(.+)$/.exec(item) ?? [];
    if (country === undefined)
      throw new RangeError('must be countries with their providers, such as IN=twilio:100;US=twilio');
    if (byCountry.has(country)) throw new RangeError(`lists ${country} twice`);
    byCountry.set(country, readWeights(list, known));
  }
  return byCountry;
}

/**
 * Returns the order in which providers are tried: first one drawn at random by weight, then the others as listed.
 * Providers that failed for the same recipient before come last.
 *
 * @param available the configured providers; one without a weight is not used
 * @param draw random number in [0, 1)
 */
export function orderOf(
  { weights, byCountry }: ProviderChoice,
  {
    available,
    country = '',
    failed,
    draw,
  }: { available: readonly string[]; country?: string | undefined; failed: ReadonlySet<string>; draw: number },
): string[] {
  const chosen = new Map([...(byCountry.get(country) ?? weights)].filter(([name]) => available.includes(name)));
  if (chosen.size === 0) return [...available];
  let rest = draw * sumOf(chosen);
  const first = [...chosen].find(([, weight]) => {
    rest -= weight;
    return rest < 0;
  })?.[0];
  const names = [...chosen.keys()].sort((one, other) => Number(other === first) - Number(one === first));
  return [...names.filter((name) => !failed.has(name)), ...names.filter((name) => failed.has(name))];
}

function sumOf(weights: Weights): number {
  return [...weights.values()].reduce((sum, weight) => sum + weight, 0);
}
