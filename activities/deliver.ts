/**
 * Delivers one message: the first provider of its channel that accepts it sends it. Every code, notification,
 * recovery message and wake-up goes through here.
 */
import type { Deliveries } from '../adapters/redis/deliveries.ts';
import type { VoiceMessage } from '../adapters/twilio.ts';
import { Failure } from '../domain/failures.ts';
import type {
  DeliveryAttempt,
  DeliveryChannel,
  DeliveryId,
  MailMessage,
  Provider,
  SendOutcome,
  TextMessage,
} from '../domain/providers.ts';
import type { WakeUp } from '../domain/push.ts';
import type { Events } from '../platform/events/events.ts';

/** The messages of each channel. */
interface Messages {
  sms: TextMessage;
  voice: VoiceMessage;
  email: MailMessage;
  push: WakeUp;
}

/** The configured providers, by channel. */
export type Providers = { [C in DeliveryChannel]: Provider<Messages[C]>[] };

/** A message to deliver. */
export interface OutgoingMessage<C extends DeliveryChannel = DeliveryChannel> {
  id: DeliveryId;
  channel: C;
  content: Messages[C];
  /** Country of a number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** The only provider that reaches the recipient; absent: any of the channel. */
  provider?: string;
  /** Providers that failed for the recipient, to be tried last. Those of earlier sends of the subject are known. */
  failed?: ReadonlySet<string>;
  /** Returns the URL for a provider's delivery report; undefined when no report is requested. */
  reportUrl?: (provider: string) => string | undefined;
}

/** The final answer to a message, and the provider that gave it; `none` when no provider is configured. */
export interface Delivered {
  outcome: SendOutcome;
  provider: string;
}

/** Dependencies of a delivery. */
export interface DeliverDeps {
  deliveries: Pick<Deliveries, 'start' | 'record' | 'failedProviders'>;
  providers: Providers;
  /** Returns the order in which to try the available providers for one send. */
  orderOf: (
    channel: DeliveryChannel,
    send: { available: string[]; country?: string | undefined; failed: Set<string> },
  ) => string[];
  events: Pick<Events, 'dependencyAway' | 'providerAnswered' | 'sendFailed'>;
}

/**
 * Delivers a message once. Idempotent by its id: the order of providers and each attempt are stored before a provider is
 * called, and an answered message is never sent again. Providers that may have the message from an earlier attempt are
 * queried first; one whose query fails is skipped. So each provider that did not respond sends at most one duplicate.
 *
 * @throws {Failure} unavailable: no provider answered
 */
export type Deliver = <C extends DeliveryChannel>(message: OutgoingMessage<C>) => Promise<Delivered>;

/** Creates the delivery of messages. */
export function createDeliver(deps: DeliverDeps): Deliver {
  return async <C extends DeliveryChannel>(message: OutgoingMessage<C>) => {
    const all: readonly Provider<Messages[C]>[] = deps.providers[message.channel];
    const providers = all.filter(({ name }) => name === (message.provider ?? name));
    const failed = await deps.deliveries.failedProviders(message.id);
    const order = deps.orderOf(message.channel, {
      available: providers.map(({ name }) => name),
      country: message.country,
      failed: new Set([...failed, ...(message.failed ?? [])]),
    });
    const attempts = await deps.deliveries.start(message.id, order);
    const answered = attempts.find(({ outcome }) => outcome !== undefined);
    if (answered?.outcome !== undefined) return { outcome: answered.outcome, provider: answered.provider };
    const tries = attempts.flatMap((attempt): Try<Messages[C]>[] => {
      const provider = providers.find(({ name }) => name === attempt.provider);
      return provider === undefined ? [] : [{ attempt, provider }];
    });
    return await failover({ message, attempts, deps }, tries);
  };
}

interface Call<C extends DeliveryChannel> {
  message: OutgoingMessage<C>;
  attempts: DeliveryAttempt[];
  deps: DeliverDeps;
}

interface Try<M> {
  attempt: DeliveryAttempt;
  provider: Provider<M>;
}

async function failover<C extends DeliveryChannel>(call: Call<C>, tries: Try<Messages[C]>[]): Promise<Delivered> {
  if (tries.length === 0) return { outcome: { result: 'refused', reason: 'not-configured' }, provider: 'none' };
  const failures: Failure[] = [];
  const silent = new Set<DeliveryAttempt>();
  for (const one of tries.filter(({ attempt }) => attempt.state === 'started' || attempt.state === 'unknown')) {
    const outcome = await query(call, one).catch((err: unknown) => {
      failures.push(outageOf(call, one.provider, err));
      silent.add(one.attempt);
      return undefined;
    });
    if (outcome !== undefined) return { outcome, provider: one.provider.name };
  }
  // an interrupted call to a provider without a query is repeated before other providers are tried
  const interrupted = tries.filter(({ attempt }) => attempt.state === 'started');
  for (const one of [...interrupted, ...tries.filter((other) => !interrupted.includes(other))]) {
    if (silent.has(one.attempt)) continue;
    try {
      return { outcome: await send(call, one, one !== tries.at(-1)), provider: one.provider.name };
    } catch (err) {
      failures.push(outageOf(call, one.provider, err));
    }
  }
  throw failures[0] ?? new Failure('unavailable');
}

/** Asks a provider whether it has the message, if it supports that. @throws {Failure} unavailable */
async function query<C extends DeliveryChannel>(
  call: Call<C>,
  { attempt, provider }: Try<Messages[C]>,
): Promise<SendOutcome | undefined> {
  if (provider.find === undefined) return undefined;
  const found = await provider.find(call.message.content, new Date(attempt.at ?? 0));
  if (found === undefined) {
    await record(call, attempt, { state: 'failed' });
    return undefined;
  }
  const outcome: SendOutcome = { result: 'sent', providerId: found };
  await record(call, attempt, { state: 'accepted', outcome });
  return outcome;
}

/**
 * Sends the message by one provider.
 *
 * @throws {Failure} unavailable: it does not have the message, or that is unknown
 */
async function send<C extends DeliveryChannel>(
  call: Call<C>,
  one: Try<Messages[C]>,
  isFollowed: boolean,
): Promise<SendOutcome> {
  const { attempt, provider } = one;
  const { message } = call;
  const reportUrl = message.reportUrl?.(provider.name);
  await record(call, attempt, { state: 'started', at: attempt.at ?? Date.now() });
  try {
    const outcome = await measured(call, provider, () =>
      provider.send({ ...message.content, ...(reportUrl !== undefined && { reportUrl }) }),
    );
    await record(call, attempt, { state: outcome.result === 'sent' ? 'accepted' : 'refused', outcome });
    return outcome;
  } catch (err) {
    if (!(err instanceof Failure)) throw err;
    const isUnknown = silences.includes(err.context.reason);
    await record(call, attempt, { state: isUnknown ? 'unknown' : 'failed' });
    const found = isUnknown && isFollowed ? await query(call, one).catch(() => undefined) : undefined;
    if (found === undefined) throw err;
    return found;
  }
}

/** Failure reasons after which a provider may still have accepted the message. */
const silences: (string | undefined)[] = [undefined, 'timeout', 'connection-lost'];

async function record(
  { message, attempts, deps }: Pick<Call<DeliveryChannel>, 'attempts' | 'deps'> & { message: { id: DeliveryId } },
  attempt: DeliveryAttempt,
  change: Partial<DeliveryAttempt>,
): Promise<void> {
  Object.assign(attempt, change);
  await deps.deliveries.record(message.id, attempts);
}

async function measured<C extends DeliveryChannel>(
  { message: { channel }, deps: { events } }: Call<C>,
  { name: provider, isChosenByRecipient = false }: Pick<Provider<unknown>, 'name' | 'isChosenByRecipient'>,
  ask: () => Promise<SendOutcome>,
): Promise<SendOutcome> {
  if (isChosenByRecipient) return await ask();
  const beganAt = performance.now();
  const answered = (outcome: string) => {
    const seconds = (performance.now() - beganAt) / 1000;
    events.providerAnswered({ channel, provider, outcome, seconds });
  };
  try {
    const outcome = await ask();
    answered(outcome.result);
    return outcome;
  } catch (err) {
    answered('unavailable');
    throw err;
  }
}

/** Reports an outage and returns it. @throws any other error unchanged: a bug must not be skipped */
function outageOf<C extends DeliveryChannel>(
  { message, deps: { events } }: Call<C>,
  { name: provider, isChosenByRecipient = false }: Pick<Provider<unknown>, 'name' | 'isChosenByRecipient'>,
  err: unknown,
): Failure {
  if (!(err instanceof Failure) || err.code !== 'unavailable') throw err;
  if (isChosenByRecipient) return err;
  const { channel, country, id, content } = message;
  const why = err.context.message ?? err.code;
  events.dependencyAway(channel, why);
  if ('to' in content) {
    events.sendFailed({
      ...id,
      channel,
      provider,
      country,
      to: content.to,
      reason: err.context.reason ?? err.code,
      why,
    });
  }
  return err;
}
