/**
 * Leases of a rate limit: a process consumes several attempts of a busy source from Redis at once and hands them out
 * locally, so that most requests need no round trip. A lease is used for at most half a second. Unused attempts are
 * refunded at the next request of the source; without one, they stay counted until they leave the window.
 *
 * Consistency: an attempt is counted in Redis before it is handed out, at a time no earlier than its use, so all
 * processes together never allow more than the limit in a window. A slow source, and the last attempts of a limit, are
 * consumed one by one. When Redis is unavailable, calls throw once the held attempts are used.
 */
import { newId } from '../../platform/crypto.ts';
import { type Clock, processClock } from '../../platform/lifecycle.ts';
import type { Limit, LimitState, RateLimits } from './rate-limits.ts';

/** The attempts of a source that this process holds. */
interface Handful {
  tryId: string;
  taken: number;
  used: number;
  /** Time of the clock, in milliseconds. */
  usableUntil: number;
  state: LimitState;
}

/** Consumes one rate limit by leases. */
export type RateLimitLeases = ReturnType<typeof createRateLimitLeases>;

const mostAtOnce = 64;
/** Redis counts the attempts of a lease at the end of this time; they are not handed out after it. */
const usableMs = 1000;
/** How long a lease is used after Redis granted it. */
const heldMs = 500;
/** Number of leases held, some 2 MiB. Beyond it the oldest lease is dropped. */
const sourcesMax = 10_000;

/**
 * Creates the leases of one limit. `keyOf` returns the limit key of a source, which is only a name here.
 *
 * @param options.clock measures how long a lease is held; default the clock of the process
 */
export function createRateLimitLeases(
  rateLimits: RateLimits,
  { limit, keyOf }: { limit: Limit; keyOf: (source: string) => string },
  { clock = processClock }: { clock?: Pick<Clock, 'now'> } = {},
) {
  const held = new Map<string, Handful>();
  const asked = new Map<string, Promise<LimitState>>();

  function handOut(source: string): LimitState | undefined {
    const handful = held.get(source);
    if (handful === undefined || !isUsable(handful, clock.now())) return undefined;
    handful.used += 1;
    const { state, taken, used } = handful;
    return { ...state, remaining: state.remaining + taken - used };
  }

  async function takeMore(source: string): Promise<LimitState> {
    const before = held.get(source);
    held.delete(source);
    const of = { limit, key: keyOf(source) };
    const isBusy = before !== undefined && clock.now() < before.usableUntil;
    // not awaited: if the refund fails, the attempts leave the window like used ones
    if (before && before.used < before.taken) rateLimits.refundRest(of, before.tryId, before).catch(() => undefined);
    const most = isBusy ? Math.min(2 * before.taken, mostAtOnce) : 1;
    const tryId = newId();
    const tooLateAt = most > 1 ? clock.now() + usableMs : Number.POSITIVE_INFINITY;
    const { state, taken } = await rateLimits.consumeSome(of, tryId, undefined, {
      most,
      usableMs: most > 1 ? usableMs : 0,
    });
    if (!state.allowed) return state;
    forgetOldest(held);
    held.set(source, { tryId, taken, used: 0, usableUntil: Math.min(clock.now() + heldMs, tooLateAt), state });
    return state;
  }

  return {
    /** Consumes an attempt of a source. Concurrent calls that need Redis share one request. */
    async consume(source: string): Promise<LimitState> {
      for (;;) {
        const state = handOut(source);
        if (state !== undefined) return state;
        let answer = asked.get(source);
        if (answer === undefined) {
          answer = takeMore(source).finally(() => asked.delete(source));
          asked.set(source, answer);
        }
        const refused = await answer;
        if (!refused.allowed) return refused;
      }
    },
  };
}

function isUsable({ used, taken, usableUntil }: Handful, now: number): boolean {
  return used < taken && now < usableUntil;
}

function forgetOldest(held: Map<string, Handful>): void {
  const [oldest] = held.keys();
  if (held.size >= sourcesMax && oldest !== undefined) held.delete(oldest);
}
