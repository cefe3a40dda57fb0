import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { createPasswords } from '../../adapters/passwords.ts';

const pepper = randomBytes(32);
const passwords = createPasswords(pepper, 2);

describe('createPasswords()', () => {
  it('makes PHC strings of Argon2id with the parameters of OWASP', async () => {
    const [, type, version, parameters = '', salt = '', hash = ''] = (await passwords.hash('correct horse')).split('$');
    assert.deepEqual([type, version], ['argon2id', 'v=19']);
    assert.deepEqual(parameters.split(',').sort(), ['m=19456', 'p=1', 't=2']);
    assert.ok(Buffer.from(salt, 'base64').length >= 16);
    assert.equal(Buffer.from(hash, 'base64').length, 32);
  });

  it('knows a secret again, and no other', async () => {
    const phc = await passwords.hash('pässwörd 👋');
    assert.equal(await passwords.verify(phc, 'pässwörd 👋'), true);
    assert.equal(await passwords.verify(phc, 'passwörd 👋'), false);
    assert.equal(await passwords.verify(phc, ''), false);
  });

  it('salts: the same secret never has the same string', async () => {
    const strings = await Promise.all(Array.from({ length: 4 }, () => passwords.hash('4711')));
    assert.equal(new Set(strings).size, 4);
  });

  it('is worth nothing without the pepper, which is not in the string', async () => {
    const phc = await passwords.hash('correct horse');
    assert.equal(await createPasswords(randomBytes(32), 1).verify(phc, 'correct horse'), false);
    for (const form of ['base64', 'base64url', 'hex'] as const)
      assert.equal(phc.includes(pepper.toString(form)), false);
  });

  it('computes a bounded number at once, and all of them in the end', async () => {
    const one = createPasswords(pepper, 1);
    const many = createPasswords(pepper, 2);
    const timed = async (hasher: typeof one) => {
      const ends: number[] = [];
      const begin = performance.now();
      const jobs = Array.from({ length: 6 }, () => hasher.hash('x').then(() => ends.push(performance.now() - begin)));
      await Promise.all(jobs);
      return ends;
    };
    for (const hasher of [one, many]) {
      const ends = await timed(hasher);
      assert.equal(ends.length, 6);
      // unbounded, all six would end together
      assert.ok((ends[0] ?? 0) < (ends[5] ?? 0) * 0.75, ends.map(Math.round).join(' '));
    }
  });

  it('goes on after one that failed', async () => {
    const hasher = createPasswords(pepper, 1);
    const failing = hasher.verify('no PHC string', 'x');
    const following = hasher.hash('x');
    await assert.rejects(failing);
    assert.match(await following, /^\$argon2id/);
  });

  it('does not hold the process up while it computes', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await Promise.all(Array.from({ length: 4 }, () => passwords.hash('x')));
    clearInterval(timer);
    assert.ok(ticks >= 5, `${ticks} ticks`);
  });
});
