/** A connection to the shared Redis for tests of one adapter, and keys nobody else has. */
import { randomBytes } from 'node:crypto';
import { connectRedis, type Redis } from '../../adapters/redis/connect.ts';
import { Secret } from '../../platform/config.ts';
import { type Box, createBox, type KeyPurpose } from '../../platform/crypto.ts';
import { testEngines } from './engines.ts';

/** Connects; errors of the connection fail the test that runs. */
export function connectTestRedis(): Redis {
  return connectRedis(testEngines().redisUrl, (err) => {
    throw err;
  });
}

/** A name that no other test uses. */
export function uniqueName(prefix = 'test'): string {
  return `${prefix}-${randomBytes(8).toString('hex')}`;
}

/** A box with a key of its own. */
export function testBox(purpose: KeyPurpose = 'seal'): Box {
  return createBox(purpose, new Secret(randomBytes(32).toString('base64')));
}

/** Runs a job that many times at once and answers all results. */
export function atOnce<T>(times: number, job: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => job(index)));
}
