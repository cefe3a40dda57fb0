import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { startTestSystem } from '../support/system.ts';

const program = resolve(import.meta.dirname, '../../engines/demo.ts');

describe('npm run demo', () => {
  let system: System;
  before(async () => {
    system = await startTestSystem();
  });
  after(() => system.stop());

  it('registers a user and shows every call without secrets', async () => {
    const { code, output } = await demo('--folder', system.folder.path, '--person', 'joan');
    assert.equal(code, 0, output);
    assert.match(output, /→ POST \/api\/v1\/registrations\n/);
    assert.match(
      output,
      /→ PUT \/api\/v1\/registrations\/\w+\/directory\n +\{ username: 'joan', password: '••••••••' \}/,
    );
    assert.match(output, /→ GET \/api\/v1\/users\/me\n← 200/);
    assert.match(output, /joan has an account/);
    assert.doesNotMatch(output, /bletchley-1944|eyJ\w{20}/);
  });

  it('continues with the next user when one already has an account', async () => {
    const { code, output } = await demo('--folder', system.folder.path, '--person', 'joan');
    assert.equal(code, 0, output);
    assert.match(output, /joan has an account already; continuing/);
    assert.match(output, /ada has an account\./);
  });

  it('registers by the steps of another policy', async () => {
    const other = await startTestSystem({ env: { REGISTRATION_STEPS: 'code' } });
    const { code, output } = await demo('--folder', other.folder.path, '--person', 'grace');
    await other.stop();
    assert.equal(code, 0, output);
    assert.match(output, /grace has an account\./);
    assert.doesNotMatch(output, /already|directory/);
  });

  it('registers a number at the fake Signal-Server with --signal, by an api that it starts', async () => {
    await using other = await startTestSystem({ roles: ['api', 'registration', 'delivery', 'signal'] });
    const { code, output } = await demo('--folder', other.folder.path, '--signal', '--person', 'grace');
    assert.equal(code, 0, output);
    assert.match(output, /→ PUT \/api\/v1\/registrations\/\w+\/signal\n/);
    assert.match(output, /number: '\+12025550102'/);
    assert.match(output, /has one-time keys: \{"count":3,"pqCount":3\}/);
    assert.match(output, /grace has an account\./);
  });

  it('explains what to do when no system runs, and lists the users when a name is unknown', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vyry-demo-'));
    const nothing = await demo('--folder', folder);
    assert.equal(nothing.code, 1);
    assert.match(nothing.output, /npm start/);
    rmSync(folder, { recursive: true });
    const nobody = await demo('--folder', system.folder.path, '--person', 'eve');
    assert.equal(nobody.code, 1);
    assert.match(nobody.output, /There is no demo person eve; try ada, grace, joan/);
  });
});

function demo(...args: string[]): Promise<{ code: unknown; output: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [program, ...args], (err, stdout, stderr) =>
      done({ code: err?.code ?? 0, output: stdout + stderr }),
    );
  });
}
