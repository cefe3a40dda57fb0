import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { FolderInUse, openDataFolder } from '../../engines/data-folder.ts';
import { identityOf } from '../../engines/process-table.ts';
import { startRedis } from '../../engines/redis.ts';
import { until } from '../support/until.ts';

const starterProgram = resolve(import.meta.dirname, '../support/redis-starter.ts');

describe('openDataFolder()', () => {
  let folder: string;
  const folders: string[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vyry-folder-'));
    folders.push(folder);
  });
  after(() => {
    for (const path of folders) rmSync(path, { recursive: true, force: true });
  });

  it('stops what a starter that was killed has left, and says so', async () => {
    const { starter, redisPid } = await startStarter(folder);
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    assert.ok(identityOf(redisPid), 'Redis outlives its starter');

    const said: string[] = [];
    await using opened = await openDataFolder(folder, (line) => said.push(line));
    assert.equal(identityOf(redisPid), undefined);
    assert.match(said.join('\n'), new RegExp(`Stopping redis \\(process ${redisPid}\\)`));
    assert.equal(opened.path, folder);
  });

  it('refuses while the starter lives, and leaves everything as it is', async () => {
    const { starter, redisPid } = await startStarter(folder);
    await assert.rejects(openDataFolder(folder), (err) => err instanceof FolderInUse && err.pid === starter.pid);
    assert.ok(identityOf(redisPid));
    starter.kill('SIGTERM');
    await once(starter, 'exit');
    assert.equal(identityOf(redisPid), undefined);
  });

  it('deletes the folder elsewhere that a starter that was killed has left', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'vyry-elsewhere-'));
    const dead = { name: 'starter', pid: 2 ** 22 - 1, identity: 'dead' };
    const record = { starter: dead, started: [], folders: [elsewhere] };
    writeFileSync(join(folder, 'processes.json'), JSON.stringify(record));
    await (await openDataFolder(folder)).close();
    assert.equal(existsSync(elsewhere), false);
  });

  it('never stops a process that has got the pid of one of its own', async () => {
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    const dead = { name: 'starter', pid: 2 ** 22 - 1, identity: 'dead' };
    const recycled = { name: 'redis', pid: stranger.pid, identity: `${identityOf(stranger.pid ?? 0)}0` };
    writeFileSync(join(folder, 'processes.json'), JSON.stringify({ starter: dead, started: [recycled] }));
    await (await openDataFolder(folder)).close();
    assert.equal(stranger.exitCode ?? stranger.signalCode, null);
    stranger.kill();
  });
});

describe('startChild()', () => {
  it('brings a program that crashed back when it is kept alive', async () => {
    const path = mkdtempSync(join(tmpdir(), 'vyry-folder-'));
    {
      const said: string[] = [];
      await using folder = await openDataFolder(path, (line) => said.push(line));
      const redis = await startRedis({ folder, keepAlive: true });
      const pid = redis.process?.pid ?? 0;
      process.kill(pid, 'SIGKILL');
      await until(() => said.some((line) => line.startsWith('redis is back')));
      assert.deepEqual(said, [
        'redis ended (SIGKILL); starting it again',
        `redis is back (process ${redis.process?.pid})`,
      ]);
      assert.notEqual(redis.process?.pid, pid);
    }
    rmSync(path, { recursive: true });
  });

  it('says why a program did not start, with the end of its log, and leaves nothing', async () => {
    const path = mkdtempSync(join(tmpdir(), 'vyry-folder-'));
    writeFileSync(join(path, 'redis'), 'a file where the data folder should be');
    {
      await using folder = await openDataFolder(path);
      await assert.rejects(startRedis({ folder }), /EEXIST|redis/);
      assert.deepEqual(JSON.parse(readFileSync(join(path, 'processes.json'), 'utf8')).started, []);
    }
    rmSync(path, { recursive: true });
  });
});

/** A process that starts Redis in the folder and waits. */
async function startStarter(folder: string) {
  const starter = spawn(process.execPath, [starterProgram, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(starter.stdout, 'data')) as [Buffer];
  return { starter, redisPid: Number(line.toString()) };
}
