import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate as otherWork } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { checkHealth, padResponseTime, pause, processClock, runEvery, withTimeout } from '../../platform/lifecycle.ts';
import { noteOutage } from '../../platform/outages.ts';
import { projectFolder, runModule } from '../support/node-process.ts';
import { stopTime } from '../support/stopped-time.ts';

const unexpected = (err: unknown) => {
  throw err;
};

describe('runEvery()', () => {
  it('runs a job at once, then repeatedly with a pause between runs', async () => {
    using time = stopTime();
    let runs = 0;
    await using _loop = runEvery(20, async () => void runs++, unexpected);
    assert.equal(runs, 1);
    await otherWork();
    for (const expected of [2, 3, 4]) {
      await time.pass(19);
      assert.equal(runs, expected - 1);
      await time.pass(1);
      assert.equal(runs, expected);
    }
  });

  it('reports a failed run and continues', async () => {
    using time = stopTime();
    const errors: unknown[] = [];
    let runs = 0;
    const job = async () => {
      runs++;
      throw new Error(`run ${runs}`);
    };
    await using _loop = runEvery(5, job, (err) => errors.push((err as Error).message));
    await otherWork();
    await time.pass(5);
    await time.pass(5);
    assert.deepEqual(errors, ['run 1', 'run 2', 'run 3']);
  });

  it('never runs a job twice at once: the pause begins at the end of a run', async () => {
    using time = stopTime();
    const runs: PromiseWithResolvers<void>[] = [];
    const job = () => {
      const run = Promise.withResolvers<void>();
      runs.push(run);
      return run.promise;
    };
    const loop = runEvery(20, job, unexpected);
    await time.pass(1000);
    assert.equal(runs.length, 1);
    runs[0]?.resolve();
    await otherWork();
    await time.pass(19);
    assert.equal(runs.length, 1);
    await time.pass(1);
    assert.equal(runs.length, 2);
    runs[1]?.resolve();
    await loop[Symbol.asyncDispose]();
  });

  it('stops at once during a pause, and waits for a run in progress', async () => {
    using _time = stopTime();
    let runs = 0;
    const idle = runEvery(60_000, async () => void runs++, unexpected);
    await otherWork();
    // time is stopped: the pause never ends
    await idle[Symbol.asyncDispose]();
    assert.equal(runs, 1);

    const run = Promise.withResolvers<void>();
    const busy = runEvery(60_000, () => run.promise, unexpected);
    let hasStopped = false;
    const stopping = busy[Symbol.asyncDispose]().then(() => {
      hasStopped = true;
    });
    await otherWork();
    assert.equal(hasStopped, false);
    run.resolve();
    await stopping;
  });
});

const hourMs = 3_600_000;

describe('pause()', () => {
  it('leaves no listener behind, whether the time is over or it is aborted', async () => {
    const { signal } = new AbortController();
    for (let run = 0; run < 20; run++) await pause(0, signal);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    const aborted = new AbortController();
    const pausing = pause(hourMs, aborted.signal);
    assert.equal(getEventListeners(aborted.signal, 'abort').length, 1);
    aborted.abort();
    await pausing;
    assert.equal(getEventListeners(aborted.signal, 'abort').length, 0);
  });
});

describe('checkHealth()', () => {
  it('tells why a dependency is down, if its client knows', async () => {
    const refused = () => Promise.reject(new Failure('unavailable', { reason: 'not-primary' }));
    assert.deepEqual(await checkHealth('mongodb', refused), { name: 'mongodb', status: 'down', reason: 'not-primary' });
    const outage = noteOutage(new Error('away'), { dependency: 'redis', reason: 'read-only' });
    const noted = () => Promise.reject(new Error('wrapped', { cause: outage }));
    assert.deepEqual(await checkHealth('redis', noted), { name: 'redis', status: 'down', reason: 'read-only' });
  });

  it('returns up and the latency of a dependency', async () => {
    const { latencyMs, ...health } = await checkHealth('redis', async () => 'PONG');
    assert.deepEqual(health, { name: 'redis', status: 'up' });
    assert.ok(Number.isInteger(latencyMs));
  });

  it('returns down for a dependency that fails or has not responded after two seconds', async () => {
    using time = stopTime();
    assert.deepEqual(await checkHealth('redis', () => Promise.reject(new Error('away'))), {
      name: 'redis',
      status: 'down',
    });
    let health: unknown;
    const examined = checkHealth('redis', () => new Promise(() => undefined)).then((found) => {
      health = found;
    });
    await time.pass(1999);
    assert.equal(health, undefined);
    await time.pass(1);
    await examined;
    assert.deepEqual(health, { name: 'redis', status: 'down' });
  });
});

describe('withTimeout()', () => {
  it('returns the result of the job, or throws once the time is over', async () => {
    using time = stopTime();
    assert.equal(await withTimeout(Promise.resolve('done'), 10), 'done');
    await assert.rejects(withTimeout(Promise.reject(new Error('failed')), 10), { message: 'failed' });
    const late = assert.rejects(withTimeout(new Promise(() => undefined), 10), { message: 'timeout' });
    await time.pass(10);
    await late;
  });
});

describe('padResponseTime()', () => {
  /** Milliseconds after its start at which a response leaves that was ready after `readyMs`. */
  async function leavesAfter(readyMs: number): Promise<number> {
    const beganAt = 12_345.5;
    let instant = beganAt + readyMs;
    const sleep = async (ms: number) => {
      instant += ms;
    };
    await padResponseTime(beganAt, { now: () => instant, sleep });
    return instant - beganAt;
  }

  it('delays responses to full tenths of a second since the start', async () => {
    const ready = [0, 0.5, 1, 60, 99.5, 100, 100.5, 163, 1234];
    assert.deepEqual(await Promise.all(ready.map(leavesAfter)), [100, 100, 100, 100, 100, 200, 200, 200, 1300]);
  });

  it('uses the clock of the process by default', async () => {
    using time = stopTime();
    let hasLeft = false;
    const leaving = padResponseTime(processClock.now()).then(() => {
      hasLeft = true;
    });
    await otherWork();
    assert.equal(hasLeft, false);
    await time.pass(100);
    await leaving;
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

  it('returns SIGTERM or SIGINT, and lets the process end', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      let isSent = false;
      const ended = await runModule(program, {
        onOutput(stdout, kill) {
          if (isSent || !stdout.includes('ready')) return;
          isSent = true;
          kill(signal);
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

  it('drops scopes and single files, and keeps the code readable', async () => {
    const flags = [
      '--permission',
      '--allow-worker',
      '--allow-child-process',
      `--allow-fs-read=${projectFolder}/platform`,
      `--allow-fs-read=${projectFolder}/domain`,
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
