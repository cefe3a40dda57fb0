import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Redis, timeOf } from '../../../adapters/redis/connect.ts';
import { createLogIns, type LogIns } from '../../../adapters/redis/logins.ts';
import { ageRecords } from '../../support/aging.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';

let redis: Redis;
let logins: LogIns;
const now = Date.now();
const ttlSeconds = 180;
const limitKeys = { number: 'hash-of-number' };

before(() => {
  redis = connectTestRedis();
  logins = createLogIns(redis);
});
after(() => redis.disconnect());

describe('login-try.lua', () => {
  it('counts each of 100 parallel attempts, also for a log-in without an account', async () => {
    for (const userId of ['u-1', undefined]) {
      const id = uniqueName('login');
      await logins.create(id, { purpose: 'login', userId, channel: 'sms', limitKeys, ttlSeconds }, now);
      const tries = await Promise.all(Array.from({ length: 100 }, () => logins.countTry(id, { purpose: 'login' })));
      assert.deepEqual(
        tries.map((begun) => begun?.tries ?? 0).sort((a, b) => a - b),
        Array.from({ length: 100 }, (_, index) => index + 1),
      );
      const { tries: _, ...begun } = tries[0] ?? { tries: 0 };
      assert.deepEqual(begun, {
        isExpired: false,
        purpose: 'login',
        channel: 'sms',
        limitKeys,
        expiresAt: now + 180_000,
        ...(userId && { userId }),
      });
    }
  });

  it('F21: counts nothing for another user, or for another purpose', async () => {
    const id = uniqueName('change');
    await logins.create(id, { purpose: 'contact-change', userId: 'u-1', channel: 'sms', limitKeys, ttlSeconds }, now);
    const tries = [
      { purpose: 'contact-change', userId: 'u-2' },
      { purpose: 'login' },
      { purpose: 'pin-reset', userId: 'u-1' },
    ] as const;
    for (const one of tries) assert.equal(await logins.countTry(id, one), undefined);
    assert.equal((await logins.countTry(id, { purpose: 'contact-change', userId: 'u-1' }))?.tries, 1);
  });

  it('creates nothing for an unknown id', async () => {
    const id = uniqueName('login');
    assert.equal(await logins.countTry(id, { purpose: 'login' }), undefined);
    assert.equal(await redis.exists(`login:{${id}}`), 0);
  });
});

describe('a log-in', () => {
  it('F16: ends by the time of Redis, whatever the clock of the process says', async () => {
    for (const aheadMs of [3_600_000, -3_600_000]) {
      const id = uniqueName('login');
      const earliest = await timeOf(redis);
      using _wrong = stopTime(['Date'], { aheadMs });
      const endsAt = await logins.create(id, { purpose: 'login', channel: 'sms', limitKeys, ttlSeconds });
      const latest = await timeOf(redis);
      assert.ok(endsAt >= earliest + 180_000 && endsAt <= latest + 180_000);
      assert.equal((await logins.countTry(id, { purpose: 'login' }))?.isExpired, false);
      await ageRecords(redis, `login:{${id}}`, ttlSeconds);
      assert.equal((await logins.countTry(id, { purpose: 'login' }))?.isExpired, true);
    }
  });

  it('gives its one session to one of 50 parallel calls, and to a repeat of that call', async () => {
    const id = uniqueName('login');
    await logins.create(id, { purpose: 'login', userId: 'u-1', channel: 'email', limitKeys, ttlSeconds }, now);
    const ids = Array.from({ length: 50 }, () => uniqueName('session'));
    const taken = await Promise.all(ids.map((session) => logins.takeSession(id, session)));
    const winner = ids[taken.indexOf(true)] ?? '';
    assert.equal(taken.filter(Boolean).length, 1);
    assert.equal(await logins.takeSession(id, winner), true);
  });

  it('is kept for an hour after it expires', async () => {
    const id = uniqueName('login');
    await logins.create(id, { purpose: 'login', channel: 'sms', limitKeys: {}, ttlSeconds }, now);
    assert.equal(await redis.pexpiretime(`login:{${id}}`), now + 180_000 + 3_600_000);
  });
});
