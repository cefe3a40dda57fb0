// @rerun never
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createRateLimitLeases } from '../../../adapters/redis/rate-limit-leases.ts';
import { createRateLimits, type LimitState, type RateLimits } from '../../../adapters/redis/rate-limits.ts';
import { atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';
import { type StoppedTime, stopTime } from '../../support/stopped-time.ts';

let redis: Redis;
let limits: RateLimits;
let time: StoppedTime;

before(() => {
  redis = connectTestRedis();
  limits = createRateLimits(redis);
});
after(() => redis.disconnect());
beforeEach(() => {
  time = stopTime(['Date']);
});
afterEach(() => time[Symbol.dispose]());

/** The clock of the limiter and of its leases, which the tests move. */
const clock = { now: () => Date.now() };

/**
 * Two processes that share a limit, the number of attempts counted in Redis, and the number of calls to Redis. Redis
 * answers `lateMs` late.
 */
function share(max: number, lateMs = 0) {
  const source = uniqueName();
  let asked = 0;
  const counting = {
    ...limits,
    // the time of the test in place of that of Redis
    consumeSome: async (...[of, tryId, , options]: Parameters<RateLimits['consumeSome']>) => {
      asked += 1;
      const answer = await limits.consumeSome(of, tryId, clock.now(), options);
      if (lateMs > 0) await time.pass(lateMs);
      return answer;
    },
  };
  const of = { limit: { name: 'tries', windows: [{ max, windowSeconds }] }, keyOf: (name: string) => name };
  const create = () => createRateLimitLeases(counting, of, { clock });
  const [one, other] = [create(), create()];
  return {
    one: () => one.consume(source),
    other: () => other.consume(source),
    counted: () => redis.zcard(`ratelimit:{${source}}:tries`),
    asked: () => asked,
  };
}

/** Long, because Redis expires a window by its own clock, which the tests do not move. */
const windowSeconds = 3600;

const allowed = (states: LimitState[]) => states.filter((state) => state.allowed).length;

describe('createRateLimitLeases()', () => {
  it('allows parallel attempts of two processes up to the limit', async () => {
    for (const max of [3, 40, 600]) {
      const { one, other, counted } = share(max);
      const states = await atOnce(1000, (index) => (index % 2 === 0 ? one() : other()));
      assert.equal(await counted(), max);
      // when one process has taken the last attempts, the other holds at most one lease
      assert.ok(allowed(states) <= max && allowed(states) > max - 16, `${allowed(states)} of ${max}`);
    }
  });

  it('allows one process exactly the limit, for parallel and for sequential attempts', async () => {
    const parallel = share(600);
    assert.equal(allowed(await atOnce(1000, parallel.one)), 600);
    const serial = share(600);
    const states: LimitState[] = [];
    for (let index = 0; index < 700; index++) states.push(await serial.one());
    assert.equal(allowed(states), 600);
    assert.deepEqual(
      states.slice(0, 600).map(({ remaining }) => remaining),
      Array.from({ length: 600 }, (_, index) => 599 - index),
    );
  });

  it('calls Redis once for many attempts of a busy source', async () => {
    const { one, asked } = share(1_000_000);
    await atOnce(1600, one);
    assert.ok(asked() < 120, `${asked()}`);
  });

  it('counts a slow source attempt by attempt', async () => {
    const { one, counted } = share(600);
    for (let index = 1; index <= 3; index++) {
      assert.equal((await one()).remaining, 600 - index);
      assert.equal(await counted(), index);
      await time.pass(600);
    }
  });

  it('refunds the unused attempts of a formerly busy source at its next attempt', async () => {
    const { one, counted } = share(600);
    let used = 0;
    do {
      await one();
      used += 1;
    } while ((await counted()) === used);
    await time.pass(600);
    assert.equal((await one()).remaining, 600 - used - 1);
    assert.equal(await counted(), used + 1);
  });

  it('never allows more attempts in a window than the limit, even if leased attempts are used late', async () => {
    const { one, counted } = share(200);
    const passed: number[] = [];
    const take = async () => {
      const { allowed: isAllowed } = await one();
      if (isAllowed) passed.push(Date.now());
      return isAllowed;
    };
    while (passed.length <= 50 || (await counted()) <= passed.length) await take();
    // the attempts leased now are used after this pause
    await time.pass(400);
    for (let isAllowed = true; isAllowed; ) isAllowed = await take();
    assert.equal(passed.length, 200);
    await time.pass(windowSeconds * 1000 - 1000);
    while (passed.length < 400) {
      if (!(await take())) await time.pass(10);
    }
    const windows = passed.slice(200).map((instant, index) => instant - (passed[index] ?? 0));
    assert.ok(Math.min(...windows) >= windowSeconds * 1000, `${Math.min(...windows)} ms`);
  });

  it('does not use an expired lease, however late Redis answered', async () => {
    const { one, counted, asked } = share(1_000_000, 800);
    do await one();
    while ((await counted()) === asked());
    const before = asked();
    // one attempt of the lease is left: it was taken 800 ms ago and is valid for one second
    await time.pass(250);
    await one();
    assert.equal(asked(), before + 1);
  });

  it('refuses all waiting attempts with one call to Redis', async () => {
    const { one, asked } = share(1);
    await one();
    const before = asked();
    const states = await atOnce(100, one);
    assert.equal(allowed(states), 0);
    assert.ok(asked() - before < 100, `${asked() - before}`);
  });

  it('throws for all waiting attempts when Redis is unavailable, and works when it is back', async () => {
    let isAway = true;
    const failing = {
      ...limits,
      consumeSome: (...args: Parameters<RateLimits['consumeSome']>) =>
        isAway ? Promise.reject(new Error('Connection is closed.')) : limits.consumeSome(...args),
    };
    const limit = { name: 'tries', windows: [{ max: 5, windowSeconds }] };
    const tries = createRateLimitLeases(failing, { limit, keyOf: (name) => name }, { clock });
    const source = uniqueName();
    const outcomes = await Promise.allSettled([tries.consume(source), tries.consume(source)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    isAway = false;
    assert.equal((await tries.consume(source)).remaining, 4);
  });
});
