/** The processor time of every process of a system, for benchmarks. */
import type { System } from '../engines/system.ts';
import { cpuMs } from './figures.ts';

/** Processor time by process, in milliseconds. */
export type ProcessorTime = Record<string, number>;

/**
 * Runs a job and adds the processor time of each process meanwhile to `sums`. Returns what the job returns.
 *
 * @param others processes that do not belong to the system, by their names
 */
export async function withCpu<T>(
  { engines, ready }: System,
  others: Record<string, number | undefined>,
  sums: ProcessorTime,
  job: () => Promise<T>,
): Promise<T> {
  const pids = {
    ...ready.pids,
    Temporal: engines?.temporal.process?.pid,
    Redis: engines?.redis.process?.pid,
    MongoDB: engines?.mongo.process?.pid,
    ...others,
  };
  const now = () => Object.entries(pids).map(([name, pid]) => [name, cpuMs(pid)] as const);
  const before = Object.fromEntries(now());
  const result = await job();
  for (const [name, ms] of now()) sums[name] = (sums[name] ?? 0) + ms - (before[name] ?? 0);
  return result;
}

/**
 * Returns the processor time of one operation in words: in all, and of each process that took some of it.
 *
 * @param digits after the point
 */
export function perOperation(sums: ProcessorTime, operations: number, digits = 1): string {
  const parts = Object.entries(sums).flatMap(([name, ms]) => {
    const shown = (ms / operations).toFixed(digits);
    return Number(shown) === 0 ? [] : [`${name} ${shown}`];
  });
  return `${(totalOf(sums) / operations).toFixed(digits)} ms (${parts.join(', ')})`;
}

/** Returns the processor time of all processes, in milliseconds. */
export function totalOf(sums: ProcessorTime): number {
  return Object.values(sums).reduce((sum, ms) => sum + ms, 0);
}
