import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf } from '../../engines/process-table.ts';
import { type Ready, readReady } from '../../engines/system.ts';
import { until } from '../support/until.ts';

const program = resolve(import.meta.dirname, '../../engines/start.ts');

describe('npm start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vyry-start-'));
  let running: Run;
  let ready: Ready;

  before(async () => {
    running = run('--folder', folder);
    ready = await untilReady(folder, running);
  });
  after(async () => {
    await stop(running);
    rmSync(folder, { recursive: true, force: true });
  });

  it('serves the addresses in ready.json and prints them', async () => {
    await until(async () => (await fetch(`${ready.apiUrl}/health/ready`)).status === 200);
    assert.equal((await fetch(ready.docsUrl)).status, 200);
    assert.equal((await fetch(`${ready.outboxUrl}/messages`)).status, 200);
    assert.equal((await fetch(ready.temporalUiUrl ?? '')).status, 200);
    await running.prints('Vyry runs');
    for (const url of [ready.apiUrl, ready.docsUrl, ready.outboxUrl, ready.temporalUiUrl]) {
      assert.ok(running.output().includes(url ?? 'a Temporal UI'));
    }
    assert.match(running.output(), /ada +analytical-engine/);
    assert.match(running.output(), /npm run demo/);
  });

  it('makes the secrets readable only for the user who started it', () => {
    assert.equal(statSync(join(folder, 'secrets.json')).mode & 0o777, 0o600);
  });

  it('refuses to start twice in a folder and reports where the first one is', async () => {
    const second = run('--folder', folder);
    assert.equal(await second.exit, 1);
    assert.ok(second.output().includes(`(process ${running.child.pid})`));
    assert.ok(second.output().includes(ready.apiUrl));
    assert.ok(existsSync(join(folder, 'ready.json')));
  });

  it('restarts a killed process on the same address, and records its new pid', async () => {
    const killed = ready.pids.api ?? 0;
    process.kill(killed, 'SIGKILL');
    await running.prints('api was restarted');
    const now = readReady(folder);
    assert.notEqual(now?.pids.api, killed);
    assert.equal(now?.apiUrl, ready.apiUrl);
    assert.equal((await fetch(`${ready.apiUrl}/health`)).status, 200);
  });

  it('starts with the existing data after it was killed itself', async () => {
    const left = startedPids(folder);
    running.child.kill('SIGKILL');
    await running.exit;
    running = run('--folder', folder);
    await running.prints('left by a start that was killed');
    await running.prints('Vyry runs');
    assert.deepEqual(
      left.filter((pid) => identityOf(pid) !== undefined),
      [],
    );
    await until(async () => (await fetch(`${readReady(folder)?.apiUrl}/health/ready`)).status === 200);
  });

  it('stops everything on Ctrl-C, even if the signal arrives several times', async () => {
    const pids = startedPids(folder);
    assert.equal(pids.length, 9);
    running.child.kill('SIGINT');
    running.child.kill('SIGINT');
    assert.equal(await running.exit, 0);
    assert.deepEqual(
      pids.filter((pid) => identityOf(pid) !== undefined),
      [],
    );
    assert.equal(existsSync(join(folder, 'ready.json')), false);
    assert.equal(existsSync(join(folder, 'processes.json')), false);
  });

  for (const [moment, isReached] of [
    ['after its first engine has started', (path: string) => startedPids(path).length > 0],
    ['while the directory is filled', (path: string) => existsSync(join(path, 'ldap', 'seed.ldif'))],
    ['when the directory runs but does not respond yet', (path: string) => existsSync(join(path, 'ldap', 'slapd.pid'))],
  ] as const) {
    it(`stops during startup, ${moment}, and leaves nothing behind`, async () => {
      const other = mkdtempSync(join(tmpdir(), 'vyry-start-'));
      const interrupted = run('--folder', other);
      while (!isReached(other)) await sleep(5);
      interrupted.child.kill('SIGTERM');
      assert.equal(await interrupted.exit, 0);
      assert.deepEqual(commandsWith(other), []);
      rmSync(other, { recursive: true });
    });
  }
});

describe('npm start -- options', () => {
  it('are explained by --help', async () => {
    const help = run('--help');
    assert.equal(await help.exit, 0);
    for (const option of ['--port', '--outbox-port', '--ui-port', '--temporal-port', '--reset', '--only-engines']) {
      assert.ok(help.output().includes(option), option);
    }
  });

  it('refuse an unknown option and an invalid port', async () => {
    const unknown = run('--prot', '8000');
    assert.equal(await unknown.exit, 2);
    assert.match(unknown.output(), /--prot/);
    const noPort = run('--port', '0x50');
    assert.equal(await noPort.exit, 2);
    assert.match(noPort.output(), /--port must be a port/);
  });

  it('refuse a port in use before anything is started', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vyry-start-'));
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const refused = run('--folder', folder, '--port', String(port));
    assert.equal(await refused.exit, 1);
    assert.match(refused.output(), new RegExp(`Port ${port} for the api is taken`));
    server.close();
    rmSync(folder, { recursive: true });
  });
});

interface Run {
  child: ChildProcess;
  exit: Promise<number | null>;
  output: () => string;
  prints: (text: string) => Promise<void>;
}

/** Runs `npm start` without the variables of the test engines, as in the shell of a user. */
function run(...args: string[]): Run {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    exit,
    output: () => output,
    async prints(text) {
      while (!output.includes(text)) {
        assert.equal(child.exitCode ?? child.signalCode, null, `ended without printing "${text}":\n${output}`);
        await sleep(20);
      }
    },
  };
}

async function untilReady(folder: string, { prints }: Run): Promise<Ready> {
  await prints('Vyry runs');
  const ready = readReady(folder);
  assert.ok(ready);
  return ready;
}

async function stop({ child, exit }: Run): Promise<void> {
  child.kill('SIGTERM');
  await exit;
}

function startedPids(folder: string): number[] {
  const file = join(folder, 'processes.json');
  if (!existsSync(file)) return [];
  const { started } = JSON.parse(readFileSync(file, 'utf8')) as { started: { pid: number }[] };
  return started.map(({ pid }) => pid);
}

/** The command lines of all processes on this machine that contain the name of a folder. */
function commandsWith(folder: string): string[] {
  const lines =
    process.platform === 'linux'
      ? readdirSync('/proc')
          .filter((name) => /^\d+$/.test(name))
          .map(commandOf)
      : execFileSync('ps', ['-axo', 'args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(folder));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return 'ended meanwhile';
  }
}
