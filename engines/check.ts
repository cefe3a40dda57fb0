/**
 * `npm run check`: formatting and lint, types, import rules, the list of flaky tests, and the rules of engines/checks/.
 * With `--write` it fixes formatting and simple lint.
 */
import { parseArgs, styleText } from 'node:util';
import { checkDocstrings } from './checks/docstrings.ts';
import { checkExports } from './checks/exports.ts';
import { type Finding, readSources, type Source } from './checks/finding.ts';
import { checkLengths } from './checks/lengths.ts';
import { runProgram } from './checks/program.ts';
import { checkCounts, checkFences, readFences } from './checks/stated.ts';
import { checkWords } from './checks/words.ts';
import { failure, say } from './summary.ts';

/** A check by a program: one of node_modules/.bin, or a file of the project, and its arguments. */
interface Check {
  name: string;
  command: string[];
}

/** A check of engines/checks/. */
interface Rule {
  name: string;
  find: (sources: readonly Source[]) => Finding[] | Promise<Finding[]>;
}

const layers = [
  'contract',
  'api',
  'workflows',
  'activities',
  'adapters',
  'domain',
  'platform',
  'workers',
  'cli',
  'client',
  'web',
  'engines',
  'kibana',
  'test',
];

const rules: Rule[] = [
  { name: 'unused exports', find: checkExports },
  { name: 'file lengths', find: checkLengths },
  { name: 'docstrings', find: checkDocstrings },
  { name: 'forbidden words', find: checkWords },
  {
    name: 'stated numbers and fences',
    find: async (sources) => [...checkCounts(sources), ...checkFences(sources, await readFences())],
  },
];

process.exitCode = await main();

async function main(): Promise<number> {
  let isWrite: boolean | undefined;
  try {
    isWrite = parseArgs({ options: { write: { type: 'boolean' } } }).values.write;
  } catch (err) {
    failure(err);
    return 2;
  }
  let failures = 0;
  for (const check of checks(isWrite ?? false)) failures += (await passes(check)) ? 0 : 1;
  // after the formatter, which may have written
  const sources = readSources();
  for (const rule of rules) failures += (await holds(rule, sources)) ? 0 : 1;
  return failures === 0 ? 0 : 1;
}

function checks(isWrite: boolean): Check[] {
  return [
    {
      name: 'format and lint',
      command: ['biome', 'check', '--colors=off', ...(isWrite ? ['--write'] : [])],
    },
    { name: 'types', command: ['tsc', '--pretty', 'false'] },
    { name: 'import rules', command: ['depcruise', '--config', '.dependency-cruiser.mjs', ...layers] },
    { name: 'flaky tests', command: ['test/runner/flaky.ts'] },
  ];
}

/** Runs a check and prints its findings, then one line with the result. */
async function passes({ name, command: [program = '', ...args] }: Check): Promise<boolean> {
  const startedAt = Date.now();
  const { code, output, errors } = await runProgram(program, args);
  if (code !== 0) say(`${output}${errors}`.trimEnd());
  report(name, code === 0, [program, since(startedAt)]);
  return code === 0;
}

/** Applies a rule and prints its findings, then one line with the result. */
async function holds({ name, find }: Rule, sources: readonly Source[]): Promise<boolean> {
  const startedAt = Date.now();
  const findings = await find(sources);
  for (const { file, line, message, isWarning } of findings) {
    say(`${isWarning ? styleText('yellow', 'warning ') : ''}${file}:${line}: ${message}`);
  }
  const isKept = findings.every(({ isWarning }) => isWarning);
  report(name, isKept, [since(startedAt)]);
  return isKept;
}

function report(name: string, isGood: boolean, details: readonly string[]): void {
  say(`${isGood ? styleText('green', '✔') : styleText('red', '✖')} ${name} (${details.join(', ')})`);
}

function since(startedAt: number): string {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}
