/** Token buckets: how much a connection or a user may send at once, and again with time. */

/** How many tokens a full bucket has, and how many it gets a second. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** A bucket; a new one is full. */
export interface Bucket {
  tokens: number;
  /** When they were counted, in milliseconds. */
  at: number;
}

/** The packets of a connection of any kind, acknowledgements among them. */
export const packetRate: Rate = { burst: 4000, perSecond: 2000 };
/** The requests of a connection. */
export const requestRate: Rate = { burst: 300, perSecond: 100 };
/** The requests of all connections of a user to this process. */
export const userRate: Rate = { burst: 900, perSecond: 300 };
/** The refused requests of a connection, after which it is closed. */
export const refusalRate: Rate = { burst: 200, perSecond: 10 };

/** Takes a token from a bucket; false if there is none. */
export function takeToken(bucket: Bucket, { burst, perSecond }: Rate, now: number): boolean {
  bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

/** Returns a full bucket. */
export function fullBucket({ burst }: Rate, now: number): Bucket {
  return { tokens: burst, at: now };
}

/** Returns after how many whole seconds an empty bucket has a token again. */
export function tokenAfterSeconds({ perSecond }: Rate): number {
  return Math.max(1, Math.ceil(1 / perSecond));
}
