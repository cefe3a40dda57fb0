import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type DataFolder, openDataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { identityOf } from '../../engines/process-table.ts';
import { runTool } from '../../engines/tools.ts';
import { until } from '../support/until.ts';

/**
 * Writes its pid and that of a child to a file and runs for ten minutes. `answer` is shell code that handles an
 * interrupt.
 */
function lasting(folder: DataFolder, answer = '') {
  const file = join(folder.path, 'pids');
  const script = `${answer} sleep 600 & echo $$ $! > ${file}.new; mv ${file}.new ${file}; wait; wait`;
  const running = runTool(folder, 'sh', ['-c', script]);
  const ended = running.catch((err: unknown) => err as Error);
  const pids = async () => {
    await until(() => existsSync(file));
    return readFileSync(file, 'utf8').trim().split(' ').map(Number);
  };
  return { ended, pids };
}

const alive = (pids: number[]) => pids.filter((pid) => identityOf(pid) !== undefined);

describe('runTool()', () => {
  it('returns the output of a tool, and quotes the end of stderr when it fails', async () => {
    await using folder = await openTemporaryFolder();
    assert.equal(await runTool(folder, 'sh', ['-c', 'echo "$WORD"'], { env: { WORD: 'said' } }), 'said\n');
    assert.equal(await runTool(folder, 'pwd', [], { cwd: '/' }), '/\n');
    const failing = 'for line in 1 2 3 4 5; do echo $line >&2; done; exit 3';
    await assert.rejects(runTool(folder, 'sh', ['-c', failing]), { message: 'sh -c failed: 2\n    3\n    4\n    5' });
    await assert.rejects(runTool(folder, 'sh', ['-c', 'exit 3']), { message: 'sh -c failed: exit code 3' });
    await assert.rejects(runTool(folder, 'no-such-program', []), /no-such-program {2}failed: .*ENOENT/);
    assert.deepEqual(startedIn(folder), []);
  });

  it('has ended, including its children, when its folder is closed', async () => {
    const folder = await openTemporaryFolder();
    const { ended, pids } = lasting(folder, "trap 'kill $!; sleep 0.3; exit' INT;");
    const both = await pids();
    assert.equal(alive(both).length, 2);
    await folder.close();
    assert.deepEqual(alive(both), []);
    assert.equal(((await ended) as Error).message, 'Stopped');
    await assert.rejects(runTool(folder, 'true', []), /Stopped/);
  });

  it('is stopped by the next opener of its folder when this process was killed', async () => {
    await using folder = await openTemporaryFolder();
    const { ended, pids } = lasting(folder);
    const both = await pids();
    const record = startedIn(folder);
    assert.equal(record[0]?.pid, both[0]);
    const next = join(folder.path, 'next');
    mkdirSync(next);
    const dead = { name: 'starter', pid: 2 ** 22 - 1, identity: 'dead' };
    writeFileSync(join(next, 'processes.json'), JSON.stringify({ starter: dead, started: record, folders: [] }));
    await (await openDataFolder(next)).close();
    assert.deepEqual(alive(both), []);
    assert.match(String(await ended), /sh -c failed/);
    assert.deepEqual(startedIn(folder), []);
  });
});

/** The processes recorded as running. */
function startedIn(folder: DataFolder): { pid: number }[] {
  return JSON.parse(readFileSync(join(folder.path, 'processes.json'), 'utf8')).started;
}
