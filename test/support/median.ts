/** Returns the median, which a few slow values on a busy machine do not move; the upper one of two; 0 for no values. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
