/** A message on its way through the providers of its channel: one of them has it in the end. */
import type { DeliveryAttempt } from '../adapters/redis/delivery-attempts.ts';
import { Failure } from '../domain/failures.ts';
import type { Provider, SendOutcome } from '../domain/providers.ts';
import type { Channel } from '../domain/verification.ts';
import type { Events } from '../platform/events.ts';

/** A message, and how far it is on its way. */
export interface Delivery {
  channel: Channel;
  attempts: DeliveryAttempt[];
  /** Stores how far it is: before a provider is called, and after it failed. */
  note(attempts: readonly DeliveryAttempt[]): Promise<void>;
  /** Where a provider tells what became of it; nowhere when nobody asks. */
  reportUrl?(provider: string): string | undefined;
  events: Pick<Events, 'dependencyAway' | 'providerAnswered'>;
}

/** What became of a message, and who said so. */
export interface FailoverResult {
  outcome: SendOutcome;
  provider: string;
}

interface KnownAttempt<M> {
  attempt: DeliveryAttempt;
  provider: Provider<M>;
}

/**
 * Tries providers in their order until one takes or refuses the message. Those that may have it from an earlier try are
 * asked first; one that cannot be asked now is passed over. So at most one extra message is sent by each that fell
 * silent: the same message.
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
  // a call that was cut short is repeated where it cannot be asked about, before others are called
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

/** Asks a provider that can be asked. @throws {Failure} unavailable */
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

/** @throws {Failure} unavailable: it does not have the message, or nobody knows */
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

/** After these, a provider may have the message all the same. */
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

/** @throws what is no outage: a bug is not passed over */
function outageOf({ channel, events }: Delivery, err: unknown): Failure {
  if (!(err instanceof Failure) || err.code !== 'unavailable') throw err;
  events.dependencyAway(channel, err.context.message ?? err.code);
  return err;
}
