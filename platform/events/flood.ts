/** How long occurrences are counted together. */
const windowMs = 60_000;
/** How many keys are counted; beyond it, all counts begin again, so that memory is bounded. */
const keysMax = 10_000;

/**
 * Returns a counter of occurrences by key, of this process: the number within the minute that began with the first of
 * them. With it, what happens a thousand times a minute is one event.
 */
export function countRecent(): (key: string) => number {
  const counts = new Map<string, { count: number; until: number }>();
  return (key) => {
    const now = performance.now();
    const known = counts.get(key);
    if (known !== undefined && known.until > now) return ++known.count;
    if (known === undefined && counts.size >= keysMax) counts.clear();
    counts.set(key, { count: 1, until: now + windowMs });
    return 1;
  };
}
