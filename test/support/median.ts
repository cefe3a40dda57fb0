/** The middle of values, which a few slow ones on a busy machine do not move; the upper one of two; 0 without any. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
