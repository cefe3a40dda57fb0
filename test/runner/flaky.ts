/**
 * The list of tests that failed once and passed when they were rerun: test/flaky.tsv, one sighting per row. `npm run
 * check` refuses a long list, because a growing one would make flakiness normal.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

/** One row of the list. */
export interface Sighting {
  /** ISO 8601 date. */
  date: string;
  file: string;
  test: string;
  /** The details printed by the gate. */
  about: string;
}

/** More rows than this are not a coincidence. */
const rowsMax = 5;

/** A test that was seen more often than this is broken. */
const sightingsMax = 2;

const header = 'date\tfile\ttest\tabout';

/**
 * Parses the rows.
 *
 * @throws {Error} the header is wrong, or a row does not have four columns
 */
export function readSightings(text: string): Sighting[] {
  const [first, ...rows] = text.trimEnd().split('\n');
  if (first !== header) throw new Error(`The first line must be: ${header}`);
  return rows.map((row, index) => {
    const [date = '', file = '', test = '', about = '', ...more] = row.split('\t');
    if (about === '' || more.length > 0) throw new Error(`Row ${index + 1} does not have four columns`);
    return { date, file, test, about };
  });
}

/**
 * Returns the problems of the list, one sentence each. `textOf` returns the text of a test file, or undefined if it
 * does not exist.
 */
export function problemsOf(rows: readonly Sighting[], textOf: (file: string) => string | undefined): string[] {
  const sightings = Map.groupBy(rows, ({ file, test }) => `${file} > ${test}`);
  const frequent = [...sightings].filter(([, seen]) => seen.length > sightingsMax).map(([name]) => name);
  const gone = rows
    .filter(({ file, test }) => !textOf(file)?.includes(test))
    .map(({ file, test }) => `${file} > ${test}`);
  return [
    ...(rows.length > rowsMax
      ? [`${rows.length} rows, ${rowsMax} at most: fix the tests, then delete their rows`]
      : []),
    ...frequent.map((name) => `seen more than ${sightingsMax} times, so it has a fault: ${name}`),
    ...gone.map((name) => `there is no such test: ${name}`),
  ];
}

if (import.meta.main) {
  const read = (file: string) => {
    const path = join(projectFolder, file);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  };
  const problems = problemsOf(readSightings(read('test/flaky.tsv') ?? ''), read);
  for (const problem of problems) console.error(`test/flaky.tsv: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
