/** Measures how long a call to an unavailable Temporal lasts. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { createPayloadCodec } from '../../adapters/temporal/codec.ts';
import { connectTemporal, createDataConverter } from '../../adapters/temporal/connect.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createCipher } from '../../platform/crypto.ts';

it('a call ends soon after its deadline', async () => {
  const key = new Secret(randomBytes(32).toString('base64'));
  const client = connectTemporal({
    address: '127.0.0.1:1',
    namespace: 'default',
    dataConverter: createDataConverter(createPayloadCodec(createCipher('temporal', key))),
    traceCipher: createCipher('trace', key),
    record: () => undefined,
  });
  const call = (ms: number) =>
    client.withDeadline(Date.now() + ms, () => client.workflow.getHandle('none').describe()).catch(() => undefined);
  await call(1000);
  const begin = performance.now();
  await call(4000);
  const tookMs = performance.now() - begin;
  assert.ok(tookMs > 3500 && tookMs < 5000, `${tookMs} ms`);
  await client.connection.close();
});
