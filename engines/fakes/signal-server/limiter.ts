/**
 * The token buckets of a Signal-Server: whole permits, refilled one at a time. A refused attempt costs nothing.
 */

/** The size of a bucket, and the time in which one permit returns. */
interface BucketRule {
  size: number;
  permitMs: number;
}

interface Bucket {
  permits: number;
  at: number;
}

/** All buckets, by the name of their limit and their key. */
export interface Limiter {
  /** Consumes a permit. Returns undefined, or the seconds until there is one, rounded down. */
  consume(limit: LimitName, key: string): number | undefined;
  /** Fills a bucket. */
  clear(limit: LimitName, key: string): void;
}

/** The limits of verification and registration, with the defaults of a Signal-Server. */
const limitRules = {
  registration: { size: 6, permitMs: 30_000 },
  verificationPushChallenge: { size: 5, permitMs: 30_000 },
  verificationCaptcha: { size: 10, permitMs: 30_000 },
  pin: { size: 10, permitMs: 86_400_000 },
  checkTotp: { size: 5, permitMs: 6000 },
} as const satisfies Record<string, BucketRule>;
/** The name of a limit. */
export type LimitName = keyof typeof limitRules;

/** Creates full buckets. */
export function createLimiter(): Limiter {
  const buckets = new Map<string, Bucket>();
  return {
    consume(limit, key) {
      const { size, permitMs } = limitRules[limit];
      const id = `${limit} ${key}`;
      const now = Date.now();
      const { permits, at } = buckets.get(id) ?? { permits: size, at: now };
      const available = Math.min(size, permits + (now - at) / permitMs);
      if (available < 1) return Math.floor(((1 - available) * permitMs) / 1000);
      buckets.set(id, { permits: available - 1, at: now });
      return undefined;
    },
    clear(limit, key) {
      buckets.delete(`${limit} ${key}`);
    },
  };
}
