/**
 * Providers: who carries a code, and in which order they are tried.
 *
 * Terminology
 * - weight: how often a provider is tried first, in proportion to the others.
 * - refused: the provider says that this recipient cannot be reached by this channel; another provider would say so too.
 * - failed: the provider was away, slow or limiting; another one is tried.
 * - delivery report: what a provider says, later, became of a message that it took.
 */
import type { Channel, CodeSubject } from './verification.ts';

/** What a provider made of a message. Failing is no outcome: it is a `Failure` `unavailable`. */
export type SendOutcome = { result: 'sent'; providerId: string } | { result: 'refused'; reason: string };

/** One way out for messages of a channel. */
export interface Provider<M> {
  name: string;
  /** Hands a message over, once. @throws {Failure} unavailable */
  send(message: M): Promise<SendOutcome>;
  /**
   * The provider's id of a message that it already has. Absent where a provider cannot be asked: there a repeat may
   * deliver one extra message, with the same code. @throws {Failure} unavailable
   */
  find?(message: M, since: Date): Promise<string | undefined>;
}

/** A message to a telephone, as SMS. */
export interface TextMessage {
  /** E.164. */
  to: string;
  body: string;
  /** The same for every repeat: id for the provider, where it takes one. */
  reference: string;
  /** Where the provider tells what became of it; nowhere when absent. */
  reportUrl?: string;
}

/** Providers that tell what became of a message. */
export const reportingProviders = ['twilio', 'infobip'] as const;
export type ReportingProvider = (typeof reportingProviders)[number];

/** The message that a delivery report is about. */
export interface DeliveryReportOrigin extends CodeSubject {
  /** Number of the send within its subject. */
  send: number;
  channel: Channel;
  provider: ReportingProvider;
  /** Of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
}

/**
 * What became of a message, for good. `undelivered`: the network or the telephone did not take it. `failed`: the provider
 * could not hand it on. `unanswered`: nobody took the call, which says nothing of the provider.
 */
export const reportOutcomes = ['delivered', 'undelivered', 'failed', 'unanswered'] as const;
export type DeliveryReportOutcome = (typeof reportOutcomes)[number];

/** A delivery report as its provider wrote it, in our words. */
export interface DeliveryReport {
  outcome: DeliveryReportOutcome;
  /** The provider's own. */
  errorCode?: string;
}

/** The id of a message by which its provider is asked, and told of, the same for every repeat. */
export function messageReference({ subject, send }: Pick<DeliveryReportOrigin, 'subject' | 'send'>): string {
  return `${subject}.${send}`;
}

/** An e-mail to one person. */
export interface MailMessage {
  /** One address, nothing else. */
  to: string;
  subject: string;
  text: string;
  html: string;
  /** The same for every repeat: local part of the Message-ID, or idempotency key. */
  messageId: string;
}

/** Weights by name of provider, in the order of fall-back. */
export type Weights = ReadonlyMap<string, number>;

/** Weights for everywhere, and those of countries (ISO 3166, or a calling code such as `+44`). */
export interface ProviderChoice {
  weights: Weights;
  byCountry: ReadonlyMap<string, Weights>;
}

/**
 * Reads weights: `twilio:80,infobip:20`; a name alone weighs 1, and 0 is only fallen back on.
 *
 * @param alone a name that is listed alone or not at all
 * @throws {RangeError} a name that is unknown or listed twice, a weight that is none, or a sum of 0
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

/** Reads weights by country: `IN=infobip:100;US=twilio:50,infobip:50`. @throws {RangeError} as `readWeights` */
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
 * The order in which providers are tried: first the one that chance picks by weight, then the others as listed; those that
 * failed the same person before go last.
 *
 * @param available providers that are configured; one that has no weight is not used
 * @param draw from 0 to, not including, 1
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
