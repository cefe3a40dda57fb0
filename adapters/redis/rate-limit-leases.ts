/**
 * Tries of a limit that a busy source has very many of: taken from Redis by the handful and handed out here, so that most
 * cost no round trip. A process holds a handful of a source for half a second; the rest is given back, or counted until it
 * leaves the window when the source does not come again.
 *
 * Consistency: a try is counted in Redis before it is handed out, and at no earlier instant than that of its asking, so all
 * processes together never let more be asked in a window than the limit; a source that asks slowly, and the last tries of a
 * limit, are taken one by one. Away: throws, once what is held is handed out.
 */
import { newId } from '../../platform/crypto.ts';
import { type Clock, processClock } from '../../platform/lifecycle.ts';
import type { Limit, LimitState, RateLimits } from './rate-limits.ts';

/** What is held of a source. */
interface Handful {
  tryId: string;
  taken: number;
  used: number;
  /** An instant of the clock. */
  usableUntil: number;
  state: LimitState;
}

export type RateLimitLeases = ReturnType<typeof createRateLimitLeases>;

const mostAtOnce = 64;
/** A handful is counted as if used at the end of this time, and not handed out after it. */
const usableMs = 1000;
/** From the answer on. */
const heldMs = 500;
/** Some 2 MiB. What the source held longest has is forgotten beyond. */
const sourcesMax = 10_000;

/**
 * Hands out the tries of one limit; `keyOf` makes the key of a source, which is no more than a name here.
 *
 * @param options.clock measures how long a handful is held; that of the process without it
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
    // nobody waits for it, and what is lost leaves the window with the rest
    if (before && before.used < before.taken) rateLimits.refundRest(of, before.tryId, before).catch(() => undefined);
    const most = isBusy ? Math.min(2 * before.taken, mostAtOnce) : 1;
    const tryId = newId();
    const tooLateAt = most > 1 ? clock.now() + usableMs : Number.POSITIVE_INFINITY;
    const { state, taken } = await rateLimits.consumeSome(of, tryId, Date.now(), {
      most,
      usableMs: most > 1 ? usableMs : 0,
    });
    if (!state.allowed) return state;
    forgetOldest(held);
    held.set(source, { tryId, taken, used: 0, usableUntil: Math.min(clock.now() + heldMs, tooLateAt), state });
    return state;
  }

  return {
    /** Takes a try of a source if there is one; those who wait for Redis at the same time wait for the same answer. */
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
