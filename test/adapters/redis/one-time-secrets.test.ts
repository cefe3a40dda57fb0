// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createOneTimeSecrets, type OneTimeSecrets } from '../../../adapters/redis/one-time-secrets.ts';
import { connectTestRedis, testBox } from '../../support/redis.ts';

let redis: Redis;
let oneTimeSecrets: OneTimeSecrets;

before(() => {
  redis = connectTestRedis();
  oneTimeSecrets = createOneTimeSecrets(redis, testBox());
});
after(() => redis.disconnect());

describe('createOneTimeSecrets()', () => {
  it('returns a value as often as it is read, so that a killed activity can be retried', async () => {
    const reference = await oneTimeSecrets.put({ password: 'päss wörd', pin: '4711' });
    for (let time = 0; time < 3; time++) {
      assert.deepEqual(await oneTimeSecrets.read(reference), { password: 'päss wörd', pin: '4711' });
    }
  });

  it('returns nothing after removal', async () => {
    const reference = await oneTimeSecrets.put('secret');
    await oneTimeSecrets.remove(reference);
    assert.equal(await oneTimeSecrets.read(reference), undefined);
    await oneTimeSecrets.remove(reference);
  });

  it('keeps a value for two minutes; reading does not extend that', async () => {
    const earliest = Date.now() + 120_000;
    const key = `secret:${await oneTimeSecrets.put('secret')}`;
    const latest = Date.now() + 120_000;
    const endsAt = await redis.pexpiretime(key);
    assert.ok(endsAt >= earliest - 1 && endsAt <= latest + 1, `${endsAt}, not ${earliest} to ${latest}`);
    await oneTimeSecrets.read(key.slice('secret:'.length));
    assert.equal(await redis.pexpiretime(key), endsAt);
  });

  it('returns nothing for an unknown reference', async () => {
    assert.equal(await oneTimeSecrets.read('never'), undefined);
  });

  it('stores nothing in plain text, and uses a new reference for each value', async () => {
    const references = await Promise.all(Array.from({ length: 20 }, () => oneTimeSecrets.put('canary-password')));
    assert.equal(new Set(references).size, 20);
    for (const reference of references) {
      assert.match(reference, /^[\w-]{43}$/);
      assert.equal((await redis.get(`secret:${reference}`))?.includes('canary'), false);
    }
  });

  it('cannot be made, changed or moved by others: what they write is as if it were not there', async () => {
    const [one, other] = [await oneTimeSecrets.put('hers'), await oneTimeSecrets.put('his')];
    assert.equal(await createOneTimeSecrets(redis, testBox()).read(one), undefined);
    const moved = (await redis.get(`secret:${other}`)) ?? '';
    for (const forged of [moved, moved.slice(0, -2), 'x', '12345678.AAAA']) {
      await redis.set(`secret:${one}`, forged);
      assert.equal(await oneTimeSecrets.read(one), undefined);
    }
    assert.equal(await oneTimeSecrets.read(other), 'his');
  });
});
