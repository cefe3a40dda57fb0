import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { debianProgram, findProgram, missingEngine, obtain, type Way } from '../../engines/obtain.ts';
import { runTool } from '../../engines/tools.ts';

describe('obtain()', () => {
  const cache = mkdtempSync(join(tmpdir(), 'vyry-cache-'));
  const before_ = process.env.VYRY_CACHE;
  const said: string[] = [];
  let owner: DataFolder;
  before(async () => {
    process.env.VYRY_CACHE = cache;
    owner = await openTemporaryFolder((line) => said.push(line));
  });
  after(async () => {
    await owner.close();
    if (before_ === undefined) delete process.env.VYRY_CACHE;
    else process.env.VYRY_CACHE = before_;
    rmSync(cache, { recursive: true });
  });

  function way(content: string, { isPossible = true, begun = () => {}, goesOn = Promise.resolve() } = {}): Way {
    return {
      what: content,
      isPossible,
      async make(folder) {
        begun();
        await goesOn;
        writeFileSync(join(folder, 'program'), content);
      },
    };
  }
  const broken: Way = {
    what: 'a broken way',
    isPossible: true,
    make: async (folder) => {
      writeFileSync(join(folder, 'half'), '');
      throw new Error('no network');
    },
  };

  it('installs a program once and reports it', async () => {
    const first = await obtain('once', [way('first')], owner);
    const second = await obtain('once', [way('second')], owner);
    assert.equal(first, second);
    assert.equal(readFileSync(join(first, 'program'), 'utf8'), 'first');
    assert.equal(said.filter((line) => line.startsWith('Getting once from first')).length, 1);
  });

  it('tries the next way when one fails, and leaves nothing incomplete', async () => {
    const folder = await obtain('next', [way('impossible', { isPossible: false }), broken, way('works')], owner);
    assert.deepEqual(readdirSync(folder), ['program']);
    assert.ok(said.some((line) => line.includes('failed: a broken way: no network')));
  });

  it('reports every reason when no way works, and leaves nothing', async () => {
    await assert.rejects(obtain('never', [broken], owner), /a broken way: no network/);
    assert.deepEqual(
      readdirSync(cache).filter((name) => name.includes('never')),
      [],
    );
  });

  it('leaves nothing incomplete when the folder of the caller is closed', async () => {
    const closed = await openTemporaryFolder();
    const made = Promise.withResolvers<void>();
    const make = async (target: string) => {
      writeFileSync(join(target, 'half'), '');
      made.resolve();
      await runTool(closed, 'sleep', ['600']);
    };
    const asked = obtain('closed', [{ what: 'a slow way', isPossible: true, make }, way('next')], closed);
    await Promise.all([assert.rejects(asked, /Stopped/), made.promise.then(() => closed.close())]);
    assert.deepEqual(
      readdirSync(cache).filter((name) => name.includes('closed')),
      [],
    );
  });

  it('returns the same complete program to two parallel callers', async () => {
    const both = Promise.withResolvers<void>();
    let makers = 0;
    const begun = () => {
      makers += 1;
      if (makers === 2) both.resolve();
    };
    const meeting = (content: string) => way(content, { begun, goesOn: both.promise });
    const folders = await Promise.all([obtain('twice', [meeting('a')], owner), obtain('twice', [meeting('b')], owner)]);
    assert.equal(folders[0], folders[1]);
    assert.match(readFileSync(join(folders[0] ?? '', 'program'), 'utf8'), /^[ab]$/);
    assert.deepEqual(
      readdirSync(cache).filter((name) => name.startsWith('.')),
      [],
    );
  });
});

describe('debianProgram()', () => {
  it('finds programs on the PATH and in the server directories of Debian, and then installs nothing', async () => {
    await using owner = await openTemporaryFolder(assert.fail);
    assert.equal(await debianProgram('node', ['no-such-package'], owner), findProgram('node'));
    assert.ok(existsSync(await debianProgram('redis-server', ['no-such-package'], owner)));
  });
});

describe('missingEngine()', () => {
  it('names the engine, three ways to provide it and the docker command', () => {
    const { message } = missingEngine({
      name: 'Redis',
      urlVariable: 'REDIS_URL',
      program: 'redis-server 7',
      obtain: 'run this as root on Debian',
      service: 'redis',
      cause: new Error('no network'),
    });
    for (const part of [
      'Redis is missing',
      'REDIS_URL',
      'docker compose up -d redis',
      'redis-server 7',
      'as root',
      'no network',
    ]) {
      assert.ok(message.includes(part), part);
    }
  });
});
