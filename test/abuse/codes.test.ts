// @rerun never
/** Checking codes under abuse: the cases A of the abuse catalogue, with their ids. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createCodes } from '../../adapters/redis/codes.ts';
import { roles } from '../../platform/config/roles.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createCipher } from '../../platform/crypto.ts';
import { ageRecords } from '../support/aging.ts';
import {
  type Answer,
  call,
  codeFor,
  messagesTo,
  type RegistrationHandle,
  startRegistration,
} from '../support/client.ts';
import { atOnce } from '../support/redis.ts';
import { assertLimited, must, phoneOf, startAnotherApi, wrongCode } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

/** Lifetime of a code and window of every limit: long enough for any machine. Tests age what must have expired. */
const codeSeconds = 3600;
const windowSeconds = 3600;
const wrongPerNumber = 12;
const wrongPerAddress = 15;
const sendsPerNumber = 6;

const { system, behind, url, outboxUrl, api, codeBy } = await withSystem({
  REGISTRATION_STEPS: 'code',
  OTP_TTL: String(codeSeconds),
  OTP_RESEND_WAITS: '1,1,1',
  REGISTRATION_TTL: '86400',
  LIMIT_WRONG_CODES_PER_NUMBER: `${wrongPerNumber}/${windowSeconds}`,
  LIMIT_WRONG_CODES_PER_ADDRESS: `${wrongPerAddress}/${windowSeconds}`,
  LIMIT_SENDS_PER_NUMBER: `${sendsPerNumber}/${windowSeconds}`,
});

const guess = (registration: RegistrationHandle, code: unknown) => registration.call('PUT', '/code', { code });

/** A registration from an IP address, and the code that was sent to the number. */
async function registrationWithCode(
  person: number,
  from: string,
  more: object = {},
): Promise<{ registration: RegistrationHandle; code: string }> {
  const registration = await startRegistration(url, { phone: phoneOf(person), ...more }, {}, from);
  return { registration, code: await sendTo(registration, person) };
}

async function sendTo(registration: RegistrationHandle, person: number): Promise<string> {
  return (await codeBy(phoneOf(person), () => registration.call('POST', '/codes', { channel: 'sms' }))).code;
}

/** Sends another code as soon as the registration allows it. */
async function resendTo(registration: RegistrationHandle, person: number): Promise<string> {
  await until(async () => Date.now() >= Date.parse((await registration.call('GET', '')).body.nextSmsAt));
  return sendTo(registration, person);
}

/** All attempts that a limit has counted, with the time of each. */
async function countedBy(limit: string): Promise<string[][]> {
  const keys = await behind.keys(`ratelimit:*:${limit}`);
  return Promise.all(keys.map((key) => behind.redis.zrange(key, '0', '-1', 'WITHSCORES')));
}

const assertRefusedBy = (answer: Answer, limit: string) => assertLimited(answer, limit, windowSeconds);

/** The number of attempts that were compared with the codes of a registration. */
async function comparedIn(registration: RegistrationHandle): Promise<number> {
  const fields = Object.entries(await behind.verificationOf(registration.id));
  return fields.reduce((sum, [name, count]) => sum + (/^checks:\d+$/.test(name) ? Number(count) : 0), 0);
}

describe('A: checking a code', () => {
  it('A1: after five wrong codes, not even the right one is accepted until a new one is requested', async () => {
    const { registration, code } = await registrationWithCode(1, '127.0.2.1');
    for (const left of [4, 3, 2, 1, 0]) {
      const { status, body } = await guess(registration, wrongCode(code, left + 1));
      assert.deepEqual([status, body.error_code, body.attemptsLeft], [400, 'INVALID_OTP', left]);
    }
    const late = await guess(registration, code);
    assert.deepEqual([late.status, late.body.attemptsLeft], [400, 0]);
    assert.ok(Number.isFinite(Date.parse(late.body.nextCodeAt)));
  });

  it('A2: failures of a number survive its resends and end in a cool-down, R7: which a refused attempt does not extend', async () => {
    const { registration, code } = await registrationWithCode(2, '127.0.2.2');
    let newest = code;
    let failures = 0;
    let refused: Answer | undefined;
    for (let turn = 0; refused === undefined && turn < 50; turn++) {
      if (turn > 0 && turn % 5 === 0) {
        newest = await resendTo(registration, 2);
      }
      const answer = await guess(registration, wrongCode(newest, turn + 1));
      if (answer.status === 429) refused = answer;
      else failures++;
    }
    assert.equal(failures, wrongPerNumber);
    assert.ok(refused);
    assertRefusedBy(refused, 'wrong-codes-per-number');
    const counted = await countedBy('wrong-codes-per-number');
    assert.ok(counted.length > 0);
    let leastSeconds = refused.body.retry_after_seconds;
    for (let turn = 0; turn < 5; turn++) {
      const again = await guess(registration, newest);
      assertRefusedBy(again, 'wrong-codes-per-number');
      assert.ok(again.body.retry_after_seconds <= leastSeconds);
      leastSeconds = again.body.retry_after_seconds;
    }
    assert.deepEqual(await countedBy('wrong-codes-per-number'), counted);
    assert.equal(await comparedIn(registration), wrongPerNumber);
  });

  it('A3, A4, R3: 30 registrations of one number from 30 addresses compare and send no more codes than one', async () => {
    const victim = 3;
    const addresses = Array.from({ length: 30 }, (_, index) => `127.0.3.${index + 1}`);
    const registrations: RegistrationHandle[] = [];
    const sent: Answer[] = [];
    const guesses: Answer[] = [];
    const honest = registrationWithCode(4, '127.0.2.4');
    for (let begin = 0; begin < addresses.length; begin += 10) {
      const some = await Promise.all(
        addresses.slice(begin, begin + 10).map((from) => startRegistration(url, { phone: phoneOf(victim) }, {}, from)),
      );
      registrations.push(...some);
      sent.push(
        ...(await Promise.all(some.map((registration) => registration.call('POST', '/codes', { channel: 'sms' })))),
      );
      if (begin === 0) await codeFor(outboxUrl, phoneOf(victim), sendsPerNumber);
      for (let turn = 0; turn < 5; turn++) {
        guesses.push(...(await Promise.all(some.map((registration) => guess(registration, `00000${turn}`)))));
      }
    }
    const counts = Object.groupBy(sent, ({ status }) => String(status));
    assert.deepEqual(
      [counts['202']?.length, counts['429']?.length],
      [sendsPerNumber, addresses.length - sendsPerNumber],
    );
    for (const answer of counts['429'] ?? []) assertRefusedBy(answer, 'sends-per-number');
    assert.equal((await messagesTo(outboxUrl, phoneOf(victim))).length, sendsPerNumber);
    const compared = (await Promise.all(registrations.map(comparedIn))).reduce((sum, count) => sum + count, 0);
    assert.equal(compared, wrongPerNumber);
    assert.equal(guesses.filter(({ status }) => status === 200).length, 0);
    const { registration, code } = await honest;
    assert.equal((await must(guess(registration, code))).body.state, 'completed');
  });

  it('A6: one guess at each of many numbers reaches the limit of its address, and the limit over all users', async () => {
    const from = '127.0.2.6';
    const answers: Answer[] = [];
    for (let begin = 0; begin < wrongPerAddress + 5; begin += 5) {
      const some = await Promise.all(
        Array.from({ length: 5 }, (_, index) => registrationWithCode(600 + begin + index, from)),
      );
      answers.push(...(await Promise.all(some.map(({ registration, code }) => guess(registration, wrongCode(code))))));
    }
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(answers.filter(({ status }) => status === 400).length, wrongPerAddress);
    assert.equal(refused.length, answers.length - wrongPerAddress);
    for (const answer of refused) assertRefusedBy(answer, 'wrong-codes-per-address');
    const other = await registrationWithCode(660, '127.0.2.60');
    await must(guess(other.registration, other.code));

    const strict = await startAnotherApi(system, { LIMIT_WRONG_CODES: '5/3600' });
    const { registration, code } = await registrationWithCode(661, '127.0.2.61');
    const path = `/api/v1/registrations/${registration.id}/code`;
    const everybody = await call(strict.apiUrl, 'PUT', path, {
      token: registration.token,
      body: { code: wrongCode(code) },
    });
    assertRefusedBy(everybody, 'wrong-codes');
    assert.match(readFileSync(strict.logFile('api'), 'utf8'), /"event":"sending.stopped"/);
    await strict.stop();
  });

  it('A6: an address with more wrong codes than right ones is refused early; one with right codes is not', async () => {
    const strict = await startAnotherApi(system, { LIMIT_WRONG_CODE_SHARE_PER_ADDRESS: '2/3600' });
    const check = async (person: number, from: string, isRight: boolean) => {
      const { registration, code } = await registrationWithCode(person, from);
      const body = { code: isRight ? code : wrongCode(code) };
      return api.verifyCode({
        registrationId: registration.id,
        at: strict.apiUrl,
        token: registration.token,
        body,
        from,
      });
    };
    for (const person of [670, 671]) assert.equal((await check(person, '127.0.2.67', false)).status, 400);
    assertRefusedBy(await check(672, '127.0.2.67', false), 'wrong-code-share-per-address');
    assertRefusedBy(await check(673, '127.0.2.67', true), 'wrong-code-share-per-address');
    for (const person of [674, 675]) assert.equal((await check(person, '127.0.2.68', true)).status, 200);
    for (const person of [676, 677, 678]) assert.equal((await check(person, '127.0.2.68', false)).status, 400);
    await strict.stop();
  });

  it('A6: when most codes of all users are wrong, each address is slowed, and the operator is alerted', async () => {
    const strict = await startAnotherApi(system, {
      LIMIT_WRONG_CODE_SHARE: '3/7200',
      LIMIT_WRONG_CODES_WHILE_GUESSED: '1/3600',
    });
    const check = async (person: number, from: string, isRight = false) => {
      const { registration, code } = await registrationWithCode(person, from);
      const body = { code: isRight ? code : wrongCode(code) };
      return api.verifyCode({
        registrationId: registration.id,
        at: strict.apiUrl,
        token: registration.token,
        body,
        from,
      });
    };
    await behind.redis.del(await behind.keys('ratelimit:{all}:wrong-code-share*'));
    for (const person of [680, 681, 682]) await check(person, `127.0.3.${person - 600}`);
    assert.equal((await check(683, '127.0.3.9')).status, 400);
    assertRefusedBy(await check(684, '127.0.3.9'), 'wrong-codes-while-guessed');
    assert.equal((await check(685, '127.0.3.10', true)).status, 200);
    assert.match(readFileSync(strict.logFile('api'), 'utf8'), /"event":"sending.stopped","limit":"wrong-code-share"/);
    await strict.stop();
  });

  it('A7: five of 100 concurrent wrong codes are compared', async () => {
    const { registration, code } = await registrationWithCode(7, '127.0.2.7');
    const answers = await atOnce(100, (index) => guess(registration, wrongCode(code, index + 1)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 0);
    assert.equal(await comparedIn(registration), 5);
  });

  it('A8: 50 concurrent right codes create one account', async () => {
    const { registration, code } = await registrationWithCode(8, '127.0.2.8');
    const answers = await atOnce(50, () => guess(registration, code));
    const users = new Set<string>();
    for (const { status, body } of answers) {
      assert.equal(status, 200, JSON.stringify(body));
      if (body.userId) users.add(body.userId);
    }
    assert.equal(users.size, 1);
    assert.equal((await must(guess(registration, code))).body.state, 'completed');
  });

  it('A9: a repeated right code gets the same response, gives no second session, and is wrong elsewhere', async () => {
    const { registration, code } = await registrationWithCode(9, '127.0.2.9');
    const first = await must(guess(registration, code));
    const again = await must(guess(registration, code));
    assert.equal(again.body.userId, first.body.userId);
    await must(registration.call('POST', '/session'), 201);
    await must(guess(registration, code));
    assert.equal((await registration.call('POST', '/session')).status, 409);
    const other = await registrationWithCode(9, '127.0.2.9');
    assert.equal((await guess(other.registration, code)).status, other.code === code ? 409 : 400);
  });

  it('A12: a code is wrong in another registration, of the same number or another, and is counted there', async () => {
    const first = await registrationWithCode(12, '127.0.2.12');
    const same = await registrationWithCode(12, '127.0.2.12');
    const other = await registrationWithCode(13, '127.0.2.12');
    for (const { registration } of [same, other]) {
      const { status, body } = await guess(registration, first.code);
      assert.deepEqual([status, body.error_code, body.attemptsLeft], [400, 'INVALID_OTP', 4]);
    }
    assert.equal(await comparedIn(first.registration), 0);
  });

  it('A13: a code is bound to its purpose', async () => {
    const root = new Secret(randomBytes(32).toString('base64'));
    const codes = createCodes(behind.redis, [randomBytes(32)], createCipher('secret', root));
    const now = Date.now();
    const registering = { subject: 'a13', purpose: 'register' } as const;
    const loggingIn = { subject: 'a13', purpose: 'login' as 'register' };
    await codes.start(registering, 1, '111111', now);
    await codes.sent(registering, 1, { ttlSeconds: 3600, providerId: 'message-1' }, now);
    assert.equal((await codes.check(loggingIn, '111111', { checksMax: 5 }, now)).outcome, 'none');
    await codes.start(loggingIn, 1, '222222', now);
    await codes.sent(loggingIn, 1, { ttlSeconds: 3600, providerId: 'message-2' }, now);
    assert.equal((await codes.check(loggingIn, '111111', { checksMax: 5 }, now)).outcome, 'wrong');
    assert.equal((await codes.check(loggingIn, '222222', { checksMax: 5 }, now)).outcome, 'verified');
    assert.equal((await codes.check(registering, '222222', { checksMax: 5 }, now)).outcome, 'wrong');
  });

  it('A15: a code is accepted until it expires, then refused with the time of the next send', async () => {
    const [early, late] = await Promise.all([
      registrationWithCode(15, '127.0.2.15'),
      registrationWithCode(16, '127.0.2.15'),
    ]);
    for (const { registration } of [early, late]) {
      await until(async () => (await behind.verificationOf(registration.id))['sentAt:1'] !== undefined);
    }
    const age = ({ id }: RegistrationHandle, seconds: number) =>
      ageRecords(behind.redis, `*:{${id}}:register`, seconds);
    await age(early.registration, codeSeconds - 600);
    await must(guess(early.registration, early.code));
    await age(late.registration, codeSeconds);
    const { status, body } = await guess(late.registration, late.code);
    assert.deepEqual([status, body.error_code], [410, 'GONE']);
    assert.ok(Number.isFinite(Date.parse(body.nextCodeAt)));
    await must(guess(late.registration, await resendTo(late.registration, 16)));
  });

  it('A16: a code that is not a string of digits is refused before it is compared', async () => {
    const { registration, code } = await registrationWithCode(17, '127.0.2.16');
    const wrongTypes = [
      Number(code),
      [code],
      { $ne: '' },
      { length: 6 },
      true,
      null,
      '',
      ' ',
      `${code}\u0000`,
      `${code}x`,
    ];
    for (const given of wrongTypes) {
      const { status, body } = await guess(registration, given);
      assert.deepEqual([status, body.error_code], [400, 'INVALID_REQUEST'], JSON.stringify(given));
      assert.equal(body.attemptsLeft, undefined);
    }
    assert.equal((await registration.call('PUT', '/code')).status, 400);
    assert.equal(await comparedIn(registration), 0);
    await must(guess(registration, code));
  });

  it('A21: a code is in no response, no log and no Redis key in plain text', async () => {
    const { registration, code } = await registrationWithCode(21, '127.0.2.21');
    const answers = [
      await guess(registration, wrongCode(code)),
      await registration.call('GET', ''),
      await guess(registration, code),
    ];
    const isIn = new RegExp(`(?<![\\w.-])${code}(?![\\w.-])`);
    for (const { body, headers } of answers) {
      assert.doesNotMatch(JSON.stringify(body), isIn);
      assert.doesNotMatch(JSON.stringify([...headers]), isIn);
    }
    for (const role of roles.filter((name) => !['gateway', 'audit', 'signal'].includes(name))) {
      assert.doesNotMatch(readFileSync(system.processes.logFile(role), 'utf8'), isIn, role);
    }
    assert.doesNotMatch(JSON.stringify(await behind.verificationOf(registration.id)), isIn);
  });

  it('A23: a verification is bound to its number: no call changes the number of a registration', async () => {
    const { registration, code } = await registrationWithCode(23, '127.0.2.23');
    const other = { phone: phoneOf(24) };
    for (const [method, path, body] of [
      ['PUT', '', other],
      ['PATCH', '', other],
      ['POST', '/codes', { channel: 'sms', ...other }],
      ['POST', '/codes', { channel: 'sms', to: phoneOf(24) }],
      ['PUT', '/code', { code, ...other }],
    ] as const) {
      const { status } = await registration.call(method, path, body);
      assert.ok([400, 405].includes(status), `${method} ${path} ${status}`);
    }
    const { body } = await must(guess(registration, code));
    assert.equal(body.phone, '+44•••••0023');
    assert.equal((await messagesTo(outboxUrl, phoneOf(24))).length, 0);
    const tokens = await must(registration.call('POST', '/session'), 201);
    assert.equal(tokens.body.user.phone, phoneOf(23));
  });

  it('A25: a victim of guesses by others gets the retry time, and continues by the other channel', async () => {
    const attacker = await registrationWithCode(25, '127.0.2.25');
    let newest = attacker.code;
    for (let failures = 0; failures < wrongPerNumber; failures++) {
      if (failures > 0 && failures % 5 === 0) {
        newest = await resendTo(attacker.registration, 25);
      }
      await must(guess(attacker.registration, wrongCode(newest, failures + 1)), 400);
    }
    const email = 'victim25@example.org';
    const victim = await registrationWithCode(25, '127.0.2.26', { email });
    const slowed = await guess(victim.registration, victim.code);
    assertRefusedBy(slowed, 'wrong-codes-per-number');
    assert.deepEqual(slowed.body.otherChannels, ['email']);
    await must(victim.registration.call('POST', '/codes', { channel: 'email' }), 202);
    assert.equal((await must(guess(victim.registration, await codeFor(outboxUrl, email)))).body.state, 'completed');
  });
});
