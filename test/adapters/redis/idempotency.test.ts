// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createIdempotency, type Idempotency, type Reservation } from '../../../adapters/redis/idempotency.ts';
import { assertLife, atOnce, connectTestRedis, testCipher, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let idempotency: Idempotency;

const daySeconds = 86_400;

function reserve(key: string, body: string, minted: unknown): Promise<Reservation> {
  return idempotency.reserve(key, body, minted, daySeconds);
}

before(() => {
  redis = connectTestRedis();
  idempotency = createIdempotency(redis, testCipher('idempotency'));
});
after(() => redis.disconnect());

describe('idempotency-reserve.lua', () => {
  it('returns the ids generated for the first request to every repeat', async () => {
    const key = uniqueName();
    const first = await reserve(key, 'body', { id: 1 });
    assert.deepEqual(first, { sameBody: true, minted: { id: 1 }, use: first.use });
    assert.deepEqual(await reserve(key, 'body', { id: 2 }), first);
  });

  it('returns the same ids to 50 parallel requests', async () => {
    const key = uniqueName();
    const reservations = await atOnce(50, (index) => reserve(key, 'body', { id: index }));
    const ids = new Set(reservations.map(({ minted }) => (minted as { id: number }).id));
    assert.equal(ids.size, 1);
  });

  it('detects a request with another body, also among parallel ones', async () => {
    const key = uniqueName();
    const reservations = await atOnce(20, (index) => reserve(key, `body ${index % 2}`, { id: index }));
    assert.equal(reservations.filter(({ sameBody }) => sameBody).length, 10);
    assert.equal((await reserve(key, 'a third', {})).sameBody, false);
  });

  it('remembers a key for the given time after its first use', async () => {
    const name = uniqueName();
    const key = `idempotency:${name}`;
    await assertLife(redis, { key, seconds: daySeconds }, () => reserve(name, 'body', {}));
    const endsAt = await redis.pexpiretime(key);
    await reserve(name, 'body', {});
    assert.equal(await redis.pexpiretime(key), endsAt);
  });

  it('accepts an operation that generates nothing', async () => {
    assert.equal((await reserve(uniqueName(), 'body', undefined)).minted, null);
  });
});

describe('createIdempotency()', () => {
  it('keeps the first response', async () => {
    const key = uniqueName();
    const { use } = await reserve(key, 'body', {});
    assert.equal('answer' in (await reserve(key, 'body', {})), false);
    const kept = await atOnce(10, (index) => idempotency.keep(key, { use, answer: { index } }, daySeconds));
    const { answer } = await reserve(key, 'body', {});
    for (const one of kept) assert.deepEqual(one, answer);
    assert.deepEqual(await idempotency.keep(key, { use, answer: { index: 10 } }, daySeconds), answer);
    assert.deepEqual((await reserve(key, 'body', {})).answer, answer);
  });

  it('F12: starts the life of the response when it is kept, and writes nothing for a key that was released', async () => {
    const [name, other] = [uniqueName(), uniqueName()];
    const { use } = await idempotency.reserve(name, 'body', {}, 60);
    const key = `idempotency:${name}`;
    await assertLife(redis, { key, seconds: daySeconds }, () =>
      idempotency.keep(name, { use, answer: {} }, daySeconds),
    );
    const released = await idempotency.reserve(other, 'body', {}, 60);
    await idempotency.release(other, released.use);
    await idempotency.keep(other, { use: released.use, answer: {} }, daySeconds);
    assert.equal(await redis.exists(`idempotency:${other}`), 0);
  });

  it('F18: forgets a use with its answer, but no later use of the same key', async () => {
    const name = uniqueName();
    const { use } = await reserve(name, 'body', { id: 1 });
    await idempotency.keep(name, { use, answer: {} }, daySeconds);
    await idempotency.release(name, use);
    assert.equal('answer' in (await reserve(name, 'body', {})), true);
    await idempotency.forget(name, use);
    assert.deepEqual((await reserve(name, 'body', { id: 2 })).minted, { id: 2 });
    await idempotency.forget(name, use);
    assert.deepEqual((await reserve(name, 'body', { id: 3 })).minted, { id: 2 });
  });

  it('keeps different keys apart', async () => {
    const [one, other] = [uniqueName(), uniqueName()];
    await reserve(one, 'body', { id: 1 });
    assert.deepEqual((await reserve(other, 'body', { id: 2 })).minted, { id: 2 });
  });

  it('stores neither the generated ids nor the response in plain text', async () => {
    const key = uniqueName();
    const { use } = await reserve(key, 'body', { token: 'canary-minted' });
    await idempotency.keep(key, { use, answer: { token: 'canary-answer' } }, daySeconds);
    const stored = JSON.stringify(await redis.hgetall(`idempotency:${key}`));
    assert.equal(stored.includes('canary'), false);
    assert.ok(stored.includes('minted'));
  });
});
