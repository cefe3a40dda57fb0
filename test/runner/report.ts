/** Prints the results of many runs in the format of Node's spec reporter. */
import { relative } from 'node:path';
import { spec, type TestEvent } from 'node:test/reporters';
import { projectFolder } from '../../engines/processes.ts';
import type { FailedTest } from './verdict.ts';

/** Number of tests by result. */
export interface Counts {
  tests: number;
  suites: number;
  passed: number;
  failed: number;
  skipped: number;
  todo: number;
}

/** The counts of a run that has not reported any. */
export const noCounts: Counts = { tests: 0, suites: 0, passed: 0, failed: 0, skipped: 0, todo: 0 };

/** Adds up counts. */
export function sumOf(all: readonly Counts[]): Counts {
  const names = Object.keys(noCounts) as (keyof Counts)[];
  const sums = names.map((name) => [name, all.reduce((sum, counts) => sum + counts[name], 0)]);
  return Object.fromEntries(sums) as unknown as Counts;
}

/** Returns file and name of a test event, as failures use them. */
export function testOf({ name, file = '' }: { name: string; file?: string }): Pick<FailedTest, 'file' | 'name'> {
  return { file: relative(projectFolder, file), name: name === file ? 'the file itself' : name };
}

/** A report on standard output. */
export interface Report {
  /** Prints the tests of one run. */
  print(events: readonly TestEvent[]): void;
  /** Prints the final failures and the closing lines of the runner. */
  end(failed: readonly FailedTest[], counts: Counts, seconds: number): void;
}

/** Creates a report. */
export function createReport(): Report {
  // this reporter never ends: it would list failures that passed on the rerun
  const tests = open();
  const failures: Extract<TestEvent, { type: 'test:fail' }>[] = [];
  return {
    print(events) {
      for (const event of events) {
        if (event.type === 'test:fail') failures.push(event);
        if (!isClosing(event)) tests.write(event);
      }
    },
    end(failed, counts, seconds) {
      const closing = open();
      const isLost = ({ data }: (typeof failures)[number]) =>
        failed.some(({ file, name }) => file === testOf(data).file && name === testOf(data).name);
      for (const event of failures.filter(isLost)) closing.write(event);
      const { passed, failed: fail, ...others } = counts;
      const lines = { tests: others.tests, suites: others.suites, pass: passed, fail, skipped: others.skipped };
      for (const [label, count] of Object.entries({ ...lines, todo: others.todo, duration_ms: seconds * 1000 }))
        closing.write({ type: 'test:diagnostic', data: { nesting: 0, message: `${label} ${count}`, level: 'info' } });
      closing.end();
    },
  };
}

function open(): InstanceType<typeof spec> {
  const reporter = new spec();
  reporter.pipe(process.stdout, { end: false });
  return reporter;
}

/** Returns whether an event is a closing line of a single run. */
function isClosing({ type, data }: TestEvent): boolean {
  if (type === 'test:summary') return true;
  const counted = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;
  return type === 'test:diagnostic' && data.nesting === 0 && counted.test(data.message);
}
