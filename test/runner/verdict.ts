/**
 * What failed tests come to. One test that fails by chance must not throw a day of work away, and a fault must not hide as
 * chance: few failures are tried once more, and what passes then is named.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

/** A test that failed and has no tests within it. */
export interface FailedTest {
  file: string;
  name: string;
  /** First line of the error. */
  message: string;
  ms: number;
  /** Part of the processors that was idle while it ran, 0 to 1. */
  idle: number;
}

/** More is no chance. */
const filesMax = 2;
const testsMax = 5;

/** In a file about races, limits, repeats, secrets, erasure or the audit log: a failure there is never chance. */
export const neverAgain = '// @rerun never';

/** The files that are run once more, whole and alone; none when the first try is final. */
export function filesToRepeat(failed: readonly FailedTest[]): string[] {
  const files = [...new Set(failed.map(({ file }) => file))];
  if (files.length > filesMax || failed.length > testsMax) return [];
  return files.some(isFinal) ? [] : files;
}

/** Whether the first try of a file is final. */
export function isFinal(file: string): boolean {
  return readFileSync(join(projectFolder, file), 'utf8').includes(neverAgain);
}

/** A row of test/flaky.tsv: a test that failed and passed when it was run once more. */
export function flakyRow({ file, name, message, ms, idle }: FailedTest): string {
  return `${file} > ${name} (${message}, ${Math.round(ms)} ms, idle ${Math.round(idle * 100)} %)`;
}
