/**
 * `vyry.auth.v1.AuthService` over the wire, called by a client built from server reflection. Also rule R6: REST and
 * gRPC make the same decision for the same request.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { connectAuth, type RpcAnswer, servicesOf } from '../support/auth-client.ts';
import { type Answer, call, codeFor, notificationsTo } from '../support/client.ts';
import { assertSince } from '../support/instants.ts';
import { signedIn } from '../support/people.ts';
import { goodPassword, must, newPassword, phoneOf, startAnotherApi, wrongCode } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const token = 'a-bearer-token-of-another-server-1';
const page = 'https://app.example/reset';
/** Wait between two sends. */
const waitSeconds = 3600;

after(() => auth.close());
const { system, behind, url, outboxUrl, api } = await withSystem({
  GRPC_BEARER_TOKENS: token,
  REGISTRATION_STEPS: 'code,credentials',
  RECOVERY_URL: page,
  OTP_TTL: '3600',
  OTP_RESEND_WAITS: String(waitSeconds),
  TRUST_PROXY: '127.0.0.1',
});
const auth = await connectAuth(system.ready.grpcAddress, token);

const post = (path: string, body: unknown, options: Parameters<typeof call>[3] = {}): Promise<Answer> =>
  call(url, 'POST', `/api/v1/auth${path}`, { body, ...options });
const session = (accessToken: string) => api.readSession({ token: accessToken });

async function ok(answering: Promise<RpcAnswer>): Promise<RpcAnswer['message']> {
  const { code, message, problem } = await answering;
  assert.equal(code, status.OK, JSON.stringify(problem));
  return message;
}

/** Waits for the first code to a recipient, and returns the newest. */
const newCode = (to: string) => codeFor(outboxUrl, to);

/** The identity of a new user, with an e-mail address and no number. */
function named(person: number) {
  return { fullName: `Person ${person}`, username: `grpc${person}`, email: `grpc${person}@example.org` };
}

/** A user with an account and a session. */
async function account(person: number) {
  return { ...named(person), ...(await signedIn(system, named(person))) };
}

describe('SignUp', () => {
  it('starts a registration and sends its code; Login verifies the code, and REST continues the registration', async () => {
    const begunAt = Date.now();
    const { registration, registrationToken } = await ok(auth.call('SignUp', { ...named(200), phone: phoneOf(200) }));
    assert.match(registration.registrationId, /^[0-9a-f]{32}$/);
    assert.equal(registration.state, 'pending');
    assert.deepEqual(
      registration.steps.map(({ name }: { name: string }) => name),
      ['code', 'credentials'],
    );
    assertSince(registration.nextSmsAt, begunAt, waitSeconds);
    assert.ok(registration.phone.includes('•'));
    const proof = {
      code: await newCode(phoneOf(200)),
      registrationId: registration.registrationId,
      registrationToken,
    };
    const { registration: proven, tokens } = await ok(auth.call('Login', { proof }));
    assert.equal(tokens ?? undefined, undefined);
    assert.equal(proven.steps[0].status, 'done');
    const path = `/api/v1/registrations/${registration.registrationId}`;
    const { body } = await must(call(url, 'GET', path, { token: registrationToken }));
    assert.equal(body.steps[0].status, 'done');
    const credentials = { password: goodPassword };
    await must(call(url, 'PUT', `${path}/credentials`, { token: registrationToken, body: credentials }));
    await must(call(url, 'POST', `${path}/session`, { token: registrationToken }), 201);
  });

  it('returns the same response for the same idempotency key', async () => {
    const headers = { 'idempotency-key': 'sign-up-201' };
    const [one, other] = await Promise.all([
      ok(auth.call('SignUp', named(201), headers)),
      ok(auth.call('SignUp', named(201), headers)),
    ]);
    assert.equal(one.registrationToken, other.registrationToken);
    const { code, problem } = await auth.call('SignUp', named(202), headers);
    assert.deepEqual([code, problem.reason], [status.FAILED_PRECONDITION, 'CONFLICT']);
  });
});

describe('Login', () => {
  it('logs in with a password, or with a code in two calls; the tokens work over REST', async () => {
    const ada = await account(203);
    const { tokens } = await ok(auth.call('Login', { start: { identifier: ada.username, password: goodPassword } }));
    assert.deepEqual(
      [tokens.tokenType, tokens.expiresInSeconds, tokens.user.userId, tokens.user.roles],
      ['Bearer', 3600, ada.userId, ['user']],
    );
    await must(session(tokens.accessToken));
    const { started } = await ok(auth.call('Login', { start: { identifier: ada.email } }));
    assert.equal(started.channel, 'email');
    const code = await newCode(ada.email);
    const byCode = await ok(auth.call('Login', { proof: { loginId: started.loginId, code } }));
    await must(session(byCode.tokens.accessToken));
  });

  it('F22 asks an account for its PIN after a code by SMS, and takes it beside the code', async () => {
    const phone = phoneOf(213);
    await signedIn(system, { ...named(213), phone }, { pin: '830571' });
    const { started } = await ok(auth.call('Login', { start: { identifier: phone } }));
    const proof = { loginId: started.loginId, code: await newCode(phone) };
    const asked = await auth.call('Login', { proof });
    assert.deepEqual([asked.code, asked.problem.reason], [status.FAILED_PRECONDITION, 'REGISTRATION_LOCKED']);
    assert.equal(asked.problem.metadata.asks, '["pin","password"]');
    const { tokens } = await ok(auth.call('Login', { proof: { ...proof, pin: '830571' } }));
    await must(session(tokens.accessToken));
  });

  it('refuses a request with neither or both of its steps', async () => {
    const both = Buffer.from([0x0a, 3, 0x0a, 1, 0x61, 0x12, 3, 0x0a, 1, 0x31]);
    assert.equal(await auth.send('Login', both), status.INVALID_ARGUMENT);
    const { code, problem } = await auth.call('Login', {});
    assert.deepEqual([code, problem.fields], [status.INVALID_ARGUMENT, ['step']]);
  });
});

describe('ValidateToken', () => {
  it('returns the user of a token until its session ends, then refuses the token', async () => {
    const begunAt = Date.now();
    const ada = await account(204);
    const valid = await ok(auth.call('ValidateToken', { accessToken: ada.accessToken }));
    const { body } = await must(session(ada.accessToken));
    assert.deepEqual([valid.userId, valid.sessionId, valid.roles], [ada.userId, body.sessionId, ['user']]);
    // a token stores its expiry in whole seconds
    assertSince(valid.expiresAt, begunAt - 1000, 3600);
    await must(post('/logout', {}, { token: ada.accessToken }), 204);
    const { code, problem } = await auth.call('ValidateToken', { accessToken: ada.accessToken });
    assert.deepEqual([code, problem.reason], [status.UNAUTHENTICATED, 'INVALID_TOKEN']);
  });
});

describe('ForgotPassword and ResetPassword', () => {
  it('replace a password with the token from the e-mail', async () => {
    const ada = await account(205);
    await ok(auth.call('ForgotPassword', { identifier: ada.username }));
    let body = '';
    await until(async () => {
      body = (await notificationsTo(outboxUrl, ada.email)).find((message) => message.body.includes(page))?.body ?? '';
      return body !== '';
    });
    const reset = /#token=([\w-]{43})/.exec(body)?.[1];
    const weak = await auth.call('ResetPassword', { token: reset, password: 'password123' });
    assert.deepEqual([weak.code, weak.problem.reason], [status.INVALID_ARGUMENT, 'INVALID_REQUEST']);
    await ok(auth.call('ResetPassword', { token: reset, password: newPassword }));
    assert.equal((await session(ada.accessToken)).status, 401);
    await ok(auth.call('Login', { start: { identifier: ada.username, password: newPassword } }));
  });
});

describe('R6: the same request over REST and over gRPC', () => {
  /** Asserts that both refusals have the same reason, fields and context. Request ids and times may differ. */
  async function agree(what: string, byRest: Promise<Answer>, byRpc: Promise<RpcAnswer>, code: number): Promise<void> {
    const [{ status: httpStatus, body }, { code: rpcCode, problem }] = [await byRest, await byRpc];
    assert.ok(httpStatus >= 400, what);
    assert.equal(rpcCode, code, what);
    assert.equal(problem.reason, body.error_code, what);
    assert.deepEqual(
      problem.fields,
      (body.details ?? []).map(({ path }: { path: string }) => path),
      what,
    );
    assert.equal(problem.retrySeconds === undefined, body.retry_after_seconds === undefined, what);
    assert.deepEqual(
      [problem.metadata.limit, problem.metadata.attemptsLeft],
      [body.limit, body.attemptsLeft?.toString()],
      what,
    );
  }

  it('is refused the same way: wrong and weak passwords, unknown and disabled users, malformed fields, invalid tokens', async () => {
    const ada = await account(206);
    const gone = await account(207);
    jsonOf(await vyryFor(system)(['users', 'disable', gone.username, '--json']));
    const ended = await account(208);
    await must(post('/logout', {}, { token: ended.accessToken }), 204);
    const logIns = [
      ['a wrong password', { identifier: ada.username, password: 'wrong-password-1' }, status.UNAUTHENTICATED],
      ['an unknown user', { identifier: 'nobody-at-all', password: goodPassword }, status.UNAUTHENTICATED],
      ['a disabled user', { identifier: gone.username, password: goodPassword }, status.UNAUTHENTICATED],
      ['a malformed name', { identifier: 'ada,bob', password: goodPassword }, status.INVALID_ARGUMENT],
      ['no name', { identifier: '' }, status.INVALID_ARGUMENT],
      ['an unknown channel', { identifier: ada.username, channel: 'pigeon' }, status.INVALID_ARGUMENT],
    ] as const;
    for (const [what, body, code] of logIns)
      await agree(what, post('/login', body), auth.call('Login', { start: body }), code);
    const proofs = [
      ['an unknown log-in', { loginId: '0'.repeat(32), code: '123456' }, status.NOT_FOUND],
      ['no digits', { loginId: '0'.repeat(32), code: 'abcdef' }, status.INVALID_ARGUMENT],
      ['a proof without an id', { code: '123456' }, status.INVALID_ARGUMENT],
      ['no registration token', { registrationId: '0'.repeat(32), code: '123456' }, status.UNAUTHENTICATED],
    ] as const;
    for (const [what, body, code] of proofs) {
      await agree(what, post('/login/verify', body), auth.call('Login', { proof: body }), code);
    }
    const people = [
      ['no e-mail address', { ...named(209), email: 'nobody' }],
      ['no number', { ...named(209), phone: '12' }],
      ['two scripts', { ...named(209), username: 'pаypal' }],
      ['a line break', { ...named(209), fullName: 'A\nB' }],
    ] as const;
    for (const [what, body] of people) {
      await agree(what, post('/register', body), auth.call('SignUp', body), status.INVALID_ARGUMENT);
    }
    const resets = [
      ['an unknown token', { token: 'a'.repeat(43), password: newPassword }, status.UNAUTHENTICATED],
      ['no token', { token: '', password: newPassword }, status.INVALID_ARGUMENT],
      ['a short password', { token: 'a'.repeat(43), password: 'short' }, status.INVALID_ARGUMENT],
    ] as const;
    for (const [what, body, code] of resets) {
      await agree(what, post('/password/reset', body), auth.call('ResetPassword', body), code);
    }
    const forgotten = { identifier: 'a@x.com\r\nBcc: v@y.com' };
    await agree(
      'no identifier',
      post('/password/forgot', forgotten),
      auth.call('ForgotPassword', forgotten),
      status.INVALID_ARGUMENT,
    );
    for (const [what, accessToken] of [
      ['an ended session', ended.accessToken],
      ['a disabled user', gone.accessToken],
      ['no JWT', 'abc'],
    ] as const) {
      await agree(what, session(accessToken), auth.call('ValidateToken', { accessToken }), status.UNAUTHENTICATED);
    }
  });

  it('shares the attempts of a code and the limit of wrong passwords between both APIs', async () => {
    const ada = await account(210);
    const { started } = await ok(auth.call('Login', { start: { identifier: ada.email } }));
    const code = await newCode(ada.email);
    const { loginId } = started;
    const first = await post('/login/verify', { loginId, code: wrongCode(code) });
    assert.deepEqual([first.body.error_code, first.body.attemptsLeft], ['INVALID_OTP', 4]);
    const second = await auth.call('Login', { proof: { loginId, code: wrongCode(code, 2) } });
    assert.deepEqual([second.problem.reason, second.problem.metadata.attemptsLeft], ['INVALID_OTP', '3']);

    const strict = await startAnotherApi(system, { LIMIT_WRONG_PASSWORDS_PER_NAME: '2/3600' });
    const client = await connectAuth(strict.grpcAddress, token);
    const start = { identifier: 'nobody-of-both', password: 'wrong-password-1' };
    assert.equal((await api.beginLogInAlias({ at: strict.apiUrl, body: start })).status, 401);
    assert.equal((await client.call('Login', { start })).code, status.UNAUTHENTICATED);
    const limited = await client.call('Login', { start });
    client.close();
    assert.deepEqual([limited.code, limited.problem.reason], [status.RESOURCE_EXHAUSTED, 'RATE_LIMITED']);
    assert.equal(limited.problem.metadata.limit, 'wrong-passwords-per-name');
    assert.ok((limited.problem.retrySeconds ?? 0) > 0);
    assert.deepEqual(
      ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'].map((name) => limited.trailer.get(name)[0]),
      ['2', '0', String(limited.problem.retrySeconds)],
    );
  });

  it('M2: is limited and audited by the client address that a trusted caller forwards', async () => {
    const strict = await startAnotherApi(system, { LIMIT_RECOVERIES_PER_ADDRESS: '1/3600' });
    const client = await connectAuth(strict.grpcAddress, token);
    const forget = (source: string, turn: number) =>
      client.call(
        'ForgotPassword',
        { identifier: `nobody-${turn}` },
        { 'x-forwarded-for': source, 'x-request-id': `forget-${turn}` },
      );
    assert.equal((await forget('192.0.2.1', 1)).code, status.OK);
    const again = await forget('192.0.2.1', 2);
    assert.deepEqual([again.code, again.problem.requestId], [status.RESOURCE_EXHAUSTED, 'forget-2']);
    assert.equal(again.trailer.get('x-request-id')[0], 'forget-2');
    assert.equal((await forget('10.0.0.1, 192.0.2.2', 3)).code, status.OK);
    client.close();
    const byRest = await api.forgetPassword({
      at: strict.apiUrl,
      body: { identifier: 'nobody-4' },
      headers: { 'X-Forwarded-For': '192.0.2.2' },
    });
    assert.deepEqual([byRest.status, byRest.body.limit], [429, 'recoveries-per-address']);
    await until(async () => {
      const auditLog = await behind.auditEvents();
      return auditLog.some(
        ({ action, ip, url: asked }) =>
          action === 'rate-limited' && ip === '192.0.2.1' && asked?.path === '/vyry.auth.v1.AuthService/ForgotPassword',
      );
    });
  });
});

describe('The AuthService endpoint', () => {
  it('M1: refuses calls without a bearer token, also with an access token', async () => {
    const { accessToken } = await account(211);
    for (const wrong of [undefined, accessToken]) {
      await assert.rejects(connectAuth(system.ready.grpcAddress, wrong), { code: status.UNAUTHENTICATED });
    }
    const answer = await auth.call('ValidateToken', { accessToken }, { authorization: `Bearer ${accessToken}` });
    assert.deepEqual([answer.code, answer.problem.reason], [status.UNAUTHENTICATED, undefined]);
  });

  it('is listed by server reflection, next to the registration service for a Signal-Server', async () => {
    const names = await servicesOf(system.ready.grpcAddress, token);
    for (const name of ['vyry.auth.v1.AuthService', 'org.signal.registration.rpc.RegistrationService']) {
      assert.ok(names.includes(name), names.join(' '));
    }
  });

  it('M4: refuses unreadable messages as invalid, and ignores unknown fields', async () => {
    const invalidUtf8 = Buffer.from([0x0a, 2, 0xc3, 0x28]);
    const cutOff = Buffer.from([0x0a, 200, 1]);
    for (const bytes of [invalidUtf8, cutOff]) {
      assert.equal(await auth.send('ForgotPassword', bytes), status.INVALID_ARGUMENT);
    }
    const known = Buffer.concat([Buffer.from([0x0a, 6]), Buffer.from('nobody'), Buffer.from([0xf8, 0x07, 0x01])]);
    assert.equal(await auth.send('ForgotPassword', known), status.OK);
    assert.equal(await auth.send('ForgotPassword', Buffer.alloc(70_000)), status.RESOURCE_EXHAUSTED);
  });
});
