import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type CheckOutcome, type Codes, createCodes } from '../../../adapters/redis/codes.ts';
import { type Redis, scanKeys, timeOf } from '../../../adapters/redis/connect.ts';
import type { CodeSubject } from '../../../domain/verification.ts';
import { newCode } from '../../../platform/crypto.ts';
import { ageRecords } from '../../support/aging.ts';
import { assertLife, atOnce, connectTestRedis, testCipher, uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';

let redis: Redis;
let codes: Codes;

before(() => {
  redis = connectTestRedis();
  codes = createCodes(redis, [randomBytes(32)], testCipher());
});
after(() => redis.disconnect());

const now = Date.now();
const ttlSeconds = 3600;
const max = 5;

const newSubject = (): CodeSubject => ({ subject: uniqueName(), purpose: 'register' });
const hashKeyOf = ({ subject }: CodeSubject) => `verification:{${subject}}:register`;
const otpKeyOf = ({ subject }: CodeSubject) => `otp:{${subject}}:register`;

/** Stores a code that the provider has accepted. */
async function sentCode(of: CodeSubject, send: number, code: string, at = now): Promise<void> {
  await codes.start(of, send, code, at);
  await codes.sent(of, send, { ttlSeconds, providerId: `provider-${send}` }, at);
}

async function check(of: CodeSubject, code: string): Promise<CheckOutcome> {
  return (await codes.check(of, code, { checksMax: max }, now)).outcome;
}

/** Returns a random code other than the given ones. */
function otherThan(...known: string[]): string {
  let code = newCode();
  while (known.includes(code)) code = newCode();
  return code;
}

describe('code-start.lua', () => {
  it('creates the code of a send once: a repeat gets the first code and the state `started`', async () => {
    const of = newSubject();
    assert.deepEqual(await codes.start(of, 1, '111111', now), {
      state: 'new',
      code: '111111',
      startedAt: now,
    });
    assert.deepEqual(await codes.start(of, 1, '222222', now + 9), {
      state: 'started',
      code: '111111',
      startedAt: now,
    });
  });

  it('creates one code for 50 parallel starts, and returns the state `new` to exactly one of them', async () => {
    const of = newSubject();
    const starts = await atOnce(50, (index) => codes.start(of, 1, String(100_000 + index), now));
    assert.equal(new Set(starts.map(({ code }) => code)).size, 1);
    assert.equal(starts.filter(({ state }) => state === 'new').length, 1);
    assert.equal(starts.filter(({ state }) => state === 'started').length, 49);
  });

  it('creates another code for the next send', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal((await codes.start(of, 2, '222222', now)).code, '222222');
  });

  it('returns the time and the provider id to a repeat after the send, but not the code', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const again = await codes.start(of, 1, '222222', now + 9);
    assert.deepEqual(again, { state: 'sent', startedAt: now, sentAt: now, providerId: 'provider-1' });
  });

  it('does not treat an older send that starts late as the newest', async () => {
    const of = newSubject();
    await codes.start(of, 2, '222222', now);
    await codes.start(of, 1, '111111', now);
    assert.equal(await redis.hget(hashKeyOf(of), 'latest'), '2');
  });
});

describe('code-sent.lua', () => {
  it('starts the lifetime of the code', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal(await redis.exists(otpKeyOf(of)), 0);
    await assertLife(redis, { key: otpKeyOf(of), seconds: ttlSeconds }, async () => {
      assert.equal(await codes.sent(of, 1, { ttlSeconds, providerId: 'provider-1' }, now + 500), now + 500);
    });
    const expiresAt = now + 500 + ttlSeconds * 1000;
    assert.deepEqual(await codes.read(of, now), { since: now + 500, checks: 0, expiresAt, readAt: now });
  });

  it('returns the first time to a repeat and does not extend the lifetime', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    const answers = await atOnce(20, (index) =>
      codes.sent(of, 1, { ttlSeconds, providerId: `provider-${index}` }, now + index),
    );
    assert.equal(new Set(answers).size, 1);
    await redis.pexpireat(otpKeyOf(of), now + 1_800_000);
    await codes.sent(of, 1, { ttlSeconds, providerId: 'provider-late' }, now + 60_000);
    assert.equal(await redis.pexpiretime(otpKeyOf(of)), now + 1_800_000);
    assert.equal((await codes.start(of, 1, '222222', now)).sentAt, answers[0]);
  });

  it('does not make an older code valid again when its send is recorded late', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    await codes.start(of, 2, '222222', now);
    await codes.sent(of, 2, { ttlSeconds, providerId: 'provider-2' }, now);
    await codes.sent(of, 1, { ttlSeconds, providerId: 'provider-1' }, now);
    assert.equal(await check(of, '111111'), 'wrong');
    assert.equal(await check(of, '222222'), 'verified');
  });

  it('makes no code valid again after verification', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal(await check(of, '111111'), 'verified');
    await codes.sent(of, 1, { ttlSeconds, providerId: 'provider-1' }, now);
    assert.equal(await redis.exists(otpKeyOf(of)), 0);
  });
});

describe('code-check.lua', () => {
  it('returns none before a code was requested', async () => {
    assert.deepEqual(await codes.check(newSubject(), '111111', { checksMax: max }, now), { outcome: 'none', left: 0 });
  });

  it('verifies the right code, and returns already for it from then on', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    assert.equal(await check(of, '111111'), 'verified');
    assert.equal(await redis.exists(otpKeyOf(of)), 0);
    assert.equal(await check(of, '111111'), 'already');
    assert.equal(await check(of, '222222'), 'wrong');
  });

  it('verifies one of 50 parallel checks of the right code', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const outcomes = await atOnce(50, () => check(of, '111111'));
    assert.equal(outcomes.filter((outcome) => outcome === 'verified').length, 1);
    assert.equal(outcomes.filter((outcome) => outcome === 'already').length, 49);
  });

  it('compares at most five of 100 parallel wrong codes, and then refuses even the right one', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const outcomes = await atOnce(100, (index) => check(of, String(200_000 + index)));
    assert.equal(outcomes.filter((outcome) => outcome === 'wrong').length, max);
    assert.equal(outcomes.filter((outcome) => outcome === 'exhausted').length, 95);
    assert.equal(await redis.hget(hashKeyOf(of), 'checks:1'), String(max));
    assert.equal(await check(of, '111111'), 'exhausted');
  });

  it('returns the number of remaining attempts', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const left: number[] = [];
    for (let index = 0; index < max; index++)
      left.push((await codes.check(of, '222222', { checksMax: max }, now)).left);
    assert.deepEqual(left, [4, 3, 2, 1, 0]);
    assert.equal((await codes.read(of))?.checks, max);
  });

  it('verifies the right code at the last attempt', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 1; index < max; index++) await check(of, '222222');
    assert.equal(await check(of, '111111'), 'verified');
  });

  it('gives a new code its own attempts, and replaces the old code', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 0; index < max; index++) await check(of, '222222');
    await sentCode(of, 2, '333333');
    assert.equal(await check(of, '111111'), 'wrong');
    assert.equal(await check(of, '333333'), 'verified');
  });

  it('compares each code at most five times over all resends, also while a send is in progress', async () => {
    const of = newSubject();
    const sends = [1, 2, 3, 4];
    for (const send of sends) {
      await codes.start(of, send, String(100_000 + send), now);
      await atOnce(20, (index) => check(of, String(200_000 + index)));
      await codes.sent(of, send, { ttlSeconds, providerId: `provider-${send}` }, now);
      await atOnce(20, (index) => check(of, String(300_000 + index)));
    }
    for (const send of sends) assert.equal(await redis.hget(hashKeyOf(of), `checks:${send}`), String(max));
    for (const send of sends) assert.equal(await check(of, String(100_000 + send)), 'exhausted');
  });

  it('accepts a code before the provider has confirmed the send', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.deepEqual(await codes.read(of, now), { since: now, checks: 0, readAt: now });
    assert.equal(await check(of, '222222'), 'wrong');
    assert.equal(await check(of, '111111'), 'verified');
  });

  it('also accepts the earlier code while a newer one is being sent', async () => {
    const earlier = newSubject();
    await sentCode(earlier, 1, '111111');
    await codes.start(earlier, 2, '222222', now);
    assert.equal(await check(earlier, '111111'), 'verified');

    const newer = newSubject();
    await sentCode(newer, 1, '111111');
    await codes.start(newer, 2, '222222', now);
    assert.equal(await check(newer, '222222'), 'verified');
  });

  it('accepts the newer code when the earlier one has no attempts left', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 0; index < max; index++) await check(of, '222222');
    await codes.start(of, 2, '333333', now);
    assert.deepEqual(await codes.check(of, '444444', { checksMax: max }, now), { outcome: 'wrong', left: 4 });
    assert.equal(await check(of, '333333'), 'verified');
  });

  it('returns expired when the only code has expired', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await redis.del(otpKeyOf(of));
    assert.deepEqual(await codes.check(of, '111111', { checksMax: max }, now), { outcome: 'expired', left: 0 });
  });

  it('does not accept an expired code because a newer one is being sent', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await redis.del(otpKeyOf(of));
    await codes.start(of, 2, '222222', now);
    assert.equal(await check(of, '111111'), 'wrong');
    assert.equal(await check(of, '222222'), 'verified');
  });

  it('limits guesses after verification too', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await check(of, '111111');
    const outcomes = await atOnce(50, (index) => check(of, String(200_000 + index)));
    assert.equal(outcomes.filter((outcome) => outcome === 'wrong').length, max);
    assert.equal(outcomes.filter((outcome) => outcome === 'exhausted').length, 45);
    assert.equal(await check(of, '111111'), 'already');
  });

  it('returns the send whose code was right, also to a repeat', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.start(of, 2, '222222', now);
    assert.equal((await codes.check(of, '222222', { checksMax: max }, now)).send, 2);
    assert.equal((await codes.check(of, '222222', { checksMax: max }, now)).send, 2);
    assert.equal('send' in (await codes.check(of, '333333', { checksMax: max }, now)), false);
  });

  it('verifies one of two right codes that are checked at the same moment', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.start(of, 2, '222222', now);
    const outcomes = await Promise.all([check(of, '111111'), check(of, '222222')]);
    assert.deepEqual(outcomes.sort(), ['verified', 'wrong']);
  });
});

describe('createCodes()', () => {
  it('keeps subjects apart: a code of one is not valid for another', async () => {
    const [one, other] = [newSubject(), newSubject()];
    await sentCode(one, 1, '111111');
    await sentCode(other, 1, '222222');
    assert.equal(await check(other, '111111'), 'wrong');
    assert.equal(await check(one, '222222'), 'wrong');
  });

  it('stores no code in plain text, and different hashes for the same code', async () => {
    const [one, other] = [newSubject(), newSubject()];
    const code = otherThan('000000');
    await codes.start(one, 1, code, 1);
    await sentCode(other, 1, code, 1);
    const stored = [await redis.hgetall(hashKeyOf(one)), await redis.hgetall(hashKeyOf(other))];
    assert.equal(JSON.stringify(stored).includes(code), false);
    assert.equal((await redis.get(otpKeyOf(other)))?.includes(code), false);
    assert.notEqual(stored[0]?.['hash:1'], stored[1]?.['hash:1']);
  });

  it('removes the encrypted code as soon as the provider has it', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal(await redis.hexists(hashKeyOf(of), 'encrypted:1'), 1);
    await codes.sent(of, 1, { ttlSeconds, providerId: 'provider-1' }, now);
    assert.equal(await redis.hexists(hashKeyOf(of), 'encrypted:1'), 0);
  });

  it('gives every key a TTL', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (const key of [hashKeyOf(of), otpKeyOf(of)]) {
      const life = await redis.ttl(key);
      assert.ok(life > 0 && life <= 2 * 86_400, `${key} ${life} s`);
    }
  });

  it('invalidates every code when the registration is over', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.start(of, 2, '222222', now);
    await codes.remove(of);
    assert.equal(await check(of, '111111'), 'none');
    assert.equal(await check(of, '222222'), 'none');
    assert.equal(await codes.read(of), undefined);
  });

  it('keeps the keys of a subject on one cluster node: they share a hash tag', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const keys: string[] = [];
    for await (const page of scanKeys(redis, { match: `*${of.subject}*`, count: 1000 })) keys.push(...page);
    assert.deepEqual(keys.sort(), [otpKeyOf(of), hashKeyOf(of)]);
    for (const key of keys) assert.equal(/\{(.+?)\}/.exec(key)?.[1], of.subject);
  });
});

describe('the time of a code', () => {
  it('F16: is that of Redis: a process whose clock is ahead or behind neither shortens nor lengthens its life', async () => {
    for (const aheadMs of [3_600_000, -3_600_000]) {
      const of = newSubject();
      const earliest = await timeOf(redis);
      using _wrong = stopTime(['Date'], { aheadMs });
      const { startedAt } = await codes.start(of, 1, '111111');
      const sentAt = await codes.sent(of, 1, { ttlSeconds, providerId: 'provider-1' });
      const latest = await timeOf(redis);
      for (const at of [startedAt, sentAt]) assert.ok(at >= earliest && at <= latest);
      assert.equal((await codes.read(of))?.expiresAt, sentAt + ttlSeconds * 1000);
      assert.equal((await codes.check(of, '222222', { checksMax: max })).outcome, 'wrong');
      await ageRecords(redis, `*:{${of.subject}}:register`, ttlSeconds);
      assert.equal((await codes.check(of, '111111', { checksMax: max })).outcome, 'expired');
    }
  });
});

describe('a send that every provider refused', () => {
  it('leaves nothing to guess, and keeps the code before it valid', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    await codes.refused(of, 1);
    assert.equal(await codes.read(of), undefined);
    assert.equal(await check(of, '111111'), 'none');
    await sentCode(of, 2, '222222');
    await codes.start(of, 3, '333333', now);
    await codes.refused(of, 3);
    assert.equal(await check(of, '333333'), 'wrong');
    assert.equal(await check(of, '222222'), 'verified');
  });

  it('is not withdrawn once a provider has accepted it', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.refused(of, 1);
    assert.equal(await check(of, '111111'), 'verified');
  });
});

describe('waits between checks', () => {
  const rules = { checksMax: 3, checkWaitsSeconds: [0, 60] };

  it('use the clock of the caller: an early check is neither compared nor counted', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (const left of [2, 1]) {
      assert.deepEqual(await codes.check(of, '222222', rules, now), { outcome: 'wrong', left });
    }
    const early = await codes.check(of, '111111', rules, now + 59_000);
    assert.deepEqual(early, { outcome: 'early', left: 1, waitMs: 1000 });
    assert.equal((await codes.check(of, '111111', rules, now + 60_000)).outcome, 'verified');
    assert.equal((await codes.read(of))?.verifiedAt, now + 60_000);
  });

  it('let only one parallel check be compared when one is allowed', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 0; index < 2; index++) await codes.check(of, '222222', rules, now);
    const longer = { checksMax: 4, checkWaitsSeconds: [0, 60, 60] };
    const answers = await atOnce(20, () => codes.check(of, '222222', longer, now + 60_000));
    assert.equal(answers.filter(({ outcome }) => outcome === 'wrong').length, 1);
    assert.equal(answers.filter(({ outcome }) => outcome === 'early').length, 19);
  });

  it('do not outlast the code', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    assert.equal((await codes.check(of, '111111', rules, now + ttlSeconds * 1000)).outcome, 'expired');
  });
});
