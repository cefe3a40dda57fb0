// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createRateLimits, type RateLimits, undecided } from '../../../adapters/redis/rate-limits.ts';
import { assertLife, atOnce, connectTestRedis, isOnCluster, uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';

let redis: Redis;
let limits: RateLimits;

before(() => {
  redis = connectTestRedis();
  limits = createRateLimits(redis);
});
after(() => redis.disconnect());

// one hour, because Redis expires old entries after the longest window by its own clock
const limit = { name: 'tries', windows: [{ max: 3, windowSeconds: 3600 }] };
const now = Date.now();
const minutes = 60_000;

describe('isUsedUp()', () => {
  it('is true once every window of a limit is full, and consumes nothing', async () => {
    const key = uniqueName();
    const two = { name: 'two', windows: [...limit.windows, { max: 4, windowSeconds: 36_000 }] };
    for (let index = 0; index < 3; index++) await limits.consume(two, key, `early ${index}`, now - 61 * minutes);
    await limits.consume(two, key, 'late', now);
    assert.equal(await limits.isUsedUp(two, key, now), false);
    for (const name of ['one', 'two', 'three'])
      await limits.consume({ name: 'three', windows: limit.windows }, key, name, now);
    assert.equal(await limits.isUsedUp({ name: 'three', windows: limit.windows }, key, now), true);
    assert.equal(await limits.isUsedUp({ name: 'three', windows: limit.windows }, key, now + 60 * minutes), false);
  });
});

describe('attempts()', () => {
  it('returns the ids that count now, without refunded and older ones', async () => {
    const key = uniqueName();
    await limits.consume(limit, key, 'older', now - 61 * minutes);
    for (const id of ['one', 'two']) await limits.consume(limit, key, id);
    await limits.refund(limit, key, 'one');
    assert.deepEqual(await limits.attempts({ limit, key }), ['two']);
  });
});

describe('rate-limit.lua', () => {
  it('allows as many attempts as the limit and refuses the next', async () => {
    const key = uniqueName();
    const states = [];
    for (let index = 0; index < 4; index++) states.push(await limits.consume(limit, key, `try ${index}`, now + index));
    assert.deepEqual(states, [
      { allowed: true, max: 3, remaining: 2, resetSeconds: 3600 },
      { allowed: true, max: 3, remaining: 1, resetSeconds: 3600 },
      { allowed: true, max: 3, remaining: 0, resetSeconds: 3600 },
      { allowed: false, max: 3, remaining: 0, resetSeconds: 3600 },
    ]);
  });

  it('allows exactly the limit of 100 parallel attempts', async () => {
    const key = uniqueName();
    const states = await atOnce(100, (index) => limits.consume(limit, key, `try ${index}`, now));
    assert.equal(states.filter(({ allowed }) => allowed).length, 3);
    assert.equal(await redis.zcard(`ratelimit:{${key}}:tries`), 3);
  });

  it('does not count a refused attempt, nor let it move the reset time', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.consume(limit, key, `try ${index}`, now);
    const resets = [];
    for (const minute of [10, 30, 59]) {
      const state = await limits.consume(limit, key, `refused ${minute}`, now + minute * minutes);
      assert.equal(state.allowed, false);
      resets.push(state.resetSeconds);
    }
    assert.deepEqual(resets, [3000, 1800, 60]);
    assert.equal((await limits.consume(limit, key, 'later', now + 60 * minutes)).allowed, true);
  });

  it('slides: each attempt leaves the window on its own', async () => {
    const key = uniqueName();
    for (const minute of [0, 20, 40]) await limits.consume(limit, key, `try ${minute}`, now + minute * minutes);
    assert.equal((await limits.consume(limit, key, 'early', now + 60 * minutes - 1)).allowed, false);
    assert.equal((await limits.consume(limit, key, 'first', now + 60 * minutes)).allowed, true);
    assert.equal((await limits.consume(limit, key, 'again', now + 60 * minutes + 1)).allowed, false);
    assert.deepEqual(await limits.consume(limit, key, 'second', now + 80 * minutes), {
      allowed: true,
      max: 3,
      remaining: 0,
      resetSeconds: 1200,
    });
  });

  it('keeps keys and limits apart', async () => {
    const [one, other] = [uniqueName(), uniqueName()];
    for (let index = 0; index < 3; index++) await limits.consume(limit, one, `try ${index}`, now);
    assert.equal((await limits.consume(limit, other, 'try', now)).allowed, true);
    assert.equal((await limits.consume({ ...limit, name: 'others' }, one, 'try', now)).allowed, true);
    assert.equal((await limits.consume(limit, one, 'try 9', now)).allowed, false);
  });

  it('expires a key after its window', async () => {
    const key = uniqueName();
    await assertLife(redis, { key: `ratelimit:{${key}}:tries`, seconds: 3600 }, () =>
      limits.consume(limit, key, 'try', Date.now()),
    );
  });
});

describe('a gradual limit', () => {
  const gradual = { ...limit, isGradual: true };
  const at = (minute: number) => now + minute * minutes;

  it('allows all attempts at once and then one after each part of the window', async () => {
    const key = uniqueName();
    const take = (minute: number) => limits.consume(gradual, key, uniqueName(), at(minute));
    const first = [];
    for (let index = 0; index < 4; index++) first.push(await take(0));
    assert.deepEqual(first, [
      { allowed: true, max: 3, remaining: 2, resetSeconds: 1200 },
      { allowed: true, max: 3, remaining: 1, resetSeconds: 1200 },
      { allowed: true, max: 3, remaining: 0, resetSeconds: 1200 },
      { allowed: false, max: 3, remaining: 0, resetSeconds: 1200 },
    ]);
    const later = [];
    for (const minute of [19, 20, 21, 39, 40, 100, 100, 100]) later.push((await take(minute)).allowed);
    assert.deepEqual(later, [false, true, false, false, true, true, true, true]);
    assert.deepEqual(await take(100), { allowed: false, max: 3, remaining: 0, resetSeconds: 1200 });
  });

  it('allows exactly the limit of 100 parallel attempts', async () => {
    const key = uniqueName();
    const states = await atOnce(100, (index) => limits.consume(gradual, key, `try ${index}`, now));
    assert.equal(states.filter(({ allowed }) => allowed).length, 3);
  });

  it('forgets a refunded attempt', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.consume(gradual, key, `try ${index}`, now);
    await limits.refund(gradual, key, 'try 2');
    assert.equal((await limits.consume(gradual, key, 'again', now)).allowed, true);
    assert.equal((await limits.consume(gradual, key, 'more', now)).allowed, false);
  });
});

describe('a limit with several windows', () => {
  const limits3 = {
    name: 'tries',
    windows: [
      { max: 2, windowSeconds: 3600 },
      { max: 3, windowSeconds: 216_000 },
    ],
  };
  const at = (minute: number) => now + minute * minutes;

  it('enforces all windows and reports the one that refuses longest', async () => {
    const key = uniqueName();
    const take = (id: string, minute: number) => limits.consume(limits3, key, id, at(minute));
    assert.deepEqual(await take('1', 0), { allowed: true, max: 2, remaining: 1, resetSeconds: 3600 });
    assert.equal((await take('2', 10)).allowed, true);
    assert.deepEqual(await take('3', 20), { allowed: false, max: 2, remaining: 0, resetSeconds: 2400 });
    assert.equal((await take('4', 61)).allowed, true);
    assert.deepEqual(await take('5', 200), { allowed: false, max: 3, remaining: 0, resetSeconds: 204_000 });
    assert.equal((await take('6', 3600)).allowed, true);
  });

  it('counts a repeated attempt with the same id once', async () => {
    const key = uniqueName();
    for (let turn = 0; turn < 5; turn++) assert.equal((await limits.consume(limit, key, 'same', now)).remaining, 2);
  });
});

// a Redis Cluster refuses a script with keys of several nodes
for (const isCluster of isOnCluster() ? [true] : [false, true]) {
  describe(`consumeAll() ${isCluster ? 'with keys on several nodes' : 'with all keys on one node'}`, () => {
    it('consumes nothing from any limit when one of them refuses', async () => {
      await assertAllOrNothing(createRateLimits(redis, { isCluster }));
    });

    it('never lets parallel attempts that another limit refuses use up the others', async () => {
      const several = createRateLimits(redis, { isCluster });
      const [narrow, wide] = [uniqueName(), uniqueName()];
      const of = [
        { limit: { name: 'narrow', windows: [{ max: 5, windowSeconds: 3600 }] }, key: narrow },
        { limit: { name: 'wide', windows: [{ max: 1000, windowSeconds: 3600 }] }, key: wide },
      ];
      const all = await atOnce(100, (index) => several.consumeAll(of, `try ${index}`, now));
      assert.equal(all.filter(({ state }) => state.allowed).length, 5);
      assert.equal(await redis.zcard(`ratelimit:{${wide}}:wide`), 5);
    });
  });
}

async function assertAllOrNothing(several: RateLimits): Promise<void> {
  const [narrow, wide] = [uniqueName(), uniqueName()];
  const of = [
    { limit: { ...limit, name: 'wide' }, key: wide },
    { limit: { name: 'narrow', windows: [{ max: 1, windowSeconds: 3600 }] }, key: narrow },
  ];
  const { state, counted } = await several.consumeAll(of, 'first', now);
  assert.deepEqual(counted, of);
  assert.deepEqual((await several.consumeAll(of, 'first', now)).counted, [], 'a repeat counts once');
  assert.deepEqual(state, {
    limit: 'narrow',
    allowed: true,
    max: 1,
    remaining: 0,
    resetSeconds: 3600,
  });
  for (let index = 0; index < 10; index++) {
    const { state: refused } = await several.consumeAll(of, `refused ${index}`, now + index * minutes);
    assert.equal(refused.limit, 'narrow');
    assert.equal(refused.allowed, false);
    assert.equal(refused.resetSeconds, 3600 - 60 * index);
  }
  assert.equal(await redis.zcard(`ratelimit:{${wide}}:wide`), 1);
  await several.refundAll(of, 'first');
  assert.equal(await redis.zcard(`ratelimit:{${wide}}:wide`), 0);
  assert.equal((await several.consumeAll(of, 'second', now)).state.allowed, true);
}

describe('createRateLimits()', () => {
  it('refunds an attempt', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.consume(limit, key, `try ${index}`, now);
    await limits.refund(limit, key, 'try 1');
    assert.equal((await limits.consume(limit, key, 'try 4', now)).allowed, true);
    assert.equal((await limits.consume(limit, key, 'try 5', now)).allowed, false);
  });

  it('ignores the refund of an attempt that was never consumed', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.consume(limit, key, `try ${index}`, now);
    await limits.refund(limit, key, 'never');
    assert.equal((await limits.consume(limit, key, 'try 4', now)).allowed, false);
  });
});

describe('the time of a limit', () => {
  it('F16: is that of Redis: a process whose clock is ahead frees nothing', async () => {
    const key = uniqueName();
    for (let index = 0; index < 3; index++) await limits.consume(limit, key, `try ${index}`);
    using time = stopTime(['Date']);
    await time.pass(120 * minutes);
    assert.equal(await limits.isUsedUp(limit, key), true);
    const { allowed, resetSeconds } = await limits.consume(limit, key, 'late');
    assert.equal(allowed, false);
    assert.ok(resetSeconds > 0 && resetSeconds <= 3600);
  });
});

describe('settleAll()', () => {
  it('F19: decides an attempt, which keeps its time and counts; one that is refunded does not', async () => {
    const of = { limit, key: uniqueName() };
    const [right, wrong] = [undecided('right'), undecided('wrong')];
    for (const id of [right, wrong]) assert.equal((await limits.consumeAll([of], id)).state.allowed, true);
    assert.equal(await limits.hasUndecided(of), true);
    await limits.refundAll([of], right);
    await limits.settleAll([of], wrong);
    await limits.settleAll([of], wrong);
    assert.equal(await limits.hasUndecided(of), false);
    assert.deepEqual(await redis.zrange(`ratelimit:{${of.key}}:tries`, '0', '-1'), ['wrong']);
  });
});
