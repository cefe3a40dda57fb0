/** Runs test files, a few at a time, and reports the results. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { projectFolder } from '../../engines/processes.ts';
import { say } from '../../engines/summary.ts';
import { type Chosen, durationsFile } from './choice.ts';
import { type Counts, createReport, noCounts, sumOf, testOf } from './report.ts';
import type { Usage } from './usage.ts';
import { type FailedTest, filesToRepeat, flakyRow } from './verdict.ts';

/** Options of a run. */
export interface GateOptions {
  /** Variables for every test process, in addition to those of this process. */
  env: Record<string, string>;
  signal: AbortSignal;
  /** Rerun no failed file. */
  isFirstTryFinal: boolean;
  usage: Usage;
}

/** Maximum duration of a test. It only ends tests that hang. */
const timeoutMs = 600_000;

/** Tests wait for engines half of the time: one file more than there are processors keeps them busy. */
const lanes = availableParallelism() + 1;

const unitsEntry = 'test/runner/units.ts';

interface Ended {
  entry: string;
  seconds: number;
  counts: Counts;
  failed: FailedTest[];
}

/** Runs the selected files. Prints each test, and at the end the failures and the cost. Returns an exit code. */
export async function runGate({ files, units, names }: Chosen, options: GateOptions): Promise<number> {
  const report = createReport();
  const startedAt = performance.now();
  const queue = [...(units.length > 0 ? [unitsEntry] : []), ...files];
  const ended: Ended[] = [];
  const runOne = async (entry: string) => {
    const env = entry === unitsEntry ? { VYRY_TEST_UNITS: units.join(',') } : {};
    const { events, ...result } = await runEntry(entry, names, { ...options, env: { ...options.env, ...env } });
    report.print(events);
    return result;
  };
  const lane = async () => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      if (options.signal.aborted) return;
      ended.push(await runOne(entry));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - startedAt) / 1000;
  const failed = ended.flatMap((one) => one.failed);
  const repeated: Ended[] = [];
  for (const file of options.isFirstTryFinal ? [] : filesToRepeat(failed)) {
    say(`\nRerunning alone: ${file}`);
    repeated.push(await runOne(file));
  }
  const flaky = failed.filter(({ file }) =>
    repeated.some(({ entry, failed: again }) => entry === file && again.length === 0),
  );
  const lost = failed.filter((test) => !flaky.includes(test));
  sayCost(ended, seconds, options.usage);
  for (const test of flaky) say(`flaky: ${flakyRow(test)}`);
  const counts = sumOf(ended.map((one) => one.counts));
  const passed = Math.max(0, counts.tests - counts.skipped - counts.todo - lost.length);
  report.end(lost, { ...counts, passed, failed: lost.length }, seconds);
  if (names.length === 0 && lost.length === 0 && files.length > longestShown) saveDurations(ended);
  return lost.length === 0 ? 0 : 1;
}

/** Runs a file, or the files that share a process, in a process of its own. */
async function runEntry(
  entry: string,
  names: readonly string[],
  { env, signal, usage }: GateOptions,
): Promise<Ended & { events: TestEvent[] }> {
  const events: TestEvent[] = [];
  const failed: FailedTest[] = [];
  let summary: Extract<TestEvent, { type: 'test:summary' }>['data'] | undefined;
  const startedAt = performance.now();
  const stream = run({
    files: [join(projectFolder, entry)],
    cwd: projectFolder,
    concurrency: 1,
    timeout: timeoutMs,
    signal,
    execArgv: ['--disable-warning=ExperimentalWarning', '--import=./test/support/ends.ts'],
    env: { ...process.env, ...env },
    ...(names.length > 0 && { testNamePatterns: [...names] }),
  });
  for await (const event of stream as AsyncIterable<TestEvent>) {
    events.push(event);
    if (event.type === 'test:summary' && event.data.file === undefined) summary = event.data;
    const test = event.type === 'test:complete' ? failureOf(event.data, usage) : undefined;
    if (test !== undefined) failed.push(test);
  }
  if (!summary?.success && failed.length === 0) {
    failed.push({
      file: entry,
      name: 'the file itself',
      message: 'The file failed, but none of its tests did',
      ms: 0,
      idle: usage.idle(),
    });
  }
  const counts = { ...noCounts, ...summary?.counts, failed: failed.length };
  return { entry, seconds: (performance.now() - startedAt) / 1000, counts, failed, events };
}

/** Returns the failure of a test itself, or undefined. A suite fails only because of its tests. */
function failureOf(data: Extract<TestEvent, { type: 'test:complete' }>['data'], usage: Usage): FailedTest | undefined {
  const { details } = data;
  const error = details.error as (Error & { failureType?: string }) | undefined;
  if (details.passed || error?.failureType === 'subtestsFailed') return undefined;
  const cause = error?.cause ?? error;
  const [message = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
  return { ...testOf(data), message, ms: details.duration_ms, idle: usage.idle(details.duration_ms) };
}

const longestShown = 10;

function sayCost(ended: readonly Ended[], seconds: number, usage: Usage): void {
  const longest = ended.toSorted((a, b) => b.seconds - a.seconds).slice(0, longestShown);
  const idle = Math.round(usage.idle() * 100);
  say(
    `\nTests took ${seconds.toFixed(0)} s, all ${usage.seconds().toFixed(0)} s, ${usage.cpuSeconds().toFixed(0)} CPU-seconds, idle ${idle} %`,
  );
  for (const one of longest) say(`${one.seconds.toFixed(1).padStart(8)} s  ${one.entry}`);
}

function saveDurations(ended: readonly Ended[]): void {
  mkdirSync(dirname(durationsFile), { recursive: true });
  writeFileSync(durationsFile, JSON.stringify(Object.fromEntries(ended.map(({ entry, seconds }) => [entry, seconds]))));
}
