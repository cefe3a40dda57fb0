import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createRateLimits, type RateLimits } from '../../../adapters/redis/rate-limits.ts';
import { atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let limits: RateLimits;

before(() => {
  redis = connectTestRedis();
  limits = createRateLimits(redis);
});
after(() => redis.disconnect());

const limit = { name: 'tries', max: 3, windowSeconds: 60 };
const now = Date.now();

describe('rate-limit.lua', () => {
  it('allows as many tries as the limit and refuses the next', async () => {
    const key = uniqueName();
    const states = [];
    for (let index = 0; index < 4; index++) states.push(await limits.take(limit, key, `try ${index}`, now + index));
    assert.deepEqual(states, [
      { allowed: true, remaining: 2, resetSeconds: 60 },
      { allowed: true, remaining: 1, resetSeconds: 60 },
      { allowed: true, remaining: 0, resetSeconds: 60 },
      { allowed: false, remaining: 0, resetSeconds: 60 },
    ]);
  });

  it('allows exactly the limit of 100 parallel tries', async () => {
    const key = uniqueName();
    const states = await atOnce(100, (index) => limits.take(limit, key, `try ${index}`, now));
    assert.equal(states.filter(({ allowed }) => allowed).length, 3);
    assert.equal(await redis.zcard(`ratelimit:{${key}}:tries`), 3);
  });

  it('does not move the time by a refused try, nor count it', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.take(limit, key, `try ${index}`, now);
    const resets = [];
    for (const seconds of [10, 30, 59]) {
      const state = await limits.take(limit, key, `refused ${seconds}`, now + seconds * 1000);
      assert.equal(state.allowed, false);
      resets.push(state.resetSeconds);
    }
    assert.deepEqual(resets, [50, 30, 1]);
    assert.equal((await limits.take(limit, key, 'later', now + 60_000)).allowed, true);
  });

  it('slides: each try leaves the window on its own', async () => {
    const key = uniqueName();
    for (const seconds of [0, 20, 40]) await limits.take(limit, key, `try ${seconds}`, now + seconds * 1000);
    assert.equal((await limits.take(limit, key, 'early', now + 59_999)).allowed, false);
    assert.equal((await limits.take(limit, key, 'first', now + 60_000)).allowed, true);
    assert.equal((await limits.take(limit, key, 'again', now + 60_001)).allowed, false);
    assert.deepEqual(await limits.take(limit, key, 'second', now + 80_000), {
      allowed: true,
      remaining: 0,
      resetSeconds: 20,
    });
  });

  it('keeps keys and limits apart', async () => {
    const [one, other] = [uniqueName(), uniqueName()];
    for (let index = 0; index < 3; index++) await limits.take(limit, one, `try ${index}`, now);
    assert.equal((await limits.take(limit, other, 'try', now)).allowed, true);
    assert.equal((await limits.take({ ...limit, name: 'others' }, one, 'try', now)).allowed, true);
    assert.equal((await limits.take(limit, one, 'try 9', now)).allowed, false);
  });

  it('forgets a key after its window', async () => {
    const key = uniqueName();
    await limits.take(limit, key, 'try', Date.now());
    const life = await redis.pttl(`ratelimit:{${key}}:tries`);
    assert.ok(life > 55_000 && life <= 60_000, `${life} ms`);
  });
});

describe('createRateLimits()', () => {
  it('gives a try back', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.take(limit, key, `try ${index}`, now);
    await limits.giveBack(limit, key, 'try 1');
    assert.equal((await limits.take(limit, key, 'try 4', now)).allowed, true);
    assert.equal((await limits.take(limit, key, 'try 5', now)).allowed, false);
  });

  it('gives back what was never taken without an effect', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.take(limit, key, `try ${index}`, now);
    await limits.giveBack(limit, key, 'never');
    assert.equal((await limits.take(limit, key, 'try 4', now)).allowed, false);
  });
});
