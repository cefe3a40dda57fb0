/** Selects the test files to run, and their order. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';
import { type Needs, readImportGraph } from './import-graph.ts';

/** The selection on the command line. */
export interface Choice {
  /** Files, folders, file patterns or parts of test names; without the first three, all files are selected. */
  given: readonly string[];
  /** Only files that depend on a change since this revision. */
  changedSince: string | undefined;
  /** The tests of test/nightly/, which are not part of the gate. */
  nightly: boolean;
}

/** The selected files. Each entry of `files` runs in a process of its own. */
export interface Chosen {
  /** Files with a process of their own, the longest first. */
  files: string[];
  /** Files that share one process. */
  units: string[];
  /** Parts of test names; all tests run when it is empty. */
  names: string[];
}

/** Seconds that each file took in the last complete run. */
export const durationsFile = join(projectFolder, 'node_modules', '.cache', 'test-seconds.json');

/**
 * Selects the files.
 *
 * @param random shuffles the files, for runs that look for side effects between files
 * @throws {Error} a file does not exist, or git does not know the revision
 */
export function chooseFiles({ given, changedSince, nightly }: Choice, random?: () => number): Chosen {
  const places = given.filter((text) => existsSync(join(projectFolder, text)) || text.includes('*'));
  const names = given.filter((text) => !places.includes(text));
  const patterns = places.map((text) => (isFolder(text) ? `${text.replace(/\/$/, '')}/**/*.test.ts` : text));
  const missing = names.find((text) => text.endsWith('.test.ts'));
  if (missing !== undefined) throw new Error(`There is no test file ${missing}`);
  const all = glob(nightly ? ['test/nightly/**/*.test.ts'] : ['test/**/*.test.ts']);
  const asked = patterns.length > 0 ? glob(patterns) : all.filter((file) => nightly || !isNightly(file));
  const needs = readImportGraph();
  const changed = changedSince === undefined ? undefined : changedFiles(changedSince);
  const wanted = asked.filter((file) => changed === undefined || changed.some((one) => needs(file).has(one)));
  const units = wanted.length > 1 ? wanted.filter((file) => isUnit(file, needs)) : [];
  const files = wanted.filter((file) => !units.includes(file));
  return { files: random === undefined ? longestFirst(files) : shuffle(files, random), units, names };
}

function isFolder(text: string): boolean {
  return statSync(join(projectFolder, text), { throwIfNoEntry: false })?.isDirectory() === true;
}

function glob(patterns: readonly string[]): string[] {
  return globSync([...patterns], { cwd: projectFolder }).sort();
}

function isNightly(file: string): boolean {
  return file.startsWith('test/nightly/');
}

/** Files changed in the work tree or committed since the revision, and untracked files that git does not ignore. */
function changedFiles(revision: string): string[] {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: projectFolder, encoding: 'utf8' });
  const known = git('diff', '--name-only', '--relative', revision, '--');
  const fresh = git('ls-files', '--others', '--exclude-standard');
  return `${known}${fresh}`.split('\n').filter(Boolean);
}

/**
 * Returns whether a file can share a process: it needs no engine, starts no process, moves no clock, and has no hooks
 * or variables that would affect other files.
 */
function isUnit(file: string, needs: Needs): boolean {
  const text = readFileSync(join(projectFolder, file), 'utf8');
  const isApart =
    /^(before|after|beforeEach|afterEach)\(|mock\.|process\.(env|on|chdir)|from 'node:(child_process|worker_threads)'/m;
  if (isApart.test(text)) return false;
  return [...needs(file)].every((one) => !/^test\/support\/(engines|node-process|ldap|time-skipping)\.ts$/.test(one));
}

function longestFirst(files: readonly string[]): string[] {
  const known = existsSync(durationsFile)
    ? (JSON.parse(readFileSync(durationsFile, 'utf8')) as Record<string, number>)
    : {};
  const seconds = new Map(files.map((file) => [file, known[file] ?? guessSeconds(file)]));
  return [...files].sort((a, b) => (seconds.get(b) ?? 0) - (seconds.get(a) ?? 0));
}

/** Estimates from length and folder. Only the resulting order matters. */
function guessSeconds(file: string): number {
  const weights: Record<string, number> = {
    journeys: 4,
    abuse: 3,
    api: 2,
    cli: 2,
    workers: 2,
    engines: 2,
    workflows: 2,
  };
  const kilobytes = statSync(join(projectFolder, file)).size / 1000;
  return kilobytes * (weights[file.split('/')[1] ?? ''] ?? 0.5);
}

/** Fisher-Yates shuffle. */
function shuffle(files: readonly string[], random: () => number): string[] {
  const shuffled = [...files];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other] as string, shuffled[last] as string];
  }
  return shuffled;
}
