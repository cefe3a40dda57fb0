import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as otherWork } from 'node:timers/promises';
import { hash } from 'argon2';
import { createPasswords, type Hashing } from '../../adapters/passwords.ts';

const pepper = randomBytes(32);
const peppers = [{ id: '00000001', key: pepper }] as const;
const passwords = createPasswords(peppers, 2);

describe('createPasswords()', () => {
  it('verifies the same secret and no other', async () => {
    const phc = await passwords.hash('pässwörd 👋');
    assert.equal(await passwords.verify(phc, 'pässwörd 👋'), true);
    assert.equal(await passwords.verify(phc, 'passwörd 👋'), false);
    assert.equal(await passwords.verify(phc, ''), false);
  });

  it('F5: compares prepared secrets (RFC 8265), and still accepts what was hashed as it was typed', async () => {
    const [composed, decomposed] = ['Grüße-aus-Köln-élève-4471'].flatMap((text) => [
      text.normalize('NFC'),
      text.normalize('NFD'),
    ]) as [string, string];
    const phc = await passwords.hash(composed);
    assert.equal(await passwords.verify(phc, decomposed), true);
    assert.equal(await passwords.verify(await passwords.hash(`${decomposed}\u00a0x`), `${composed} x`), true);
    assert.equal(await passwords.verify(phc, composed.replace('4', '\uff14')), false);
    const unprepared = await hash(decomposed, { secret: pepper });
    assert.equal(await passwords.verify(unprepared, decomposed), true);
    assert.equal(await passwords.verify(unprepared, composed), false);
  });

  it('salts: hashing the same secret twice gives different strings', async () => {
    const strings = await Promise.all(Array.from({ length: 4 }, () => passwords.hash('4711')));
    assert.equal(new Set(strings).size, 4);
  });

  it('verifies nothing without the pepper, which is not in the string', async () => {
    const phc = await passwords.hash('correct horse');
    assert.equal(
      await createPasswords([{ id: '00000002', key: randomBytes(32) }], 1).verify(phc, 'correct horse'),
      false,
    );
    for (const form of ['base64', 'base64url', 'hex'] as const)
      assert.equal(phc.includes(pepper.toString(form)), false);
  });

  it('runs a bounded number of jobs at once, and all of them eventually', async () => {
    for (const max of [1, 2]) {
      const running: PromiseWithResolvers<string>[] = [];
      const begun: string[] = [];
      const begin = (job: string) => {
        const run = Promise.withResolvers<string>();
        running.push(run);
        begun.push(job);
        return run.promise;
      };
      const held: Hashing = {
        hash: (secret) => begin(`hash ${secret}`),
        verify: async (_phc, secret) => (await begin(`verify ${secret}`)) === 'right',
      };
      const hasher = createPasswords(peppers, max, held);
      const jobs = [hasher.hash('1'), hasher.verify('phc', '2'), hasher.hash('3'), hasher.verify('phc', '4')];
      const order = ['hash 1', 'verify 2', 'hash 3', 'verify 4'];
      for (let ended = 0; ended < jobs.length; ended++) {
        await otherWork();
        assert.deepEqual(begun, order.slice(0, ended + max));
        running[ended]?.resolve(ended === 1 ? 'right' : 'wrong');
      }
      assert.deepEqual(await Promise.all(jobs), ['wrong#00000001', true, 'wrong#00000001', false]);
    }
  });

  it('continues after a job that failed', async () => {
    const hasher = createPasswords(peppers, 1);
    const failing = hasher.verify('no PHC string', 'x');
    const following = hasher.hash('x');
    await assert.rejects(failing);
    assert.match(await following, /^\$argon2id/);
  });

  it('leaves threads to files and host names: they are answered while every turn is taken', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vyry-threads-'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // to open a pipe for reading occupies a thread of the pool until somebody opens it for writing
    const occupy = async () => {
      const file = await open(pipe, 'r');
      await file.close();
      return '';
    };
    const hasher = createPasswords(peppers, 2, { hash: occupy, verify: async () => (await occupy()) === '' });
    const jobs = Array.from({ length: 20 }, () => hasher.hash('x'));
    await Promise.all([stat(folder), lookup('localhost')]);
    const writer = openSync(pipe, 'r+');
    await Promise.all(jobs);
    closeSync(writer);
    await rm(folder, { recursive: true });
  });

  it('does not block the event loop: hashing runs on other threads', async () => {
    const [ofAll, ofThis] = [process.cpuUsage(), process.threadCpuUsage()];
    await Promise.all(Array.from({ length: 8 }, () => passwords.hash('x')));
    const [all, here] = [process.cpuUsage(ofAll).user, process.threadCpuUsage(ofThis).user];
    assert.ok(here < all / 2, `${here} of ${all} µs of work`);
  });
});
