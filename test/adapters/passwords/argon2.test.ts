import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { hash } from 'argon2';
import { argon2, loadArgon2, loadC, loadRust } from '../../../adapters/passwords/argon2.ts';
import { permissionArguments } from '../../../workers/permissions.ts';
import { linesOf, projectFolder, runModule } from '../../support/node-process.ts';

const packages = await Promise.all([loadRust(), loadC()]);
const pepper = randomBytes(32);

/** Passwords that a package could encode, cut or normalise in its own way. */
const secrets = [
  '',
  '4711',
  'pässwörd 👋',
  'Grüße-aus-Köln'.normalize('NFD'),
  'a\u0000b',
  'lone \ud800 surrogate',
  '\u202eabc\u200d👩‍👩‍👧‍👦',
  '文'.repeat(128),
];

describe('each package', () => {
  it('makes PHC strings of Argon2id with the OWASP parameters', async () => {
    for (const made of packages) {
      const [, type, version, parameters = '', salt = '', tag = ''] = (await made.hash('x', pepper)).split('$');
      assert.deepEqual([type, version], ['argon2id', 'v=19'], made.package);
      assert.deepEqual(parameters.split(',').sort(), ['m=19456', 'p=1', 't=2']);
      assert.equal(Buffer.from(salt, 'base64').length, 16);
      assert.equal(Buffer.from(tag, 'base64').length, 32);
    }
  });

  it('verifies what each of them made of any text, and nothing else', async () => {
    for (const made of packages) {
      for (const secret of secrets) {
        const phc = await made.hash(secret, pepper);
        const isRight = packages.map((judge) => judge.verify(phc, secret, pepper));
        assert.deepEqual(await Promise.all(isRight), [true, true], `${made.package}: ${secret}`);
      }
      const ofBytes = await made.hash(Buffer.from('bytes'), pepper);
      for (const judge of packages) {
        assert.equal(await judge.verify(ofBytes, 'bytes', pepper), true);
        assert.equal(await judge.verify(ofBytes, 'bytes ', pepper), false);
      }
    }
  });

  it('verifies with the same pepper only, also an empty one', async () => {
    for (const made of packages) {
      for (const other of [Buffer.alloc(0), Buffer.alloc(1), randomBytes(64)]) {
        const phc = await made.hash('x', other);
        const isRight = packages.flatMap((judge) => [judge.verify(phc, 'x', other), judge.verify(phc, 'x', pepper)]);
        assert.deepEqual(await Promise.all(isRight), [true, false, true, false], made.package);
      }
    }
  });

  it('takes the parameters from the string: stronger ones, and several lanes', async () => {
    const stronger = await hash('x', { secret: pepper, memoryCost: 32_768, timeCost: 3, parallelism: 4 });
    for (const judge of packages) {
      assert.equal(await judge.verify(stronger, 'x', pepper), true, judge.package);
      assert.equal(await judge.verify(stronger, 'y', pepper), false, judge.package);
    }
  });

  it('refuses what is no PHC string', async () => {
    for (const judge of packages) {
      for (const text of ['', 'no PHC string', '$argon2id$v=19$m=19456,t=2,p=1$abc']) {
        await assert.rejects(judge.verify(text, 'x', pepper), judge.package);
      }
    }
  });

  it('works with the permissions of the processes that hash', async () => {
    const flags = permissionArguments(projectFolder, 'api/main.ts', { GEOIP_DATABASE: '', WEB_FOLDER: '' });
    for (const load of ['loadRust', 'loadC']) {
      const program = `
        import { ${load} as load } from './adapters/passwords/argon2.ts';
        const argon2 = await load();
        const phc = await argon2.hash('x', Buffer.alloc(32));
        console.log(JSON.stringify({ package: argon2.package, isRight: await argon2.verify(phc, 'x', Buffer.alloc(32)) }));`;
      const { stdout, stderr } = await runModule(program, { flags: ['--disable-warning=SecurityWarning', ...flags] });
      const expected = packages[load === 'loadRust' ? 0 : 1]?.package;
      assert.deepEqual(linesOf(stdout), [{ package: expected, isRight: true }], stderr);
    }
  });
});

describe('loadArgon2()', () => {
  const missing = async () => {
    throw new Error('Cannot find native binding');
  };

  it('prefers the faster package, and takes the other where that has no binary', async () => {
    assert.equal(argon2.package, '@node-rs/argon2');
    assert.equal((await loadArgon2([missing, loadC])).package, 'argon2');
  });

  it('names the platform and every reason when none loads', async () => {
    await assert.rejects(loadArgon2([missing, missing]), (err: AggregateError) => {
      assert.match(err.message, new RegExp(`${process.platform} ${process.arch}`));
      assert.equal(err.errors.length, 2);
      return true;
    });
  });
});
