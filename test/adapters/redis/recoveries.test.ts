import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createRecoveries, type NewRecovery, type Recoveries } from '../../../adapters/redis/recoveries.ts';
import { newToken } from '../../../platform/crypto.ts';
import { atOnce, connectTestRedis, testCipher, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let recoveries: Recoveries;

before(() => {
  redis = connectTestRedis();
  recoveries = createRecoveries(redis, testCipher());
});
after(() => redis.disconnect());

const recovery = (): NewRecovery => ({
  userId: 'user-1',
  channel: 'email',
  tokens: { reset: newToken(), stop: newToken() },
  ttlSeconds: 600,
});

describe('createRecoveries()', () => {
  it('keeps the tokens of the first start, each for its own use', async () => {
    const [id, first] = [uniqueName(), recovery()];
    assert.deepEqual(await recoveries.start(id, first), first.tokens);
    assert.deepEqual(await recoveries.start(id, recovery()), first.tokens);
    assert.equal((await recoveries.find(first.tokens.reset, 'reset'))?.recoveryId, id);
    assert.equal(await recoveries.find(first.tokens.reset, 'stop'), undefined);
  });

  it('is claimed by one of 50 parallel uses, and again only after a refund', async () => {
    const id = uniqueName();
    await recoveries.start(id, recovery());
    const claims = await atOnce(50, () => recoveries.take(id));
    assert.equal(claims.filter(Boolean).length, 1);
    await recoveries.refund(id);
    assert.equal(await recoveries.take(id), true);
  });

  it('is open for its user until it ends', async () => {
    const [first, second, userId] = [uniqueName(), uniqueName(), uniqueName('user')];
    assert.equal(await recoveries.openSeconds(userId), 0);
    await recoveries.start(first, { ...recovery(), userId, ttlSeconds: 900 });
    await recoveries.start(second, { ...recovery(), userId });
    assert.equal(await recoveries.openSeconds(userId), 900);
    await recoveries.end(first);
    assert.equal(await recoveries.openSeconds(userId), 600);
    await recoveries.end(second);
    assert.equal(await recoveries.openSeconds(userId), 0);
  });

  it('is not claimed after its end, and leaves nothing that never expires', async () => {
    const id = uniqueName();
    await recoveries.start(id, recovery());
    await recoveries.end(id);
    assert.equal(await recoveries.take(id), false);
    assert.equal(await redis.exists(`recovery:${id}`), 0);
  });
});
