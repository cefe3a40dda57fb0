import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, describe, it } from 'node:test';
import { projectFolder, runNode } from '../support/node-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'vyry-gate-'));
after(() => rmSync(folder, { recursive: true }));

/** Writes a test file with this text, named as the runner names files. */
function file(name: string, text: string): string {
  const path = join(folder, `${name}.test.ts`);
  writeFileSync(path, `import { it } from 'node:test';\nimport { existsSync, writeFileSync } from 'node:fs';\n${text}`);
  return relative(projectFolder, path);
}

/** Returns a test that fails this many times and then passes. */
function failing(name: string, times: number): string {
  const marks = Array.from({ length: times }, (_, index) => join(folder, `${name}-${index}`));
  return `it('${name}', () => {
    const mark = ${JSON.stringify(marks)}.find((path) => !existsSync(path));
    if (mark !== undefined) { writeFileSync(mark, ''); throw new Error('not yet'); }
  });\n`;
}

const passing = "it('passes', () => {});\n";
const always = "it('fails always', () => { throw new Error('broken'); });\n";

/** Runs the gate on these files in a process that is not a test. */
async function gate(...files: string[]): Promise<{ code: number | null; stdout: string }> {
  const program = join(folder, `${randomBytes(4).toString('hex')}.ts`);
  const text = `
    import { runGate } from '${projectFolder}/test/runner/gate.ts';
    import { readUsage } from '${projectFolder}/test/runner/usage.ts';
    const options = { env: {}, signal: new AbortController().signal, isFirstTryFinal: false, usage: readUsage() };
    process.exitCode = await runGate({ files: ${JSON.stringify(files)}, units: [], names: [] }, options);`;
  writeFileSync(program, text);
  return await runNode(['--disable-warning=ExperimentalWarning', program], { env: { PATH: process.env.PATH ?? '' } });
}

const closing = (tests: number, pass: number, fail: number) =>
  new RegExp(`ℹ tests ${tests}\\nℹ suites 0\\nℹ pass ${pass}\\nℹ fail ${fail}\\n`);

describe('runGate()', { concurrency: 2 }, () => {
  it('passes when all tests pass, and prints the cost', async () => {
    const { code, stdout } = await gate(file('good', passing), file('better', passing));
    assert.equal(code, 0, stdout);
    assert.match(stdout, /Tests took \d+ s, all \d+ s, \d+ CPU-seconds, idle \d+ %\n +[\d.]+ s {2}\S+\.test\.ts\n/);
    assert.match(stdout, closing(2, 2, 0));
  });

  it('fails for a test that fails twice', async () => {
    const { code, stdout } = await gate(file('broken', always + passing));
    assert.equal(code, 1, stdout);
    assert.match(stdout, /Rerunning alone: \S+broken\.test\.ts/);
    assert.doesNotMatch(stdout, /flaky:/);
    assert.match(stdout, closing(2, 1, 1));
    assert.match(stdout, /failing tests:[\s\S]*fails always[\s\S]*Error: broken/);
  });

  it('passes for a test that fails only the first time, and reports it as flaky', async () => {
    const { code, stdout } = await gate(file('once', failing('by chance', 1) + passing));
    assert.equal(code, 0, stdout);
    assert.match(stdout, /flaky: \S+once\.test\.ts > by chance \(not yet, \d+ ms, idle \d+ %\)/);
    assert.match(stdout, closing(2, 2, 0));
    assert.doesNotMatch(stdout, /failing tests:/);
  });

  it('does not rerun a file marked as final', async () => {
    const { code, stdout } = await gate(file('race', `// @rerun never\n${failing('a race', 1)}`));
    assert.equal(code, 1, stdout);
    assert.doesNotMatch(stdout, /Rerunning/);
    assert.match(stdout, closing(1, 0, 1));
  });

  it('reruns nothing when more than two files or more than five tests failed', async () => {
    const three = ['a', 'b', 'c'].map((name) => file(`many-${name}`, failing(`many-${name}`, 1)));
    const six = file('six', ['d', 'e', 'f', 'g', 'h', 'i'].map((name) => failing(`six-${name}`, 1)).join(''));
    const [files, tests] = await Promise.all([gate(...three), gate(six)]);
    for (const { code, stdout } of [files, tests]) {
      assert.equal(code, 1, stdout);
      assert.doesNotMatch(stdout, /Rerunning/);
    }
  });

  it('fails for a file that exits before its tests have ended', async () => {
    const { code, stdout } = await gate(file('gone', `${passing}setTimeout(() => process.exit(3), 50);\n`));
    assert.equal(code, 1, stdout);
    assert.match(stdout, /failing tests:/);
  });
});
