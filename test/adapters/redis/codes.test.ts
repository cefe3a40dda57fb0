import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type CheckOutcome, type Codes, createCodes } from '../../../adapters/redis/codes.ts';
import type { Redis } from '../../../adapters/redis/connect.ts';
import type { CodeSubject } from '../../../domain/verification.ts';
import { newCode } from '../../../platform/crypto.ts';
import { assertLife, atOnce, connectTestRedis, testCipher, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let codes: Codes;

before(() => {
  redis = connectTestRedis();
  codes = createCodes(redis, randomBytes(32), testCipher());
});
after(() => redis.disconnect());

const now = Date.now();
const ttlSeconds = 3600;
const max = 5;

const newSubject = (): CodeSubject => ({ subject: uniqueName(), purpose: 'register' });
const hashKeyOf = ({ subject }: CodeSubject) => `verification:{${subject}}:register`;
const otpKeyOf = ({ subject }: CodeSubject) => `otp:{${subject}}:register`;

/** A code the provider has. */
async function sentCode(of: CodeSubject, send: number, code: string, at = now): Promise<void> {
  await codes.start(of, send, code, at);
  await codes.sent(of, send, at, ttlSeconds, `provider-${send}`);
}

async function check(of: CodeSubject, code: string): Promise<CheckOutcome> {
  return (await codes.check(of, code, { checksMax: max }, now)).outcome;
}

/** What the provider never sent. */
function otherThan(...known: string[]): string {
  let code = newCode();
  while (known.includes(code)) code = newCode();
  return code;
}

describe('code-start.lua', () => {
  it('makes the code of a send once: a repeat gets the first one, and hears that it may be under way', async () => {
    const of = newSubject();
    assert.deepEqual(await codes.start(of, 1, '111111', now), {
      state: 'new',
      code: '111111',
      startedAt: now,
      attempts: [],
    });
    assert.deepEqual(await codes.start(of, 1, '222222', now + 9), {
      state: 'started',
      code: '111111',
      startedAt: now,
      attempts: [],
    });
  });

  it('makes one code of 50 parallel starts, and lets exactly one of them believe it is the first', async () => {
    const of = newSubject();
    const starts = await atOnce(50, (index) => codes.start(of, 1, String(100_000 + index), now));
    assert.equal(new Set(starts.map(({ code }) => code)).size, 1);
    assert.equal(starts.filter(({ state }) => state === 'new').length, 1);
    assert.equal(starts.filter(({ state }) => state === 'started').length, 49);
  });

  it('makes another code for the next send', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal((await codes.start(of, 2, '222222', now)).code, '222222');
  });

  it('tells a repeat after the send when it was sent and by which id, and no code any more', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const again = await codes.start(of, 1, '222222', now + 9);
    assert.deepEqual(again, { state: 'sent', startedAt: now, sentAt: now, providerId: 'provider-1', attempts: [] });
  });

  it('does not take an older send, which starts late, for the newest', async () => {
    const of = newSubject();
    await codes.start(of, 2, '222222', now);
    await codes.start(of, 1, '111111', now);
    assert.equal(await redis.hget(hashKeyOf(of), 'latest'), '2');
  });
});

describe('code-sent.lua', () => {
  it('begins the life of the code', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal(await redis.exists(otpKeyOf(of)), 0);
    await assertLife(redis, { key: otpKeyOf(of), seconds: ttlSeconds }, async () => {
      assert.equal(await codes.sent(of, 1, now + 500, ttlSeconds, 'provider-1'), now + 500);
    });
    assert.deepEqual(await codes.read(of), { since: now + 500, checks: 0, expiresAt: now + 500 + ttlSeconds * 1000 });
  });

  it('answers a repeat with the first instant, and does not prolong the life', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    const answers = await atOnce(20, (index) => codes.sent(of, 1, now + index, ttlSeconds, `provider-${index}`));
    assert.equal(new Set(answers).size, 1);
    await redis.pexpireat(otpKeyOf(of), now + 1_800_000);
    await codes.sent(of, 1, now + 60_000, ttlSeconds, 'provider-late');
    assert.equal(await redis.pexpiretime(otpKeyOf(of)), now + 1_800_000);
    assert.equal((await codes.start(of, 1, '222222', now)).sentAt, answers[0]);
  });

  it('does not bring an older code back when its send is recorded late', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    await codes.start(of, 2, '222222', now);
    await codes.sent(of, 2, now, ttlSeconds, 'provider-2');
    await codes.sent(of, 1, now, ttlSeconds, 'provider-1');
    assert.equal(await check(of, '111111'), 'wrong');
    assert.equal(await check(of, '222222'), 'verified');
  });

  it('makes no code valid again after the proof', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal(await check(of, '111111'), 'verified');
    await codes.sent(of, 1, now, ttlSeconds, 'provider-1');
    assert.equal(await redis.exists(otpKeyOf(of)), 0);
  });
});

describe('code-check.lua', () => {
  it('has nothing to compare before a code was asked for', async () => {
    assert.deepEqual(await codes.check(newSubject(), '111111', { checksMax: max }, now), { outcome: 'none', left: 0 });
  });

  it('verifies the right code, and says already to it ever after', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    assert.equal(await check(of, '111111'), 'verified');
    assert.equal(await redis.exists(otpKeyOf(of)), 0);
    assert.equal(await check(of, '111111'), 'already');
    assert.equal(await check(of, '222222'), 'wrong');
  });

  it('verifies once of 50 parallel right codes', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const outcomes = await atOnce(50, () => check(of, '111111'));
    assert.equal(outcomes.filter((outcome) => outcome === 'verified').length, 1);
    assert.equal(outcomes.filter((outcome) => outcome === 'already').length, 49);
  });

  it('compares at most five of 100 parallel wrong codes, and then not even the right one', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const outcomes = await atOnce(100, (index) => check(of, String(200_000 + index)));
    assert.equal(outcomes.filter((outcome) => outcome === 'wrong').length, max);
    assert.equal(outcomes.filter((outcome) => outcome === 'exhausted').length, 95);
    assert.equal(await redis.hget(hashKeyOf(of), 'checks:1'), String(max));
    assert.equal(await check(of, '111111'), 'exhausted');
  });

  it('counts down what is left', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const left: number[] = [];
    for (let index = 0; index < max; index++)
      left.push((await codes.check(of, '222222', { checksMax: max }, now)).left);
    assert.deepEqual(left, [4, 3, 2, 1, 0]);
    assert.equal((await codes.read(of))?.checks, max);
  });

  it('verifies a right code at the last try', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 1; index < max; index++) await check(of, '222222');
    assert.equal(await check(of, '111111'), 'verified');
  });

  it('gives a new code tries of its own, and the old one, now replaced, none', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 0; index < max; index++) await check(of, '222222');
    await sentCode(of, 2, '333333');
    assert.equal(await check(of, '111111'), 'wrong');
    assert.equal(await check(of, '333333'), 'verified');
  });

  it('compares each code at most five times over all resends, also while they are under way', async () => {
    const of = newSubject();
    const sends = [1, 2, 3, 4];
    for (const send of sends) {
      await codes.start(of, send, String(100_000 + send), now);
      await atOnce(20, (index) => check(of, String(200_000 + index)));
      await codes.sent(of, send, now, ttlSeconds, `provider-${send}`);
      await atOnce(20, (index) => check(of, String(300_000 + index)));
    }
    for (const send of sends) assert.equal(await redis.hget(hashKeyOf(of), `checks:${send}`), String(max));
    for (const send of sends) assert.equal(await check(of, String(100_000 + send)), 'exhausted');
  });

  it('takes a code that is in the hands of the person before the provider has confirmed it', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.deepEqual(await codes.read(of), { since: now, checks: 0 });
    assert.equal(await check(of, '222222'), 'wrong');
    assert.equal(await check(of, '111111'), 'verified');
  });

  it('takes the earlier code too while a newer one is under way', async () => {
    const earlier = newSubject();
    await sentCode(earlier, 1, '111111');
    await codes.start(earlier, 2, '222222', now);
    assert.equal(await check(earlier, '111111'), 'verified');

    const newer = newSubject();
    await sentCode(newer, 1, '111111');
    await codes.start(newer, 2, '222222', now);
    assert.equal(await check(newer, '222222'), 'verified');
  });

  it('takes the newer code when the earlier one has no tries left', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 0; index < max; index++) await check(of, '222222');
    await codes.start(of, 2, '333333', now);
    assert.deepEqual(await codes.check(of, '444444', { checksMax: max }, now), { outcome: 'wrong', left: 4 });
    assert.equal(await check(of, '333333'), 'verified');
  });

  it('says expired when the life of the only code is over', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await redis.del(otpKeyOf(of));
    assert.deepEqual(await codes.check(of, '111111', { checksMax: max }, now), { outcome: 'expired', left: 0 });
  });

  it('does not let a confirmed code be compared beyond its life by a newer one under way', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await redis.del(otpKeyOf(of));
    await codes.start(of, 2, '222222', now);
    assert.equal(await check(of, '111111'), 'wrong');
    assert.equal(await check(of, '222222'), 'verified');
  });

  it('bounds guesses also after the proof', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await check(of, '111111');
    const outcomes = await atOnce(50, (index) => check(of, String(200_000 + index)));
    assert.equal(outcomes.filter((outcome) => outcome === 'wrong').length, max);
    assert.equal(outcomes.filter((outcome) => outcome === 'exhausted').length, 45);
    assert.equal(await check(of, '111111'), 'already');
  });

  it('tells the send whose code was right, also to a repeat', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.start(of, 2, '222222', now);
    assert.equal((await codes.check(of, '222222', { checksMax: max }, now)).send, 2);
    assert.equal((await codes.check(of, '222222', { checksMax: max }, now)).send, 2);
    assert.equal('send' in (await codes.check(of, '333333', { checksMax: max }, now)), false);
  });

  it('verifies one code of two that are both right at the same moment', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.start(of, 2, '222222', now);
    const outcomes = await Promise.all([check(of, '111111'), check(of, '222222')]);
    assert.deepEqual(outcomes.sort(), ['verified', 'wrong']);
  });
});

describe('createCodes()', () => {
  it('keeps subjects apart: a code of one is worth nothing in another', async () => {
    const [one, other] = [newSubject(), newSubject()];
    await sentCode(one, 1, '111111');
    await sentCode(other, 1, '222222');
    assert.equal(await check(other, '111111'), 'wrong');
    assert.equal(await check(one, '222222'), 'wrong');
  });

  it('stores no code in clear, and different hashes of the same code', async () => {
    const [one, other] = [newSubject(), newSubject()];
    const code = otherThan('000000');
    await codes.start(one, 1, code, 1);
    await sentCode(other, 1, code, 1);
    const stored = [await redis.hgetall(hashKeyOf(one)), await redis.hgetall(hashKeyOf(other))];
    assert.equal(JSON.stringify(stored).includes(code), false);
    assert.equal((await redis.get(otpKeyOf(other)))?.includes(code), false);
    assert.notEqual(stored[0]?.['hash:1'], stored[1]?.['hash:1']);
  });

  it('forgets the sealed code as soon as the provider has it', async () => {
    const of = newSubject();
    await codes.start(of, 1, '111111', now);
    assert.equal(await redis.hexists(hashKeyOf(of), 'encrypted:1'), 1);
    await codes.sent(of, 1, now, ttlSeconds, 'provider-1');
    assert.equal(await redis.hexists(hashKeyOf(of), 'encrypted:1'), 0);
  });

  it('keeps nothing for ever', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (const key of [hashKeyOf(of), otpKeyOf(of)]) {
      const life = await redis.ttl(key);
      assert.ok(life > 0 && life <= 2 * 86_400, `${key} ${life} s`);
    }
  });

  it('makes every code worthless when the registration is over', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.start(of, 2, '222222', now);
    await codes.remove(of);
    assert.equal(await check(of, '111111'), 'none');
    assert.equal(await check(of, '222222'), 'none');
    assert.equal(await codes.read(of), undefined);
  });

  it('holds the keys of a subject on one node of a cluster: they share the tag in braces', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    const keys = await redis.keys(`*${of.subject}*`);
    assert.deepEqual(keys.sort(), [otpKeyOf(of), hashKeyOf(of)]);
    for (const key of keys) assert.equal(/\{(.+?)\}/.exec(key)?.[1], of.subject);
  });
});

describe('a send that no provider carried', () => {
  it('leaves nothing to guess, and the code before it valid', async () => {
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

  it('is not taken back once a provider has it', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    await codes.refused(of, 1);
    assert.equal(await check(of, '111111'), 'verified');
  });
});

describe('waits between checks', () => {
  const rules = { checksMax: 3, checkWaitsSeconds: [0, 60] };

  it('are kept by the clock of the caller: an early check is neither compared nor counted', async () => {
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

  it('let one of parallel checks be compared where one is possible', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    for (let index = 0; index < 2; index++) await codes.check(of, '222222', rules, now);
    const longer = { checksMax: 4, checkWaitsSeconds: [0, 60, 60] };
    const answers = await atOnce(20, () => codes.check(of, '222222', longer, now + 60_000));
    assert.equal(answers.filter(({ outcome }) => outcome === 'wrong').length, 1);
    assert.equal(answers.filter(({ outcome }) => outcome === 'early').length, 19);
  });

  it('end with the life of the code', async () => {
    const of = newSubject();
    await sentCode(of, 1, '111111');
    assert.equal((await codes.check(of, '111111', rules, now + ttlSeconds * 1000)).outcome, 'expired');
  });
});
