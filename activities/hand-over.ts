/** A message on its way through the providers of its channel: one of them has it in the end. */
import type { Hop } from '../adapters/redis/hops.ts';
import { Failure } from '../domain/failures.ts';
import type { Provider, SendOutcome } from '../domain/providers.ts';
import type { Channel } from '../domain/verification.ts';
import type { Events } from '../platform/events.ts';

/** A message, and how far it is on its way. */
export interface Call {
  channel: Channel;
  hops: Hop[];
  /** Stores how far it is: before a provider is called, and after it failed. */
  note(hops: readonly Hop[]): Promise<void>;
  /** Where a provider tells what became of it; nowhere when nobody asks. */
  receiptUrl?(provider: string): string | undefined;
  events: Pick<Events, 'dependencyAway' | 'providerAnswered'>;
}

/** What became of a message, and who said so. */
export interface Handed {
  outcome: SendOutcome;
  provider: string;
}

interface KnownHop<M> {
  hop: Hop;
  provider: Provider<M>;
}

/**
 * Tries providers in their order until one takes or refuses the message. Those that may have it from an earlier try are
 * asked first; one that cannot be asked now is passed over. So at most one extra message is sent by each that fell
 * silent: the same message.
 *
 * @throws {Failure} unavailable
 */
export async function untilTaken<M extends object>(call: Call, providers: Provider<M>[], message: M): Promise<Handed> {
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
  const receiptUrl = call.receiptUrl?.(provider.name);
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

async function note({ hops, note: store }: Call, hop: Hop, state: Hop['state']): Promise<void> {
  hop.state = state;
  hop.at ??= Date.now();
  await store(hops);
}

async function measured<T>(
  { channel, events }: Call,
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
function outageOf({ channel, events }: Call, err: unknown): Failure {
  if (!(err instanceof Failure) || err.code !== 'unavailable') throw err;
  events.dependencyAway(channel, err.facts.message ?? err.code);
  return err;
}
