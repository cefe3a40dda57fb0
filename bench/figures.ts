/** Measures times and prints figures for benchmarks. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** The durations of one kind of call, in milliseconds. */
export class Times {
  readonly #ms: number[] = [];

  /** Runs a call and records its duration. */
  async time<T>(call: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await call();
    this.add(performance.now() - begin);
    return result;
  }

  /** Records a duration in milliseconds. */
  add(ms: number): void {
    this.#ms.push(ms);
  }

  /** Returns a percentile of the durations. */
  percentile(percent: number): number {
    const sorted = this.#ms.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
  }

  /** The median. */
  get p50(): number {
    return this.percentile(50);
  }

  /** The 95th percentile. */
  get p95(): number {
    return this.percentile(95);
  }
}

/** Runs a job for each of `count` indexes, `concurrency` at once; returns the seconds it took. */
export async function inParallel(
  count: number,
  concurrency: number,
  job: (index: number) => Promise<void>,
): Promise<number> {
  const begin = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) await job(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return (performance.now() - begin) / 1000;
}

/** Calls that are measured in several rounds. */
export class Rounds {
  readonly #callers: number;
  readonly #call: () => Promise<unknown>;
  readonly #times = new Times();
  #calls = 0;
  #seconds = 0;

  constructor(callers: number, call: () => Promise<unknown>) {
    this.#callers = callers;
    this.#call = call;
  }

  /** Runs another round. */
  async run(calls: number): Promise<void> {
    this.#seconds += await inParallel(calls, this.#callers, async () => void (await this.#times.time(this.#call)));
    this.#calls += calls;
  }

  /** Calls per second during the rounds. */
  get rate(): number {
    return this.#calls / this.#seconds;
  }

  /** The 95th percentile, in milliseconds. */
  get p95(): number {
    return this.#times.p95;
  }

  /** The 99th percentile, in milliseconds. */
  get p99(): number {
    return this.#times.percentile(99);
  }

  /** Returns a row of a table: callers, rate, median and 99th percentile in milliseconds. */
  row(name: string): (string | number)[] {
    return [name, this.#callers.toString(), this.rate, this.#times.p50, this.#times.percentile(99)];
  }
}

/** Returns the processor time of a process so far, in milliseconds. */
export function cpuMs(pid: number | undefined): number {
  // proc(5): user and system time, in hundredths of a second
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Returns the circumstances of a measurement: machine, Node, commit, time. */
export function circumstances(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${model}), ${memory} GiB, ${process.platform}, Node ${process.version}, commit ${commit}, ${new Date().toISOString().slice(0, 16)}Z`;
}

/** Prints a table with right-aligned numbers. */
export function printTable(headings: string[], rows: (string | number)[][]): void {
  const cells = [
    headings,
    ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toFixed(1) : cell))),
  ];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  for (const row of cells) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    );
  }
}
