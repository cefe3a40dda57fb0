// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createIdempotency, type Idempotency } from '../../../adapters/redis/idempotency.ts';
import { assertLife, atOnce, connectTestRedis, testCipher, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let idempotency: Idempotency;

before(() => {
  redis = connectTestRedis();
  idempotency = createIdempotency(redis, testCipher('idempotency'));
});
after(() => redis.disconnect());

describe('idempotency-reserve.lua', () => {
  it('returns the ids generated for the first request to every repeat', async () => {
    const key = uniqueName();
    assert.deepEqual(await idempotency.reserve(key, 'body', { id: 1 }), { sameBody: true, minted: { id: 1 } });
    assert.deepEqual(await idempotency.reserve(key, 'body', { id: 2 }), { sameBody: true, minted: { id: 1 } });
  });

  it('returns the same ids to 50 parallel requests', async () => {
    const key = uniqueName();
    const reservations = await atOnce(50, (index) => idempotency.reserve(key, 'body', { id: index }));
    const ids = new Set(reservations.map(({ minted }) => (minted as { id: number }).id));
    assert.equal(ids.size, 1);
  });

  it('detects a request with another body, also among parallel ones', async () => {
    const key = uniqueName();
    const reservations = await atOnce(20, (index) => idempotency.reserve(key, `body ${index % 2}`, { id: index }));
    assert.equal(reservations.filter(({ sameBody }) => sameBody).length, 10);
    assert.equal((await idempotency.reserve(key, 'a third', {})).sameBody, false);
  });

  it('remembers a key for a day after its first use', async () => {
    const name = uniqueName();
    const key = `idempotency:${name}`;
    await assertLife(redis, { key, seconds: 86_400 }, () => idempotency.reserve(name, 'body', {}));
    const endsAt = await redis.pexpiretime(key);
    await idempotency.reserve(name, 'body', {});
    assert.equal(await redis.pexpiretime(key), endsAt);
  });

  it('accepts an operation that generates nothing', async () => {
    assert.equal((await idempotency.reserve(uniqueName(), 'body', undefined)).minted, null);
  });
});

describe('createIdempotency()', () => {
  it('keeps the first response', async () => {
    const key = uniqueName();
    await idempotency.reserve(key, 'body', {});
    assert.equal('answer' in (await idempotency.reserve(key, 'body', {})), false);
    await atOnce(10, (index) => idempotency.keep(key, { index }));
    const { answer } = await idempotency.reserve(key, 'body', {});
    await idempotency.keep(key, { index: 'late' });
    assert.deepEqual((await idempotency.reserve(key, 'body', {})).answer, answer);
  });

  it('keeps different keys apart', async () => {
    const [one, other] = [uniqueName(), uniqueName()];
    await idempotency.reserve(one, 'body', { id: 1 });
    assert.deepEqual((await idempotency.reserve(other, 'body', { id: 2 })).minted, { id: 2 });
  });

  it('stores neither the generated ids nor the response in plain text', async () => {
    const key = uniqueName();
    await idempotency.reserve(key, 'body', { token: 'canary-minted' });
    await idempotency.keep(key, { token: 'canary-answer' });
    const stored = JSON.stringify(await redis.hgetall(`idempotency:${key}`));
    assert.equal(stored.includes('canary'), false);
    assert.ok(stored.includes('minted'));
  });
});
