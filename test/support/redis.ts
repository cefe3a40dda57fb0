/** A connection to the shared Redis for tests of one adapter, and keys nobody else has. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connectRedis, type Redis } from '../../adapters/redis/connect.ts';
import { Secret } from '../../platform/config.ts';
import { type Cipher, createCipher, type KeyPurpose } from '../../platform/crypto.ts';
import { testEngines } from './engines.ts';

/** Connects, to wait beyond what any answer takes; errors of the connection fail the test that runs. */
export function connectTestRedis(): Redis {
  const unexpected = (err: Error) => {
    throw err;
  };
  return connectRedis(testEngines().redisUrl, unexpected, { timeoutMs: 600_000 });
}

/** A name that no other test uses. */
export function uniqueName(prefix = 'test'): string {
  return `${prefix}-${randomBytes(8).toString('hex')}`;
}

/** A box with a key of its own. */
export function testCipher(purpose: KeyPurpose = 'secret'): Cipher {
  return createCipher(purpose, new Secret(randomBytes(32).toString('base64')));
}

/** Asserts that a key whose life a job begins ends so many seconds after that, however long the job takes. */
export async function assertLife(
  redis: Redis,
  { key, seconds }: { key: string; seconds: number },
  begin: () => Promise<unknown>,
): Promise<void> {
  const earliest = Date.now() + seconds * 1000;
  await begin();
  const latest = Date.now() + seconds * 1000;
  const endsAt = await redis.pexpiretime(key);
  // both clocks are cut to milliseconds
  assert.ok(endsAt >= earliest - 1 && endsAt <= latest + 1, `${key} ends at ${endsAt}, not ${earliest} to ${latest}`);
}

/** Runs a job that many times at once and answers all results. */
export function atOnce<T>(times: number, job: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => job(index)));
}
