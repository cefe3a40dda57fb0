// @rerun never
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { after, before, describe, it } from 'node:test';
import { type Ready, readReady } from '../../engines/system.ts';
import { runBlock, shellBlocks, stepsByHand } from '../support/readme.ts';

const project = resolve(import.meta.dirname, '../..');

describe('The README on a new clone', () => {
  const clone = join(mkdtempSync(join(tmpdir(), 'vyry-readme-')), 'vyry');
  const data = join(clone, '.vyry');
  before(() => run('git', ['clone', '--quiet', project, clone], project));
  after(() => rmSync(resolve(clone, '..'), { recursive: true, force: true }));

  it('has two blocks, of which the first is npm start and npm test', () => {
    const [first = '', ...others] = shellBlocks();
    assert.deepEqual(
      first
        .trim()
        .split('\n')
        .map((line) => line.split('#')[0]?.trim()),
      ['npm start', 'npm test'],
    );
    assert.equal(others.length, 1);
  });

  it('ends well, word by word, twice in a row with the data of the first time', async () => {
    const [, byHand = ''] = shellBlocks();
    for (const round of ['first', 'second']) {
      await whileItRuns({}, async () => {
        for (const command of ['npm run demo', 'npm run demo -- --signal', 'npx vyry doctor', 'npx vyry --help'])
          await runLine(command, round);
      });
      await whileItRuns({ REGISTRATION_STEPS: stepsByHand() }, async (ready) => {
        const { output } = await runBlock(byHand, ready);
        assert.match(output, /"state":"completed"[\s\S]*"accessToken":"eyJ/, `${round}: ${output}`);
        assert.doesNotMatch(output, /error_code/, round);
        await runLine('npm run demo', round);
      });
      // all tests take as long as the gate: these are the first that a reader sees pass
      await runLine('npm test -- test/domain', round);
    }
  });

  it('begins without accounts after npm start -- --reset', async () => {
    await whileItRuns({}, async () => {
      assert.match(await runLine('npm run demo', 'reset'), /ada has an account\./);
    }, ['--', '--reset']);
  });

  /** Runs `npm start` while something is done; resolves when it has stopped, as by Ctrl-C. */
  async function whileItRuns(
    env: NodeJS.ProcessEnv,
    act: (ready: Ready) => Promise<unknown>,
    options: string[] = [],
  ): Promise<void> {
    // a group of its own, as in a terminal: Ctrl-C reaches each process of it, and npm passes nothing on
    const started = spawn('npm', ['start', ...options], {
      cwd: clone,
      env: readerEnvironment(env),
      stdio: 'pipe',
      detached: true,
    });
    const { output, prints } = follow(started);
    const ended = once(started, 'close');
    try {
      await prints('Vyry runs');
      const ready = readReady(data);
      assert.ok(ready, output());
      await act(ready);
    } finally {
      if (started.pid !== undefined && started.exitCode === null) process.kill(-started.pid, 'SIGINT');
      await ended;
    }
    assert.match(output(), /Stopped\.\n$/);
  }

  async function runLine(command: string, round: string): Promise<string> {
    const [program = '', ...args] = command.split(' ');
    return await run(program, args, clone).catch((err: Error) => {
      throw new Error(`${command}, ${round} time: ${err.message}`, { cause: err });
    });
  }
});

/** The shell of a reader has no variable of the engines of this test run. */
function readerEnvironment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(VYRY_TEST|NODE_|npm_)|_URL$|^TEMPORAL_/.test(name));
  return { ...Object.fromEntries(own), ...env };
}

function run(program: string, args: string[], cwd: string): Promise<string> {
  return new Promise((done, fail) => {
    execFile(program, args, { cwd, env: readerEnvironment(), maxBuffer: 2 ** 26 }, (err, stdout, stderr) =>
      err === null ? done(stdout + stderr) : fail(new Error(`${stdout}${stderr}`.slice(-3000), { cause: err })),
    );
  });
}

/** Follows what a program prints. */
function follow(child: ChildProcess) {
  let output = '';
  const printed = new EventEmitter();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      output += part;
      printed.emit('more');
    });
  }
  const ending = once(child, 'close');
  return {
    output: () => output,
    /** Resolves when the text was printed. @throws {Error} the program has ended without it */
    async prints(text: string): Promise<void> {
      while (!output.includes(text)) {
        await Promise.race([once(printed, 'more'), ending]);
        if (child.exitCode !== null && !output.includes(text)) throw new Error(`ended without "${text}":\n${output}`);
      }
    },
  };
}
