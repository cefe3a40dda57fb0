/**
 * Rate limits: `ratelimit:{key}:{name}` ZSET with the timestamps of the counted attempts. One script counts an attempt in
 * all limits of an act. On a Redis Cluster, whose nodes have different keys, there is one script for each key, all of them
 * sent together; what they have counted is refunded if one refuses. When Redis is unavailable, calls throw; domain/limits.ts
 * defines for each limit whether the caller fails open or closed.
 *
 * Consistency: the time is that of Redis, so that a process whose clock is wrong neither frees nor shortens anything.
 * Every call takes a time of its own, in milliseconds, in place of that.
 */
import { spacingMs, type Window } from '../../domain/limits.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { keys } from './keys.ts';

/** A rate limit. */
export interface Limit {
  /** The name that a refused caller receives. */
  name: string;
  /** Sliding windows; all of them apply. */
  windows: readonly Window[];
  /** Attempts leave the window one by one, each after its part of the window, however close together they were. */
  isGradual?: boolean;
}

/** The state of a limit, taken from the window with the fewest attempts left or the longest wait. */
export interface LimitState {
  allowed: boolean;
  max: number;
  remaining: number;
  /** Seconds until an attempt leaves the window; after a refusal, until the next attempt is possible. */
  resetSeconds: number;
}

/** The state of several limits: of the one that refuses, otherwise of the one with the fewest attempts left. */
export interface LimitsState extends LimitState {
  limit: string;
}

/** A limit and the key that it counts. */
export interface LimitOf {
  limit: Limit;
  key: string;
}

/** The rate limiter. */
export type RateLimits = ReturnType<typeof createRateLimits>;

/** Marks attempts whose result is not known yet. */
const inProgress = '?';
/** Longest duration of such an attempt; after that its process has failed. */
const inProgressMs = 15_000;

/** Returns the id of an attempt whose result decides whether it counts. */
export function undecided(tryId: string): string {
  return `${inProgress}${tryId}`;
}

/**
 * Creates the rate limiter.
 *
 * @param options.isCluster each key may be on another node, so that a script uses one key only; by default as the connection
 */
export function createRateLimits(redis: Redis, { isCluster = redis.isCluster }: { isCluster?: boolean } = {}) {
  const one = createTaking(redis);
  const settle = loadScript(redis, 'rate-limit-settle');
  const pending = loadScript(redis, 'rate-limit-pending');

  const groupsOf = (of: readonly LimitOf[]): (readonly LimitOf[])[] =>
    isCluster ? [...Map.groupBy(of, ({ key }) => key).values()] : [of];

  /** Refunds an attempt of several limits. */
  async function refundAll(of: readonly LimitOf[], tryId: string): Promise<void> {
    await Promise.all(of.map(({ limit, key }) => one.refund(limit, key, tryId)));
  }

  return {
    ...one,

    /**
     * Consumes an attempt of several limits. When one refuses, nothing is counted anywhere, and the state is that of the
     * first that refuses. `counted` lists the limits to refund if the attempt turns out not to count; it excludes limits
     * that counted the same attempt before.
     */
    async consumeAll(
      of: readonly LimitOf[],
      tryId: string,
      now?: number,
    ): Promise<{ state: LimitsState; counted: LimitOf[] }> {
      const takes = await Promise.all(groupsOf(of).map((group) => one.takeOf(group, tryId, { now })));
      const taken = takes.flat();
      const counted = taken.flatMap(({ of: single, taken: count }) => (count > 0 ? [single] : []));
      const refusing = of.flatMap((single) => taken.find((each) => each.of === single && !each.state.allowed) ?? [])[0];
      if (refusing === undefined) {
        const states = taken.map(({ of: { limit }, state }) => ({ ...state, limit: limit.name }));
        return { state: states.reduce(tighter), counted };
      }
      // those on other nodes, which did not know of it
      await refundAll(counted, tryId);
      return { state: { ...refusing.state, limit: refusing.of.limit.name }, counted: [] };
    },

    refundAll,

    /** Settles an undecided attempt of several limits as one that counts. Safe to repeat. */
    async settleAll(of: readonly LimitOf[], tryId: string): Promise<void> {
      const settled = tryId.slice(inProgress.length);
      await Promise.all(of.map(({ limit, key }) => settle([keyOf(limit, key)], [tryId, settled])));
    },

    /** Returns whether an undecided attempt of a limit may still turn out not to count. */
    async hasUndecided({ limit, key }: LimitOf): Promise<boolean> {
      return (await pending([keyOf(limit, key)], [inProgress, inProgressMs])) === 1;
    },

    /** Returns the ids of the attempts that count now. */
    async attempts({ limit, key }: LimitOf): Promise<string[]> {
      const longestMs = Math.max(...limit.windows.map(({ windowSeconds }) => windowSeconds)) * 1000;
      return redis.zrange(keyOf(limit, key), `(${(await timeOf(redis)) - longestMs}`, '+inf', 'BYSCORE');
    },

    /** Returns whether a key has used up every window of a limit. */
    isUsedUp: (limit: Limit, key: string, now?: number) => isUsedUp(redis, { limit, key }, now),

    /** Deletes the count of a key. */
    async clear(limit: Limit, key: string): Promise<void> {
      await redis.del(keyOf(limit, key));
    },
  };
}

/** The operations on a single limit. */
function createTaking(redis: Redis) {
  const script = loadScript(redis, 'rate-limit');

  /** Consumes one attempt of `key` if one is left. One atomic step, so parallel attempts never exceed the limit. */
  async function consume(limit: Limit, key: string, tryId: string, now?: number): Promise<LimitState> {
    return (await consumeSome({ limit, key }, tryId, now)).state;
  }

  /** Consumes attempts of limits whose keys are on one node, of all of them or of none. In the order of the limits. */
  async function takeOf(
    of: readonly LimitOf[],
    tryId: string,
    { now, most = 1, usableMs = 0 }: { now?: number | undefined; most?: number; usableMs?: number } = {},
  ): Promise<Taken[]> {
    const described = of.flatMap(({ limit }) => [
      spacingOf(limit),
      limit.windows.length,
      ...limit.windows.flatMap(({ max, windowSeconds }) => [max, windowSeconds * 1000]),
    ]);
    const [at, ...answers] = (await script(
      of.map(({ limit, key }) => keyOf(limit, key)),
      [now ?? '', tryId, most, usableMs, ...described],
    )) as [number, ...Answer[]];
    return of.map((single, index) => takenBy(single, at, answers[index] ?? [0, 0]));
  }

  /**
   * Consumes up to `most` attempts at once, to be used within `usableMs`. They are counted at the end of that time, so
   * that no window exceeds its limit, whenever they are used. `taken` is 0 if the attempt was counted before.
   */
  async function consumeSome(
    of: LimitOf,
    tryId: string,
    now?: number,
    options: { most: number; usableMs: number } = { most: 1, usableMs: 0 },
  ): Promise<{ state: LimitState; taken: number }> {
    const [single] = await takeOf([of], tryId, { now, ...options });
    if (single === undefined) throw new Error('Redis did not answer');
    return single;
  }

  /** Refunds an attempt that turned out not to count. */
  async function refund(limit: Limit, key: string, tryId: string): Promise<void> {
    await redis.zrem(keyOf(limit, key), tryId);
  }

  /** Refunds the unused attempts of those taken at once. Safe to repeat. */
  async function refundRest(
    { limit, key }: LimitOf,
    tryId: string,
    { used, taken }: { used: number; taken: number },
  ): Promise<void> {
    const names = Array.from({ length: taken - used }, (_, index) => `${tryId}:${used + index + 1}`);
    await redis.zrem(keyOf(limit, key), ...names);
  }

  return { consume, takeOf, consumeSome, refund, refundRest };
}

/** What was taken of a limit. */
interface Taken {
  of: LimitOf;
  state: LimitState;
  taken: number;
}

/** What the script says of a limit: how it decided, what it took, and two numbers of each window. */
type Answer = [allowed: number, taken: number, ...windows: unknown[]];

function takenBy(of: LimitOf, at: number, [allowed, taken, ...counted]: Answer): Taken {
  const states = of.limit.windows.map(({ max, windowSeconds }, index) => ({
    allowed: allowed !== 0,
    max,
    remaining: Math.max(0, max - Number(counted[2 * index])),
    resetSeconds: Math.max(1, Math.ceil((Number(counted[2 * index + 1]) - at) / 1000 + windowSeconds)),
  }));
  return { of, state: states.reduce(tighter), taken };
}

async function isUsedUp(redis: Redis, { limit, key }: LimitOf, given?: number): Promise<boolean> {
  const now = given ?? (await timeOf(redis));
  const used = await Promise.all(
    limit.windows.map(({ windowSeconds }) => redis.zcount(keyOf(limit, key), `(${now - windowSeconds * 1000}`, '+inf')),
  );
  return limit.windows.every(({ max }, index) => (used[index] ?? 0) >= max);
}

/** Milliseconds between two attempts that leave a gradual window; 0 for other limits. */
function spacingOf({ isGradual = false, windows: [window] }: Limit): number {
  return isGradual && window !== undefined ? Math.ceil(spacingMs(window)) : 0;
}

function keyOf(limit: Limit, key: string): string {
  return keys.rateLimit({ limitKey: key, limit: limit.name });
}

function tighter<S extends LimitState>(one: S, other: S): S {
  if (one.remaining !== other.remaining) return one.remaining < other.remaining ? one : other;
  return one.resetSeconds >= other.resetSeconds ? one : other;
}
