import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { permissionArguments } from '../../workers/permissions.ts';

let root = '';

before(() => {
  root = mkdtempSync(join(tmpdir(), 'vyry-permissions-'));
  mkdirSync(join(root, 'workers'));
});
after(() => rmSync(root, { recursive: true }));

function argumentsOf(firstLines: string, env: Record<string, string> = {}): string[] {
  writeFileSync(join(root, 'workers/role.ts'), `${firstLines}\nexport {};\n`);
  return permissionArguments(root, 'workers/role.ts', env);
}

describe('permissionArguments()', () => {
  it('refuses a program without a permissions line', () => {
    assert.throws(() => argumentsOf('/** A role. */'), /workers\/role\.ts declares no permissions/);
  });

  it('refuses an unknown permission', () => {
    for (const grant of ['child', 'everything', 'net; worker', 'read()', 'read(relative/path)', 'write(/tmp)', '']) {
      assert.throws(() => argumentsOf(`// @permissions net, ${grant}`), /asks for an unknown permission/, grant);
    }
  });

  it('grants the listed permissions, and read access to the code', () => {
    const given = argumentsOf('// @permissions net, addons, worker');
    assert.equal(given[0], '--permission');
    for (const flag of ['--allow-net', '--allow-addons', '--allow-worker']) assert.ok(given.includes(flag), flag);
    assert.ok(given.includes(`--allow-fs-read=${join(root, 'workers')}`));
    assert.ok(given.includes(`--allow-fs-read=${join(root, 'node_modules')}`));
  });

  it('grants nothing else', () => {
    const given = argumentsOf('// @permissions net');
    const allows = given.filter((text) => text.startsWith('--allow') && !text.startsWith('--allow-fs-read='));
    assert.deepEqual(allows, ['--allow-net']);
    assert.equal(given.includes('--allow-fs-read=*'), false);
    assert.equal(given.includes(`--allow-fs-read=${root}`), false);
  });

  it('disables SQLite, which the permission model does not cover', () => {
    assert.ok(argumentsOf('// @permissions net').includes('--no-experimental-sqlite'));
  });

  it('grants read access to one file, given by path or by a variable', () => {
    const given = argumentsOf('// @permissions read(/etc/one-file), read(SOME_FILE)', { SOME_FILE: '/srv/other' });
    assert.ok(given.includes('--allow-fs-read=/etc/one-file'));
    assert.ok(given.includes('--allow-fs-read=/srv/other'));
  });

  it('grants the files that are read again when they change, as their variables name them, and no others', () => {
    const env = {
      REDIS_CA: 'file:/run/ca.pem',
      REDIS_KEY: '',
      TEMPORAL_API_KEY: 'a-key',
      LDAP_URL: 'file:/etc/shadow',
    };
    const given = argumentsOf('// @permissions net, files', env);
    const others = argumentsOf('// @permissions net');
    assert.deepEqual(
      given.filter((text) => !others.includes(text)),
      ['--allow-fs-read=/run/ca.pem'],
    );
  });

  it('grants nothing when the variable is empty', () => {
    const given = argumentsOf('// @permissions net, read(SOME_FILE)', { SOME_FILE: '' });
    assert.deepEqual(given, argumentsOf('// @permissions net'));
    assert.throws(() => argumentsOf('// @permissions read(SOME_FILE)'), /unknown permission/);
  });
});
