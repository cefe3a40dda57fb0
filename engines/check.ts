/**
 * `npm run check`: formatting and lint, types, import rules, the list of flaky tests. With `--write` it
 * fixes formatting and simple lint.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { projectFolder } from './processes.ts';
import { failure, say } from './summary.ts';

interface Check {
  name: string;
  /** A program of node_modules/.bin, or a file of the project, and its arguments. */
  command: string[];
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
  'engines',
  'kibana',
  'test',
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
  const path = program.includes('/') ? program : join('node_modules', '.bin', program);
  const { code, output } = await run(join(projectFolder, path), args);
  if (code !== 0) say(output.trimEnd());
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  say(`${code === 0 ? styleText('green', '✔') : styleText('red', '✖')} ${name} (${program}, ${seconds} s)`);
  return code === 0;
}

function run(program: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: projectFolder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const append = (part: Buffer) => {
      output += part.toString();
    };
    child.stdout.on('data', append);
    child.stderr.on('data', append);
    child.once('error', fail);
    child.once('close', (code) => done({ code: code ?? 1, output }));
  });
}
