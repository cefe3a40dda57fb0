/** A connection to the shared Redis for adapter tests, and unique names for keys. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connectRedis, type Redis } from '../../adapters/redis/connect.ts';
import { Secret } from '../../platform/config/secret.ts';
import { type Cipher, createCipher, createRecordMac } from '../../platform/crypto.ts';
import { type Box, type BoxName, deriveKeys, type KeyPurpose, parseKeyRing } from '../../platform/keyring.ts';
import { testEngines } from './engines.ts';

/** Names the nodes of the Redis Cluster that `test/adapters/redis/cluster.test.ts` runs the other files of its folder on. */
export const clusterVariable = 'VYRY_TEST_REDIS_CLUSTER_NODES';

/** Returns whether `connectTestRedis` connects to a Redis Cluster. */
export function isOnCluster(): boolean {
  return Boolean(process.env[clusterVariable]);
}

/** Connects with a timeout longer than any response takes; connection errors fail the running test. */
export function connectTestRedis(): Redis {
  const unexpected = (err: Error) => {
    throw err;
  };
  const clusterNodes = JSON.parse(process.env[clusterVariable] || 'null') ?? undefined;
  return connectRedis({ url: testEngines().redisUrl, clusterNodes }, unexpected, { timeoutMs: 600_000 });
}

/** Returns a name that no other test uses. */
export function uniqueName(prefix = 'test'): string {
  return `${prefix}-${randomBytes(8).toString('hex')}`;
}

/** Returns a cipher with a random key. */
export function testCipher(purpose: KeyPurpose = 'secret'): Cipher {
  return createCipher(purpose, new Secret(randomBytes(32).toString('base64')));
}

/** Authenticates the sessions of a test, with a random key. */
export const testSessionMacs = {
  sessions: createRecordMac([{ id: '00000001', key: randomBytes(32) }]),
  persons: createRecordMac([{ id: '00000001', key: randomBytes(32) }]),
};

/** Returns a box with random keys, that seals and opens. */
export function testBox(name: BoxName = 'secret-registration'): Box {
  const root = new Secret(randomBytes(32).toString('base64'));
  const roots = { PAYLOAD_KEY: { current: root }, DATA_KEY: { current: root }, AUDIT_KEY: { current: root } };
  return parseKeyRing(deriveKeys('operator', roots)).box(name);
}

/** Asserts that a key whose TTL `begin` starts expires `seconds` later, however long `begin` takes. */
export async function assertLife(
  redis: Redis,
  { key, seconds }: { key: string; seconds: number },
  begin: () => Promise<unknown>,
): Promise<void> {
  const earliest = Date.now() + seconds * 1000;
  await begin();
  const latest = Date.now() + seconds * 1000;
  const endsAt = await redis.pexpiretime(key);
  // both clocks are truncated to milliseconds
  assert.ok(endsAt >= earliest - 1 && endsAt <= latest + 1, `${key} ends at ${endsAt}, not ${earliest} to ${latest}`);
}

/** Runs a job this many times in parallel and returns all results. */
export function atOnce<T>(times: number, job: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => job(index)));
}
