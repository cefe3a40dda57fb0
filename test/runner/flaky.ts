/**
 * The tests that once failed and passed when they were run once more: test/flaky.tsv, a row a sighting. A list that may
 * grow would make chance the rule, so `npm run check` refuses a long one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

/** One sighting. */
export interface Sighting {
  /** ISO 8601 */
  date: string;
  file: string;
  test: string;
  /** What the gate said of it, in its words. */
  about: string;
}

/** More rows than this are no chance. */
const rowsMax = 5;

/** A test that is seen this often has a fault. */
const sightingsMax = 2;

const header = 'date\tfile\ttest\tabout';

/**
 * Reads the rows.
 *
 * @throws {Error} a row has not four columns
 */
export function readSightings(text: string): Sighting[] {
  const [first, ...rows] = text.trimEnd().split('\n');
  if (first !== header) throw new Error(`The first line has to be: ${header}`);
  return rows.map((row, index) => {
    const [date = '', file = '', test = '', about = '', ...more] = row.split('\t');
    if (about === '' || more.length > 0) throw new Error(`Row ${index + 1} has not four columns`);
    return { date, file, test, about };
  });
}

/** What is wrong with the list, a sentence each; `textOf` gives a test file, or undefined when there is none. */
export function problemsOf(rows: readonly Sighting[], textOf: (file: string) => string | undefined): string[] {
  const sightings = Map.groupBy(rows, ({ file, test }) => `${file} > ${test}`);
  const frequent = [...sightings].filter(([, seen]) => seen.length > sightingsMax).map(([name]) => name);
  const gone = rows
    .filter(({ file, test }) => !textOf(file)?.includes(test))
    .map(({ file, test }) => `${file} > ${test}`);
  return [
    ...(rows.length > rowsMax
      ? [`${rows.length} rows, ${rowsMax} at most: mend the tests, then delete their rows`]
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
