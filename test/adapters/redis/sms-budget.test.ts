// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createSmsBudget } from '../../../adapters/redis/sms-budget.ts';
import { atOnce, connectTestRedis } from '../../support/redis.ts';

let redis: Redis;

before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

describe('createSmsBudget()', () => {
  it('spends up to the daily limit, also in parallel, and starts over the next day', async () => {
    const smsBudget = createSmsBudget(redis);
    // a day far from today, so that no other test spends its budget
    const day = Date.UTC(2100 + Math.floor(Math.random() * 5000), 0, 1, 12);
    const spent = await atOnce(50, () => smsBudget.spend(75, 1000, day));
    assert.equal(spent.filter(({ allowed }) => allowed).length, 13);
    assert.equal((await smsBudget.spend(75, 1000, day)).resetSeconds, 43_200);
    await smsBudget.refund(75, day);
    assert.equal((await smsBudget.spend(75, 1000, day)).allowed, true);
    assert.equal((await smsBudget.spend(75, 1000, day + 43_200_000)).allowed, true);
  });
});
