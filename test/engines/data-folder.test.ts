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

  it('stops what a killed starter has left, and reports it', async () => {
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

  it('throws while the starter is alive, and changes nothing', async () => {
    const { starter, redisPid } = await startStarter(folder);
    await assert.rejects(openDataFolder(folder), (err) => err instanceof FolderInUse && err.pid === starter.pid);
    assert.ok(identityOf(redisPid));
    starter.kill('SIGTERM');
    await once(starter, 'exit');
    assert.equal(identityOf(redisPid), undefined);
  });

  it('deletes temporary folders that a killed starter has left', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'vyry-elsewhere-'));
    const dead = { name: 'starter', pid: 2 ** 22 - 1, identity: 'dead' };
    const record = { starter: dead, started: [], folders: [elsewhere] };
    writeFileSync(join(folder, 'processes.json'), JSON.stringify(record));
    await (await openDataFolder(folder)).close();
    assert.equal(existsSync(elsewhere), false);
  });

  it('never stops another process that has reused a recorded pid', async () => {
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
  it('restarts a crashed program that is kept alive', async () => {
    const path = mkdtempSync(join(tmpdir(), 'vyry-folder-'));
    {
      const said: string[] = [];
      await using folder = await openDataFolder(path, (line) => said.push(line));
      const redis = await startRedis({ folder, keepAlive: true });
      const pid = redis.process?.pid ?? 0;
      process.kill(pid, 'SIGKILL');
      await until(() => said.some((line) => line.startsWith('redis was restarted')));
      assert.deepEqual(said, [
        'redis ended (SIGKILL); restarting it',
        `redis was restarted (process ${redis.process?.pid})`,
      ]);
      assert.notEqual(redis.process?.pid, pid);
    }
    rmSync(path, { recursive: true });
  });

  it('reports why a program did not start, with the end of its log, and leaves nothing behind', async () => {
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

/** Starts a process that starts Redis in the folder and waits. */
async function startStarter(folder: string) {
  const starter = spawn(process.execPath, [starterProgram, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(starter.stdout, 'data')) as [Buffer];
  return { starter, redisPid: Number(line.toString()) };
}
