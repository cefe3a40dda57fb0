/**
 * Decides about failed tests. A test that fails by chance must not block a change, and a fault must not pass as chance:
 * few failures are rerun, and tests that then pass are listed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

/** A failed test without subtests. */
export interface FailedTest {
  file: string;
  name: string;
  /** First line of the error. */
  message: string;
  ms: number;
  /** Idle share of the processors while it ran, 0 to 1. */
  idle: number;
}

/** More failures than this are not a coincidence. */
const filesMax = 2;
const testsMax = 5;

/** Marks a file about races, limits, repeats, secrets, erasure or the audit log: its failures are never chance. */
const neverAgain = '// @rerun never';

/** Returns the files to rerun, whole and alone; none when the first result is final. */
export function filesToRepeat(failed: readonly FailedTest[]): string[] {
  const files = [...new Set(failed.map(({ file }) => file))];
  if (files.length > filesMax || failed.length > testsMax) return [];
  return files.some(isFinal) ? [] : files;
}

/** Returns whether the first result of a file is final. */
function isFinal(file: string): boolean {
  return readFileSync(join(projectFolder, file), 'utf8').includes(neverAgain);
}

/** Formats a flaky test for test/flaky.tsv: it failed and passed on the rerun. */
export function flakyRow({ file, name, message, ms, idle }: FailedTest): string {
  return `${file} > ${name} (${message}, ${Math.round(ms)} ms, idle ${Math.round(idle * 100)} %)`;
}
