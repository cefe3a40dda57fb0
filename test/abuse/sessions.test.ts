// @rerun never
/** Log-in, sessions and PINs under abuse: cases D2 (log-in), G21, G23 and O2. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAccounts } from '../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { createPasswords } from '../../adapters/passwords.ts';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { createLogIns } from '../../adapters/redis/logins.ts';
import { createOneTimeSecrets } from '../../adapters/redis/one-time-secrets.ts';
import { createRateLimits } from '../../adapters/redis/rate-limits.ts';
import { createSmsBudget } from '../../adapters/redis/sms-budget.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { served } from '../../api/handlers.ts';
import { serve } from '../../api/serve.ts';
import { readPolicy } from '../../domain/registration.ts';
import type { System } from '../../engines/system.ts';
import { readConfig } from '../../platform/config/config.ts';
import { keyedHash } from '../../platform/crypto.ts';
import { keysIn } from '../../platform/keyring.ts';
import { type Answer, call, codeFor, messagesTo } from '../support/client.ts';
import { takingAtLeast } from '../support/instants.ts';
import { registeredPerson, signedIn } from '../support/people.ts';
import { recordEvents } from '../support/recorder.ts';
import {
  allMessages,
  type Behind,
  completedRegistration,
  goodPassword,
  lookBehind,
  must,
  phoneOf,
  registrationWithCode,
} from '../support/registrations.ts';
import { startTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const pin = '830561';

let system: System;
let behind: Behind;
let url: string;

before(async () => {
  system = await startTestSystem({
    env: { CAPTCHA_COST: '2', LIMIT_WRONG_PINS_PER_PERSON: '10/86400', DIRECTORY_TRIES: '1000' },
  });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

const post = (path: string, body?: unknown, options: Parameters<typeof call>[3] = {}): Promise<Answer> =>
  call(url, 'POST', `/api/v1/auth${path}`, { ...(body !== undefined && { body }), ...options });
const session = (token: string) => call(url, 'GET', '/api/v1/auth/session', { token });

describe('A log-in', () => {
  /** Builds the dependencies of a log-in as in api/main.ts, and records each call to them as `name.method`. */
  async function openLogIn(noted: string[]) {
    const config = readConfig('api', system.processes.env('api'));
    const { KEYS: keys } = config;
    const redis = connectRedis(config.REDIS_URL, () => undefined, { timeoutMs: 600_000 });
    const database = connectMongo(config.DATABASE_URL, () => undefined);
    const limitKey = keys.lasting('limit');
    const { workflow } = behind.temporal;
    const parts = {
      rateLimits: createRateLimits(redis),
      smsBudget: createSmsBudget(redis),
      logins: createLogIns(redis),
      directorySecrets: createOneTimeSecrets(redis, keys.box('secret-directory')),
      passwords: createPasswords(keys.keys('pepper'), config.ARGON2_CONCURRENCY),
      accounts: createAccounts(database.connection, keysIn(keys, 'identity'), keys.cipher('field'), {
        around: (_userId, write) => write(),
      }),
      workflow,
    };
    const { workflow: notedWorkflow, ...others } = Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [name, noteCalls(name, part, noted)]),
    );
    const deps = {
      ...others,
      config,
      policy: readPolicy(config.REGISTRATION_STEPS),
      rules: { codeTtlSeconds: config.OTP_TTL },
      events: recordEvents().events,
      limitHash: (kind: string, text: string) => keyedHash(limitKey, kind, text),
      hashKey: keys.lasting('idempotency'),
      temporal: {
        workflow: notedWorkflow,
        // no deadline: a worker may be slow
        withDeadline: (_deadline: number, ask: () => Promise<unknown>) => ask(),
        withAbortSignal: (_signal: AbortSignal, ask: () => Promise<unknown>) => ask(),
      },
    } as unknown as ApiDeps;
    return {
      logIn: (body: unknown) => {
        const caller = { address: '127.0.0.1', userAgent: 'test' };
        return serve(deps, served.beginLogIn, { params: {}, query: {}, body, authorization: undefined, caller });
      },
      async [Symbol.asyncDispose]() {
        redis.disconnect();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  /** Wraps an object so that its method calls are recorded when they start. */
  function noteCalls<Part extends object>(name: string, part: Part, noted: string[]): Part {
    return new Proxy(part, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          noted.push(`${name}.${String(key)}`);
          return value.apply(target, args);
        };
      },
    });
  }

  /** Responses are sent at multiples of this time, in ms (platform/lifecycle.ts). */
  const stepMs = 100;

  /** The calls before the response. Refunds for unknown users are left out: the response does not wait for them. */
  async function workOf(log: (identifier: string) => Promise<unknown>, noted: string[], identifier: string) {
    noted.length = 0;
    await takingAtLeast(stepMs, () => log(identifier));
    return noted.filter((call) => !/\.refund(All)?$/.test(call));
  }

  it('D2: by code makes the same calls for known and unknown users, and responds on a fixed time step', async () => {
    await registeredPerson(system, 750);
    const noted: string[] = [];
    await using logIns = await openLogIn(noted);
    const log = (identifier: string) => logIns.logIn({ identifier });
    const known = await workOf(log, noted, 'person750');
    const unknown = await workOf(log, noted, 'nobody-at-all');
    assert.deepEqual(unknown, known);
    for (const call of [
      'accounts.findBy',
      'rateLimits.consumeAll',
      'smsBudget.spend',
      'logins.create',
      'workflow.start',
    ]) {
      assert.ok(known.includes(call), `${call} is not among ${known}`);
    }
  });

  it('D2: by password computes and calls the same for known and unknown users, and responds on a fixed time step', async () => {
    await registeredPerson(system, 751);
    const noted: string[] = [];
    await using logIns = await openLogIn(noted);
    const log = (identifier: string) =>
      assert.rejects(logIns.logIn({ identifier, password: 'not-the-password-1' }), { code: 'credentials-wrong' });
    // the dummy hash, for the passwords of unknown users, is computed once
    await log('nobody-before');
    const known = await workOf(log, noted, 'person751');
    const unknown = await workOf(log, noted, 'nobody-at-all');
    const isComputed = (call: string) => call !== 'passwords.dummyHash';
    assert.deepEqual(unknown.filter(isComputed), known.filter(isComputed));
    for (const call of ['accounts.findProvable', 'rateLimits.consumeAll', 'passwords.verify', 'workflow.start']) {
      assert.ok(known.includes(call), `${call} is not among ${known}`);
    }
  });
});

describe('An id that an attacker knows before the log-in', () => {
  it('G21: opens nothing after it: each session has a new id, and the log-in is used up', async () => {
    const registration = await completedRegistration(system, 752);
    const { body: registered } = await must(registration.call('POST', '/session'), 201);
    const fixed = { Cookie: `session=${registration.id}; sid=${registration.id}`, 'X-Session-Id': registration.id };
    const before = (await messagesTo(system.ready.outboxUrl, phoneOf(752))).length;
    const { body: begun } = await must(post('/login/init', { identifier: 'person752' }, { headers: fixed }), 202);
    const { loginId } = begun;
    const code = await codeFor(system.ready.outboxUrl, phoneOf(752), before + 1);
    const proof = { loginId, code, password: goodPassword };
    const proven = await must(post('/login/verify', proof, { headers: fixed }));
    assert.equal(proven.headers.get('set-cookie'), null);
    const { body: own } = await must(session(proven.body.accessToken));
    const { body: first } = await must(session(registered.accessToken));
    const ids = [own.sessionId, first.sessionId, loginId, registration.id];
    assert.equal(new Set(ids).size, ids.length);
    for (const token of [loginId, registration.id, own.sessionId, registration.token])
      assert.equal((await session(token)).status, 401);
    assert.equal((await post('/login/verify', proof)).status, 409);
    assert.equal((await registration.call('POST', '/session')).status, 409);
    assert.equal((await post('/refresh-token', { refreshToken: loginId })).status, 401);
    assert.equal(
      (await call(url, 'DELETE', `/api/v1/auth/sessions/${loginId}`, { token: proven.body.accessToken })).status,
      404,
    );
  });
});

describe('A form on another site', () => {
  it('G23: is refused, also with cookies and without a body, and changes nothing', async () => {
    const tokens = await signedIn(system, 753);
    const cookies = {
      Cookie: `accessToken=${tokens.accessToken}; session=${tokens.accessToken}`,
      Origin: 'https://evil.example',
    };
    const traces = async () => [
      (await allMessages(system.ready.outboxUrl)).length,
      await behind.countRegistrations(),
      (await behind.keys('login:*')).length,
    ];
    const before = await traces();
    const paths = [
      '/registrations',
      '/auth/login',
      '/auth/register',
      '/auth/password/forgot',
      '/auth/logout',
      '/auth/refresh-token',
    ];
    for (const path of paths) {
      const types = ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x'];
      for (const type of types) {
        const headers = { ...cookies, 'Content-Type': type };
        for (const body of ['identifier=person753&everywhere=true', '{"identifier":"person753"}']) {
          const { status } = await call(url, 'POST', `/api/v1${path}`, { body, headers });
          assert.equal(status, 415, `${path} ${type}`);
        }
      }
      const empty = await call(url, 'POST', `/api/v1${path}`, { headers: cookies });
      assert.ok([400, 401].includes(empty.status), `${path} ${empty.status}`);
      assert.equal(empty.headers.get('access-control-allow-origin'), null);
    }
    assert.deepEqual(await traces(), before);
    await must(session(tokens.accessToken));
  });
});

describe('A password that is changed while others log in with it', () => {
  it('leaves no session that was started with the old one', async () => {
    const own = await signedIn(system, 755);
    const begun: string[] = [];
    let isOver = false;
    const stranger = async () => {
      while (!isOver) {
        const { status, body } = await post('/login', { identifier: 'person755', password: goodPassword });
        if (status === 200) begun.push(body.accessToken);
        else isOver = true;
      }
    };
    const strangers = Array.from({ length: 6 }, stranger);
    await until(async () => begun.length >= 6);
    const change = { currentPassword: goodPassword, newPassword: 'violet-harbour-engraves-93' };
    await must(call(url, 'PUT', '/api/v1/auth/password', { body: change, token: own.accessToken }), 204);
    isOver = true;
    await Promise.all(strangers);
    for (const token of begun) assert.equal((await session(token)).status, 401);
    await must(session(own.accessToken));
  });
});

describe('PIN attempts of strangers', () => {
  const countersOfPins = async () => (await behind.keys('ratelimit:*')).filter((key) => key.includes('wrong-pins'));

  it('O2: are refused before they count: without a session, or with a code that was never sent', async () => {
    const { accessToken: ended } = await signedIn(system, 754, { pin });
    const { registration } = await registrationWithCode(system, 756);
    await must(post('/logout', {}, { token: ended }), 204);
    const { body: tokens } = await must(post('/login', { identifier: 'person754', password: goodPassword }));
    for (let turn = 0; turn < 12; turn++) {
      for (const token of ['', 'x', registration.token, ended]) {
        const own = token === '' ? {} : { token };
        const wrong = String(100_000 + turn);
        assert.equal((await post('/pin/verify', { pin: wrong }, own)).status, 401);
        const change = { body: { pin: '947205', currentPin: wrong }, ...own };
        assert.equal((await call(url, 'PUT', '/api/v1/auth/pin', change)).status, 401);
      }
      const reset = { resetId: '0'.repeat(32), code: '123456', pin: '947205' };
      assert.equal((await post('/pin/reset', reset, { token: tokens.accessToken })).status, 404);
    }
    assert.deepEqual(await countersOfPins(), []);
    assert.equal((await post('/pin/verify', { pin: '111222' }, { token: tokens.accessToken })).status, 401);
    assert.equal((await countersOfPins()).length, 1);
    await must(post('/pin/verify', { pin }, { token: tokens.accessToken }), 204);
  });
});
