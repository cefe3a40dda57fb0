import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';

const setup = resolve(import.meta.dirname, '../../engines/setup.mjs');

describe('engines/setup.mjs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vyry-setup-'));
  after(() => rmSync(folder, { recursive: true }));

  function script(name: string, code: string): string {
    const file = join(folder, `${name}.ts`);
    writeFileSync(file, code);
    return file;
  }

  it('runs TypeScript under Node 26 with its arguments, and returns its exit code', async () => {
    const file = script(
      'echo',
      'const args: string[] = process.argv.slice(2);\nconsole.log(process.version, ...args);\nprocess.exitCode = 3;\n',
    );
    const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((done) => {
      execFile(process.execPath, [setup, file, '--a', 'b c'], (err, out) => done({ code: err?.code, stdout: out }));
    });
    assert.equal(code, 3);
    assert.match(stdout, /^v(2[6-9]|[3-9]\d)\S* --a b c\n$/);
  });

  it('forwards a signal and waits for the program to end', async () => {
    const file = script(
      'wait',
      "process.on('SIGTERM', () => process.exit(7));\nconsole.log('up');\nsetInterval(() => {}, 1000);\n",
    );
    const child = spawn(process.execPath, [setup, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 7);
  });
});
