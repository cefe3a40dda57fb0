// @rerun never
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { type FileStore, openFileStore } from '../../client/file-store.ts';
import { createMemoryStore } from '../../client/memory-store.ts';
import { checkKilledProcesses } from '../support/crash-runs.ts';
import { checkStoreContract } from '../support/store-contract.ts';

const folder = await mkdtemp(join(tmpdir(), 'vyry-client-'));
after(() => rm(folder, { recursive: true }));

describe('the contract of stores', () => {
  it('is kept by the memory store', async () => {
    await checkStoreContract(async () => {
      const store = createMemoryStore();
      return { open: async () => store, openAfterCrash: async () => store };
    });
  });

  it('is kept by the file store', async () => {
    await checkStoreContract(async () => {
      const file = join(await mkdtemp(join(folder, 'contract-')), 'state.json');
      let store: FileStore | undefined;
      const open = async () => {
        await store?.[Symbol.asyncDispose]();
        store = await openFileStore(file);
        return store;
      };
      const openAfterCrash = async () => {
        const copy = join(await mkdtemp(join(folder, 'crashed-')), 'state.json');
        await copyFile(file, copy);
        return await openFileStore(copy);
      };
      return { open, openAfterCrash };
    });
  });
});

describe('the file store', () => {
  it('keeps the state for the next process, readable by its owner only', async () => {
    const own = join(folder, 'app', 'data');
    const file = join(own, 'kept.json');
    {
      await using store = await openFileStore(file);
      await store.transaction((state) => {
        state.deviceId = 'd-1';
      });
    }
    await using store = await openFileStore(file);
    assert.equal(await store.transaction((state) => state.deviceId), 'd-1');
    assert.deepEqual([(await stat(own)).mode & 0o777, (await stat(file)).mode & 0o777], [0o700, 0o600]);
    assert.deepEqual((await readdir(own)).sort(), ['kept.json', 'kept.json.lock']);
  });

  it('finishes its transactions before it is closed', async () => {
    const file = join(folder, 'closing.json');
    const store = await openFileStore(file);
    const writing = store.transaction((state) => {
      state.userId = 'u-9';
    });
    await store[Symbol.asyncDispose]();
    await writing;
    assert.equal(JSON.parse(await readFile(file, 'utf8')).userId, 'u-9');
  });

  it('refuses a second opener, in this process and in another', async () => {
    const file = join(folder, 'locked.json');
    await using _store = await openFileStore(file);
    await assert.rejects(openFileStore(file), { code: 'STORE_LOCKED' });
    const other = startChild(file, 'locked');
    assert.deepEqual(await linesOf(other), ['STORE_LOCKED']);
  });

  it('ignores the lock of a dead process, and of an earlier one with the same id', async () => {
    const file = join(folder, 'stale.json');
    const child = startChild(file, 'dead');
    await once(createInterface(child.stdout), 'line');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await readFile(`${file}.lock`, 'utf8'), String(child.pid));
    await (await openFileStore(file))[Symbol.asyncDispose]();
    // its own id is that of an earlier process with the same one; an empty lock was left by a loss of power
    for (const owner of [String(process.pid), '']) {
      await writeFile(`${file}.lock`, owner);
      await (await openFileStore(file))[Symbol.asyncDispose]();
    }
  });

  it('refuses an unreadable file and leaves it as it is', async () => {
    const file = join(folder, 'damaged.json');
    await writeFile(file, '{"userId":');
    await assert.rejects(openFileStore(file), { code: 'STORE_DAMAGED' });
    await assert.rejects(openFileStore(file), { code: 'STORE_DAMAGED' }, 'the lock is free');
    assert.equal(await readFile(file, 'utf8'), '{"userId":');
  });

  it('says STORE_FAILED when a change cannot be written, and goes on without that change', async () => {
    const file = join(folder, 'failing.json');
    await using store = await openFileStore(file);
    const setUser = (userId: string) => store.transaction((state) => void Object.assign(state, { userId }));
    await setUser('u-1');
    await mkdir(`${file}.new`);
    await assert.rejects(setUser('u-2'), { code: 'STORE_FAILED' });
    await rmdir(`${file}.new`);
    await store.transaction((state) => void Object.assign(state, { deviceId: 'd-1' }));
    const { userId, deviceId } = JSON.parse(await readFile(file, 'utf8'));
    assert.deepEqual([userId, deviceId], ['u-1', 'd-1']);
  });

  it('has every transaction that resolved, after kill -9 at any moment', async () => {
    const file = join(folder, 'killed.json');
    let kept = 0;
    for (const linesBefore of [1, 4, 9]) {
      const child = startChild(file, 'counting');
      const lines = createInterface(child.stdout);
      const exited = once(child, 'exit');
      let resolved = 0;
      for await (const line of lines) {
        resolved = Number(line);
        if (resolved - kept === linesBefore) child.kill('SIGKILL');
      }
      await exited;
      await using store = await openFileStore(file);
      kept = (await store.transaction((state) => state.registrationId)) ?? 0;
      assert.ok(kept === resolved || kept === resolved + 1, `kept ${kept} of ${resolved}`);
    }
  });
});

describe('a conversation on the file store', () => {
  it('loses and doubles nothing when its process is killed between any two awaits', async () => {
    // test/nightly/crypto-crashes.test.ts kills a thousand
    assert.ok((await checkKilledProcesses(3)) > 0);
  });
});

/** Starts a process that opens the store, says so, and commits numbers until it is killed. */
function startChild(file: string, name: string) {
  const script = `
    import { openFileStore } from ${JSON.stringify(join(import.meta.dirname, '../../client/file-store.ts'))};
    try {
      const store = await openFileStore(${JSON.stringify(file)});
      for (;;) console.log(await store.transaction((state) => (state.registrationId = (state.registrationId ?? 0) + 1)));
    } catch (err) {
      console.log(err.code ?? err);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.on('error', (err) => assert.fail(`${name}: ${err}`));
  return child;
}

async function linesOf(child: ReturnType<typeof startChild>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) lines.push(line);
  return lines;
}
