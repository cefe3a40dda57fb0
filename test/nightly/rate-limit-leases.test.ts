/** The attempts of one process in real time, with the actual delays of Redis and of the process. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRateLimitLeases } from '../../adapters/redis/rate-limit-leases.ts';
import { createRateLimits } from '../../adapters/redis/rate-limits.ts';
import { connectTestRedis, uniqueName } from '../support/redis.ts';

it('never allows more attempts in a window than the limit, also when a lease is used late', async () => {
  const redis = connectTestRedis();
  const limit = { name: 'tries', windows: [{ max: 200, windowSeconds: 2 }] };
  const tries = createRateLimitLeases(createRateLimits(redis), { limit, keyOf: (name) => name });
  const source = uniqueName();
  const passed: { from: number; to: number }[] = [];
  const takeUntil = async (isEnough: () => boolean | Promise<boolean>) => {
    while (!(await isEnough())) {
      const from = performance.now();
      if ((await tries.consume(source)).allowed) passed.push({ from, to: performance.now() });
      else await sleep(5);
    }
  };
  const counted = () => redis.zcard(`ratelimit:{${source}}:tries`);
  await takeUntil(async () => passed.length > 50 && (await counted()) > passed.length);
  // the lease that is held now is used after this pause
  await sleep(400);
  const endAt = performance.now() + 5000;
  await takeUntil(() => performance.now() > endAt);
  assert.ok(passed.length > 300, `${passed.length}`);
  // an attempt is counted between its request and its response, however long that takes on a busy machine
  const windows = passed.slice(200).map(({ to }, index) => to - (passed[index]?.from ?? 0));
  // the clocks of this test and of the limiter are rounded
  assert.ok(Math.min(...windows) > 1990, `${Math.min(...windows)} ms`);
  redis.disconnect();
});
