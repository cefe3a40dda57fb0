// @rerun never
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { aclFile, redisUrlOf } from '../../adapters/redis/acl.ts';
import { readConfig } from '../../platform/config/config.ts';
import { roles } from '../../platform/config/roles.ts';
import { Secret } from '../../platform/config/secret.ts';
import { keyIdOf } from '../../platform/crypto.ts';
import { purposesOf } from '../../platform/keyring.ts';
import { jsonOf, runVyry } from '../support/vyry.ts';

const newKey = () => randomBytes(32).toString('base64');
const roots = { PAYLOAD_KEY: newKey(), DATA_KEY: newKey(), AUDIT_KEY: newKey() };
const beside = { PAYLOAD_KEYS_OLD: newKey(), DATA_KEY_NEXT: newKey() };

describe('vyry keys', () => {
  it('roles prints the keys of each role, with which it starts, and no root key', async () => {
    const { code, stdout } = await runVyry(['keys', 'roles'], { env: { ...roots, ...beside } });
    assert.equal(code, 0);
    const lines = stdout.trim().split('\n');
    assert.deepEqual(
      lines.map((line) => line.split('=')[0]),
      roles.map((role) => `KEYS_${role.toUpperCase()}`),
    );
    for (const root of Object.values({ ...roots, ...beside })) assert.equal(stdout.includes(root), false);
    for (const [index, role] of roles.entries()) {
      const KEYS = lines[index]?.slice(`KEYS_${role}=`.length) ?? '';
      const complaint = (() => {
        try {
          readConfig(role, { KEYS });
          return '';
        } catch (err) {
          return (err as Error).message;
        }
      })();
      assert.doesNotMatch(complaint, /KEYS/, role);
      assert.equal(new Set(KEYS.split(' ').map((key) => key.split('.')[0])).size, purposesOf(role).length, role);
    }
  });

  it('roles names each root key that is missing or invalid, and prints none', async () => {
    const { code, stdout, stderr } = await runVyry(['keys', 'roles'], {
      env: { ...roots, DATA_KEY: 'short', AUDIT_KEY: '' },
    });
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /DATA_KEY must be 32 bytes in base64[\s\S]*AUDIT_KEY is missing/);
    assert.doesNotMatch(stderr, /short/);
  });

  it('status prints the ids of all root keys', async () => {
    const idOf = (key: string) => keyIdOf(new Secret(key));
    const found = jsonOf(await runVyry(['keys', 'status', '--json'], { env: { ...roots, ...beside } }));
    assert.deepEqual(found, [
      { name: 'PAYLOAD_KEY', current: idOf(roots.PAYLOAD_KEY), older: [idOf(beside.PAYLOAD_KEYS_OLD)] },
      { name: 'DATA_KEY', current: idOf(roots.DATA_KEY), older: [], next: idOf(beside.DATA_KEY_NEXT) },
      { name: 'AUDIT_KEY', current: idOf(roots.AUDIT_KEY), older: [] },
    ]);
  });
});

describe('vyry redis-acl', () => {
  it('prints the ACL file, also with the passwords of earlier keys', async () => {
    const [key, older] = [newKey(), newKey()];
    const { stdout } = await runVyry(['redis-acl'], { env: { REDIS_ACL_KEY: key, REDIS_ACL_KEYS_OLD: older } });
    assert.equal(stdout, aclFile(new Secret(key), [new Secret(older)]));
    assert.match(stdout, /^user api on #[0-9a-f]{64} #[0-9a-f]{64} resetchannels -@all /m);
    const { code, stderr } = await runVyry(['redis-acl'], { env: {} });
    assert.equal(code, 1);
    assert.match(stderr, /REDIS_ACL_KEY is not set/);
  });

  it('--urls keeps TLS, the host or the name of the primary, and the database', async () => {
    const key = newKey();
    for (const url of ['rediss://redis.example:6380/2', 'redis://someone:else@main']) {
      const env = { REDIS_ACL_KEY: key, REDIS_URL: url };
      const urls = jsonOf(await runVyry(['redis-acl', '--urls', '--json'], { env }));
      for (const role of [...roles, 'operator', 'default'] as const) {
        assert.equal(urls[role], redisUrlOf(url, new Secret(key), role));
        const [own, given] = [new URL(urls[role]), new URL(url)];
        assert.deepEqual(
          [own.username, own.protocol, own.host, own.pathname],
          [role, given.protocol, given.host, given.pathname],
        );
      }
    }
  });
});
