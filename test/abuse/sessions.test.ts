/** Log-in, sessions and PINs under abuse: cases D2 (log-in), G21, G23 and O2. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { type Answer, call, codeFor, messagesTo } from '../support/client.ts';
import { startTestSystem } from '../support/engines.ts';
import {
  allMessages,
  type Behind,
  completedFlow,
  flowWithCode,
  goodPassword,
  lookBehind,
  must,
  phoneOf,
} from '../support/flows.ts';
import { median } from '../support/median.ts';
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

describe('The time of a log-in', () => {
  /** How much longer a known person waits than an unknown one who asks in the same moment: medians over 200 pairs, in ms. */
  async function compare(ask: (identifier: string) => Promise<unknown>, known: string) {
    const timed = async (identifier: string) => {
      const beganAt = performance.now();
      await ask(identifier);
      return performance.now() - beganAt;
    };
    // one name each: what counts by name counts alike
    const stranger = 'nobody-at-all';
    const longer: number[] = [];
    const all: number[] = [];
    for (let turn = 0; turn < 200; turn++) {
      const isFirst = turn % 2 === 0;
      const pair = isFirst ? [known, stranger] : [stranger, known];
      const [first = 0, second = 0] = await Promise.all(pair.map(timed));
      longer.push(isFirst ? first - second : second - first);
      all.push(first, second);
    }
    return { longer: median(longer), usual: median(all) };
  }

  function assertAlike({ longer, usual }: { longer: number; usual: number }): void {
    assert.ok(Math.abs(longer) < usual / 3, `the known one waited ${longer} ms longer, of ${usual} ms`);
  }

  it('D2: by code says nothing of who is there, over 200 interleaved pairs', { timeout: 300_000 }, async () => {
    await completedFlow(system, 750);
    assertAlike(await compare((identifier) => must(post('/login/init', { identifier }), 202), 'person750'));
  });

  it('D2: by password says nothing of who is there, over 200 interleaved pairs', { timeout: 300_000 }, async () => {
    await completedFlow(system, 751);
    const password = 'not-the-password-1';
    assertAlike(await compare((identifier) => must(post('/login', { identifier, password }), 401), 'person751'));
  });
});

describe('An id that an attacker knows before the log-in', () => {
  it('G21: opens nothing after it: each session has a new id, and what began it is used up', async () => {
    const flow = await completedFlow(system, 752);
    const { body: registered } = await must(flow.call('POST', '/session'), 201);
    const fixed = { Cookie: `session=${flow.id}; sid=${flow.id}`, 'X-Session-Id': flow.id };
    const before = (await messagesTo(system.ready.outboxUrl, phoneOf(752))).length;
    const { body: begun } = await must(post('/login/init', { identifier: 'person752' }, { headers: fixed }), 202);
    const { loginId } = begun;
    const code = await codeFor(system.ready.outboxUrl, phoneOf(752), before + 1);
    const proven = await must(post('/login/verify', { loginId, code }, { headers: fixed }));
    assert.equal(proven.headers.get('set-cookie'), null);
    const { body: own } = await must(session(proven.body.accessToken));
    const { body: first } = await must(session(registered.accessToken));
    const ids = [own.sessionId, first.sessionId, loginId, flow.id];
    assert.equal(new Set(ids).size, ids.length);
    for (const token of [loginId, flow.id, own.sessionId, flow.token]) assert.equal((await session(token)).status, 401);
    assert.equal((await post('/login/verify', { loginId, code })).status, 409);
    assert.equal((await flow.call('POST', '/session')).status, 409);
    assert.equal((await post('/refresh-token', { refreshToken: loginId })).status, 401);
    assert.equal(
      (await call(url, 'DELETE', `/api/v1/auth/sessions/${loginId}`, { token: proven.body.accessToken })).status,
      404,
    );
  });
});

describe('A form of another site', () => {
  it('G23: is refused, with cookies and without a body too, and changes nothing', async () => {
    const flow = await completedFlow(system, 753);
    const { body: tokens } = await must(flow.call('POST', '/session'), 201);
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
  it('leaves no session that the old one began', async () => {
    const flow = await completedFlow(system, 755);
    const { body: own } = await must(flow.call('POST', '/session'), 201);
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

describe('PINs that strangers try', () => {
  const countersOfPins = async () => (await behind.keys('ratelimit:*')).filter((key) => key.includes('wrong-pins'));

  it('O2: are refused before they count: without a session, or with a code that was never sent', async () => {
    const { flow, code } = await flowWithCode(system, 754);
    await must(flow.call('PUT', '/code', { code }));
    await must(flow.call('PUT', '/credentials', { password: goodPassword, pin }));
    const { body: ended } = await must(flow.call('POST', '/session'), 201);
    await must(post('/logout', {}, { token: ended.accessToken }), 204);
    const { body: tokens } = await must(post('/login', { identifier: 'person754', password: goodPassword }));
    for (let turn = 0; turn < 12; turn++) {
      for (const token of ['', 'x', flow.token, ended.accessToken]) {
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
