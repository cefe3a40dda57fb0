import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { every } from '../../platform/lifecycle.ts';
import { projectFolder, runModule } from '../support/node-process.ts';

const unexpected = (err: unknown) => {
  throw err;
};

describe('every()', () => {
  it('runs a job at once, and again and again with a pause between', async () => {
    let runs = 0;
    await using _loop = every(20, async () => void runs++, unexpected);
    await pause(5);
    assert.equal(runs, 1);
    await pause(200);
    assert.ok(runs >= 4 && runs <= 11, `${runs} runs in 205 ms`);
  });

  it('reports a failing run, which is not the last', async () => {
    const errors: unknown[] = [];
    let runs = 0;
    const job = async () => {
      runs++;
      throw new Error(`run ${runs}`);
    };
    await using _loop = every(5, job, (err) => errors.push((err as Error).message));
    while (errors.length < 3) await pause(5);
    assert.deepEqual(errors.slice(0, 3), ['run 1', 'run 2', 'run 3']);
  });

  it('never runs a job twice at once', async () => {
    let running = 0;
    let most = 0;
    const job = async () => {
      most = Math.max(most, ++running);
      await pause(20);
      running--;
    };
    await using _loop = every(1, job, unexpected);
    await pause(100);
    assert.equal(most, 1);
  });

  it('stops at once in a pause, and after the run in a run', { timeout: 5000 }, async () => {
    const idle = every(60_000, async () => undefined, unexpected);
    await pause(5);
    await idle[Symbol.asyncDispose]();
    let isDone = false;
    const busy = every(
      60_000,
      async () => {
        await pause(50);
        isDone = true;
      },
      unexpected,
    );
    await busy[Symbol.asyncDispose]();
    assert.equal(isDone, true);
  });
});

describe('untilSignal()', () => {
  const program = `
    import { untilSignal } from './platform/lifecycle.ts';
    const alive = setInterval(() => {}, 1000);
    const signal = untilSignal();
    console.log('ready');
    console.log(await signal);
    clearInterval(alive);`;

  it('tells SIGTERM and SIGINT, and the process ends by itself', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      let isSent = false;
      const ended = await runModule(program, {
        onOutput(stdout, kill) {
          if (!isSent && stdout.includes('ready')) kill(signal);
          isSent = true;
        },
      });
      assert.equal(ended.stdout, `ready\n${signal}\n`);
      assert.equal(ended.code, 0);
    }
  });
});

describe('dropPermissions()', () => {
  const program = `
    import { readFileSync } from 'node:fs';
    import { dropPermissions } from './platform/lifecycle.ts';
    const may = () => [
      process.permission?.has('worker'), process.permission?.has('child'),
      process.permission?.has('fs.read', 'package.json'), process.permission?.has('fs.read', 'platform/log.ts'),
    ].join();
    console.log(may());
    dropPermissions(['worker', 'child'], ['${projectFolder}/package.json']);
    console.log(may());
    try { readFileSync('package.json'); } catch (err) { console.log(err.code); }
    console.log(readFileSync('platform/log.ts').length > 0);`;

  it('gives up scopes and single files, and keeps the code readable', async () => {
    const flags = [
      '--permission',
      '--allow-worker',
      '--allow-child-process',
      `--allow-fs-read=${projectFolder}/platform`,
      `--allow-fs-read=${projectFolder}/package.json`,
      '--disable-warning=SecurityWarning',
    ];
    const { stdout, stderr } = await runModule(program, { flags });
    assert.equal(stdout, 'true,true,true,true\nfalse,false,false,true\nERR_ACCESS_DENIED\ntrue\n', stderr);
  });

  it('does nothing in a process without the permission model', async () => {
    const { code } = await runModule(
      "import { dropPermissions } from './platform/lifecycle.ts'; dropPermissions(['worker'], ['/']);",
    );
    assert.equal(code, 0);
  });
});
