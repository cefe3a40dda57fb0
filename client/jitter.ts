/** Random waits before another attempt. */

/**
 * Returns a random wait in milliseconds, up to a limit that doubles with each attempt: full jitter, so that clients that
 * failed together do not come back together. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter
 */
export function fullJitterMs(
  attempt: number,
  { baseMs, maxMs = Number.POSITIVE_INFINITY }: { baseMs: number; maxMs?: number },
): number {
  return Math.random() * Math.min(maxMs, baseMs * 2 ** attempt);
}
