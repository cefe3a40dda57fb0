/** Provider failover: delivers a message through the first provider of its channel that accepts it. */
import type { DeliveryAttempt } from '../adapters/redis/delivery-attempts.ts';
import { Failure } from '../domain/failures.ts';
import type { Provider, SendOutcome } from '../domain/providers.ts';
import type { Channel } from '../domain/verification.ts';
import type { Events } from '../platform/events/events.ts';

/** The delivery of one message, with its attempts. */
export interface Delivery {
  channel: Channel;
  attempts: DeliveryAttempt[];
  /** Stores the attempts: before a provider is called, and after it failed. */
  note(attempts: readonly DeliveryAttempt[]): Promise<void>;
  /** Returns the URL for a provider's delivery report; undefined when no report is requested. */
  reportUrl?(provider: string): string | undefined;
  events: Pick<Events, 'dependencyAway' | 'providerAnswered'>;
}

/** The outcome of a delivery, and the provider that returned it. */
export interface FailoverResult {
  outcome: SendOutcome;
  provider: string;
}

interface KnownAttempt<M> {
  attempt: DeliveryAttempt;
  provider: Provider<M>;
}

/**
 * Tries providers in order until one accepts or refuses the message. Providers that may have it from an earlier attempt
 * are queried first; one whose query fails is skipped. So each provider that did not respond sends at most one
 * duplicate of the same message.
 *
 * @throws {Failure} unavailable
 */
export async function sendWithFailover<M extends object>(
  call: Delivery,
  providers: Provider<M>[],
  message: M,
): Promise<FailoverResult> {
  const known = call.attempts.flatMap((attempt): KnownAttempt<M>[] => {
    const provider = providers.find(({ name }) => name === attempt.provider);
    return provider === undefined ? [] : [{ attempt, provider }];
  });
  if (known.length === 0) return { outcome: { result: 'refused', reason: 'not-configured' }, provider: 'none' };
  const failures: Failure[] = [];
  const silent = new Set<DeliveryAttempt>();
  for (const way of known.filter(({ attempt }) => attempt.state === 'handed' || attempt.state === 'lost')) {
    const found = await find(call, way, message).catch((err: unknown) => {
      failures.push(outageOf(call, err));
      silent.add(way.attempt);
    });
    if (found !== undefined) return { outcome: { result: 'sent', providerId: found }, provider: way.provider.name };
  }
  // an interrupted call to a provider without a query is repeated before other providers are tried
  const cutShort = known.filter(({ attempt }) => attempt.state === 'handed');
  for (const way of [...cutShort, ...known.filter((other) => !cutShort.includes(other))]) {
    if (silent.has(way.attempt)) continue;
    try {
      return { outcome: await hand(call, way, message, way !== known.at(-1)), provider: way.provider.name };
    } catch (err) {
      failures.push(outageOf(call, err));
    }
  }
  throw failures[0] ?? new Failure('unavailable');
}

/** Queries a provider for the message, if it supports that. @throws {Failure} unavailable */
async function find<M extends object>(
  call: Delivery,
  { attempt, provider }: KnownAttempt<M>,
  message: M,
): Promise<string | undefined> {
  if (provider.find === undefined) return undefined;
  const found = await provider.find(message, new Date(attempt.at ?? 0));
  if (found === undefined) await note(call, attempt, 'failed');
  return found;
}

/**
 * Sends the message by one provider.
 *
 * @throws {Failure} unavailable: it does not have the message, or that is unknown
 */
async function hand<M extends object>(
  call: Delivery,
  way: KnownAttempt<M>,
  message: M,
  isFollowed: boolean,
): Promise<SendOutcome> {
  const { attempt, provider } = way;
  const reportUrl = call.reportUrl?.(provider.name);
  await note(call, attempt, 'handed');
  try {
    return await measured(
      call,
      provider.name,
      () => provider.send({ ...message, ...(reportUrl !== undefined && { reportUrl }) }),
      ({ result }) => result,
    );
  } catch (err) {
    if (!(err instanceof Failure)) throw err;
    const isUnknown = silences.includes(err.context.reason);
    await note(call, attempt, isUnknown ? 'lost' : 'failed');
    const found = isUnknown && isFollowed ? await find(call, way, message).catch(() => undefined) : undefined;
    if (found === undefined) throw err;
    return { result: 'sent', providerId: found };
  }
}

/** Failure reasons after which a provider may still have accepted the message. */
const silences: (string | undefined)[] = [undefined, 'timeout', 'connection-lost'];

async function note(
  { attempts, note: store }: Delivery,
  attempt: DeliveryAttempt,
  state: DeliveryAttempt['state'],
): Promise<void> {
  attempt.state = state;
  attempt.at ??= Date.now();
  await store(attempts);
}

async function measured<T>(
  { channel, events }: Delivery,
  provider: string,
  ask: () => Promise<T>,
  outcomeOf: (answer: T) => string,
): Promise<T> {
  const beganAt = performance.now();
  const answered = (outcome: string) => {
    const seconds = (performance.now() - beganAt) / 1000;
    events.providerAnswered({ channel, provider, outcome, seconds });
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

/** Reports an outage and returns it. @throws any other error unchanged: a bug must not be skipped */
function outageOf({ channel, events }: Delivery, err: unknown): Failure {
  if (!(err instanceof Failure) || err.code !== 'unavailable') throw err;
  events.dependencyAway(channel, err.context.message ?? err.code);
  return err;
}
