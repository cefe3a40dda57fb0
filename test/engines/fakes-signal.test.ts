/**
 * The fake Signal-Server: bodies, order of checks and statuses of the real one. Its registration service is a gRPC server
 * of this file, whose answers a test decides.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { startFakes } from '../../engines/fakes/fakes.ts';
import { type Answer, type CallOptions, call } from '../support/client.ts';
import { newLock, signalBody, withWrongSignature } from '../support/signal-registration.ts';
import { stopTime } from '../support/stopped-time.ts';

type Rpc = 'CreateSession' | 'GetSessionMetadata' | 'SendVerificationCode' | 'CheckVerificationCode';
type Reply = Record<string, unknown> | { code: number };

const sessionId = randomBytes(16);
const id = `${sessionId.toString('base64url')}==`;
const number = '+447700900101';
const token = 'the-token-of-the-server';
/** The requests of the fake, and what this file answers. */
const asked: { rpc: Rpc; request: Record<string, unknown>; authorization: unknown }[] = [];
let replies: Record<Rpc, Reply>;

const service = await startService();
const fakes = await startFakes({
  twilio: { accountSid: 'AC00000000000000000000000000000001', authToken: 'example-only-token' },
  registrationService: { address: service.address, token },
});
after(async () => {
  await fakes.close();
  service.close();
});
beforeEach(() => {
  fakes.reset();
  asked.length = 0;
  const ok = { sessionMetadata: metadata() };
  replies = { CreateSession: ok, GetSessionMetadata: ok, SendVerificationCode: ok, CheckVerificationCode: ok };
});

async function startService(): Promise<{ address: string; close(): void }> {
  const file = fileURLToPath(new URL('../../contract/proto/registration_service.proto', import.meta.url));
  const root = loadPackageDefinition(loadSync(file, { longs: Number })) as unknown as {
    org: { signal: { registration: { rpc: { RegistrationService: { service: ServiceDefinition } } } } };
  };
  const definition = root.org.signal.registration.rpc.RegistrationService.service;
  const server = new Server();
  const handlers = Object.keys(definition).map((rpc) => [
    rpc,
    (
      received: { request: Record<string, unknown>; metadata: { get(name: string): unknown[] } },
      done: (err: unknown, reply?: unknown) => void,
    ) => {
      asked.push({
        rpc: rpc as Rpc,
        request: received.request,
        authorization: received.metadata.get('authorization')[0],
      });
      const reply = replies[rpc as Rpc];
      if ('code' in reply) done({ code: reply.code, details: '' });
      else done(null, reply);
    },
  ]);
  server.addService(definition, Object.fromEntries(handlers));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (err, bound) =>
      err ? reject(err) : resolve(bound),
    ),
  );
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

function metadata(parts: Record<string, unknown> = {}) {
  return { sessionId, e164: 447_700_900_101, mayRequestSms: true, expirationSeconds: 600, ...parts };
}

const failed = (errorType: number, more: Record<string, unknown> = {}) => ({ error: { errorType, ...more } });
const at = '/v1/verification/session';
const send = (method: string, path: string, options?: CallOptions) =>
  call(fakes.signalServerUrl, method, path, options);

/** A session that may request codes. */
async function allowedSession(): Promise<void> {
  await send('POST', at, { body: { number } });
  const { status } = await send('PATCH', `${at}/${id}`, { body: { captcha: 'noop.noop.registration.noop' } });
  assert.equal(status, 200);
}

const codeOf = (body: unknown = { transport: 'sms', client: 'ios' }) => send('POST', `${at}/${id}/code`, { body });
const check = (code = '123456') => send('PUT', `${at}/${id}/code`, { body: { code } });

function basic(user: string, password = 'password'): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** The body of a registration with a verified session. */
function registration(parts: Parameters<typeof signalBody>[0] = {}): Record<string, unknown> {
  const { aciPreKeys: _, aciPqPreKeys: __, ...body } = signalBody(parts);
  return { ...body, sessionId: id };
}

const register = (body: unknown = registration(), headers = basic(number)): Promise<Answer> =>
  send('POST', '/v1/registration', { body, headers });
const verifySession = () => {
  replies.GetSessionMetadata = { sessionMetadata: metadata({ verified: true }) };
};

describe('A verification session', () => {
  it('is created at the registration service, without the address of the source', async () => {
    const { status, body, headers } = await send('POST', at, { body: { number } });
    assert.equal(status, 200);
    assert.deepEqual(body, {
      id,
      nextSms: 0,
      nextCall: null,
      nextVerificationAttempt: null,
      allowedToRequestCode: false,
      requestedInformation: ['captcha'],
      verified: false,
    });
    assert.ok(headers.get('x-signal-timestamp'));
    const [{ request, authorization } = {}] = asked;
    assert.deepEqual([request?.e164, request?.accountExistsWithE164], [447_700_900_101, false]);
    assert.match(String(request?.rateLimitCollationKey), /^[\w+/]{43}$/);
    assert.equal(authorization, `Bearer ${token}`);
  });

  it('asks for a push challenge first when the app has a push token', async () => {
    const { body } = await send('POST', at, { body: { number, pushToken: 'token', pushTokenType: 'fcm' } });
    assert.deepEqual(body.requestedInformation, ['pushChallenge', 'captcha']);
  });

  it('refuses numbers and bodies that are not valid', async () => {
    const bad: [unknown, number][] = [
      ['{', 400],
      [{}, 422],
      [{ number: '+44 7700 900101' }, 422],
      [{ number: '+4407700900111' }, 422],
      [{ number: '00447700900101' }, 422],
      [{ number, pushToken: 'token' }, 422],
      [{ number, pushTokenType: 'apn' }, 422],
    ];
    for (const [body, status] of bad) assert.equal((await send('POST', at, { body })).status, status);
    assert.deepEqual(asked, []);
  });

  it('passes on the refusals of its creation', async () => {
    replies.CreateSession = failed(1, { mayRetry: true, retryAfterSeconds: 60 });
    const limited = await send('POST', at, { body: { number } });
    assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '60']);
    replies.CreateSession = failed(1);
    assert.equal((await send('POST', at, { body: { number } })).headers.get('retry-after'), null);
    replies.CreateSession = failed(2);
    assert.equal((await send('POST', at, { body: { number } })).status, 500);
    replies.CreateSession = { code: 3 };
    assert.equal((await send('POST', at, { body: { number } })).status, 400);
    replies.CreateSession = { code: 14 };
    assert.equal((await send('POST', at, { body: { number } })).status, 500);
  });

  it('may request codes after a captcha', async () => {
    await send('POST', at, { body: { number } });
    assert.equal((await codeOf()).status, 409);
    const patch = (captcha: string) => send('PATCH', `${at}/${id}`, { body: { captcha } });
    for (const malformed of ['noop', 'noop.noop.challenge.noop', 'other.noop.registration.noop']) {
      assert.equal((await patch(malformed)).status, 400);
    }
    const wrong = await patch('noop.noop.registration.wrong');
    assert.deepEqual([wrong.status, wrong.body.allowedToRequestCode], [403, false]);
    const right = await patch('noop.noop.registration.noop');
    assert.deepEqual([right.body.allowedToRequestCode, right.body.requestedInformation], [true, []]);
    assert.equal((await codeOf()).status, 200);
    assert.equal((await codeOf({ transport: 'pigeon', client: 'ios' })).status, 422);
  });

  it('has one id, whatever its padding, and knows no other', async () => {
    await send('POST', at, { body: { number } });
    assert.equal((await send('GET', `${at}/${sessionId.toString('base64url')}`)).status, 200);
    assert.equal((await send('GET', `${at}/not!base64`)).status, 422);
    const other = randomBytes(16).toString('base64url');
    assert.equal((await send('GET', `${at}/${other}`)).status, 404);
    replies.GetSessionMetadata = { code: 3 };
    assert.equal((await send('GET', `${at}/AAAA`)).status, 400);
    replies.GetSessionMetadata = failed(1);
    assert.equal((await send('GET', `${at}/${id}`)).status, 404);
    replies.GetSessionMetadata = { code: 14 };
    assert.equal((await send('GET', `${at}/${id}`)).status, 503);
  });

  it('passes on what happens to a code that is sent', async () => {
    await allowedSession();
    const rows: [errorType: number, status: number, reason?: string][] = [
      [1, 440, 'providerRejected'],
      [2, 440, 'illegalArgument'],
      [4, 404],
      [5, 409],
      [6, 418],
      [7, 440, 'providerRejected'],
      [8, 440, 'providerUnavailable'],
      [0, 440, 'providerUnavailable'],
    ];
    for (const [errorType, status, reason] of rows) {
      replies.SendVerificationCode = { ...failed(errorType), sessionMetadata: metadata() };
      const answer = await codeOf();
      assert.deepEqual([answer.status, answer.body?.reason], [status, reason], String(errorType));
    }
    replies.SendVerificationCode = {
      ...failed(3, { mayRetry: true, retryAfterSeconds: 59 }),
      sessionMetadata: metadata(),
    };
    const limited = await codeOf();
    assert.deepEqual([limited.status, limited.headers.get('retry-after'), limited.body.id], [429, '59', id]);
    replies.SendVerificationCode = { code: 13 };
    assert.equal((await codeOf()).status, 500);
  });

  it('names the kind of the app to the registration service', async () => {
    await allowedSession();
    for (const client of ['ios', 'android-2021-03', 'Android-other', 'desktop'])
      await codeOf({ transport: 'voice', client });
    const sends = asked.filter(({ rpc }) => rpc === 'SendVerificationCode');
    assert.deepEqual(
      sends.map(({ request }) => request.clientType),
      [1, 2, 3, 0],
    );
  });

  it('answers 200 to a wrong code, and 409 once it is verified', async () => {
    await allowedSession();
    const wrong = await check();
    assert.deepEqual([wrong.status, wrong.body.verified], [200, false]);
    assert.equal((await send('PUT', `${at}/${id}/code`, { body: { code: ' ' } })).status, 422);
    replies.CheckVerificationCode = { ...failed(1), sessionMetadata: metadata() };
    assert.equal((await check()).status, 409);
    replies.CheckVerificationCode = { ...failed(2), sessionMetadata: metadata() };
    assert.equal((await check()).status, 429);
    replies.CheckVerificationCode = failed(3);
    assert.equal((await check()).status, 404);
    replies.CheckVerificationCode = failed(4);
    assert.equal((await check()).status, 500);
    replies.CheckVerificationCode = { ...failed(4), sessionMetadata: metadata() };
    assert.equal((await check()).status, 409);
    replies.CheckVerificationCode = { sessionMetadata: metadata({ verified: true }) };
    assert.equal((await check()).body.verified, true);
    verifySession();
    assert.equal((await check()).status, 409);
  });
});

describe('A registration', () => {
  it('checks in the order of the server: credentials, body, signatures, capability, session', async () => {
    verifySession();
    assert.equal((await register(registration(), {})).status, 400);
    assert.equal((await register(registration(), { Authorization: 'Bearer x' })).status, 401);
    assert.equal((await register('{')).status, 400);
    const body = registration();
    assert.equal((await register({ ...body, sessionId: undefined })).status, 422);
    assert.equal((await register({ ...body, gcmToken: { gcmRegistrationId: 'a' } })).status, 422);
    assert.equal((await register({ ...body, pniSignedPreKey: undefined })).status, 422);
    const { aciSignedPreKey } = signalBody();
    assert.equal((await register({ ...body, aciSignedPreKey })).status, 422, 'signed by another identity');
    const outdated = signalBody({ attributes: { capabilities: {} } });
    const wrong = { ...outdated, sessionId: id, aciSignedPreKey: withWrongSignature(outdated.aciSignedPreKey) };
    assert.equal((await register(wrong)).status, 422, 'a signature before a capability');
    assert.equal((await register(registration({ attributes: { capabilities: {} } }))).status, 499);
    assert.deepEqual(asked, []);
    assert.equal((await register(body)).status, 200);
  });

  it('needs a verified session of its number', async () => {
    assert.equal((await register()).status, 401);
    replies.GetSessionMetadata = failed(1);
    assert.equal((await register()).status, 401);
    replies.GetSessionMetadata = { sessionMetadata: metadata({ verified: true, e164: 447_700_900_102 }) };
    assert.equal((await register()).status, 400);
    replies.GetSessionMetadata = { code: 3 };
    assert.equal((await register()).status, 400);
    replies.GetSessionMetadata = { code: 14 };
    assert.equal((await register()).status, 503);
  });

  it('keeps the identities of a number, and says that it registers it again', async () => {
    verifySession();
    const first = await register();
    assert.deepEqual([first.status, first.body.number, first.body.reregistration], [200, number, false]);
    const again = await register();
    assert.deepEqual([again.body.uuid, again.body.pni], [first.body.uuid, first.body.pni]);
    assert.equal(again.body.reregistration, true);
  });

  it('allows six in three minutes for a number', async () => {
    using _time = stopTime(['Date']);
    verifySession();
    for (let count = 0; count < 6; count++) assert.equal((await register()).status, 200);
    const limited = await register();
    assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '30']);
  });

  it('finds a device that can transfer its data before the registration lock', async () => {
    verifySession();
    const registrationLock = newLock();
    await register(registration({ attributes: { registrationLock, capabilities: { spqr: true, transfer: true } } }));
    assert.equal((await register()).status, 409);
    const locked = await register(registration({ skipDeviceTransfer: true }));
    assert.equal(locked.status, 423);
    assert.ok(locked.body.timeRemaining > 6 * 86_400_000);
    const right = { skipDeviceTransfer: true, attributes: { registrationLock } };
    assert.equal((await register(registration({ ...right, totp: 1 }))).status, 441);
    assert.equal((await register(registration(right))).status, 200);
  });

  it('ignores a lock that was not used for seven days', async () => {
    using time = stopTime(['Date']);
    verifySession();
    await register(registration({ attributes: { registrationLock: newLock() } }));
    assert.equal((await register()).status, 423);
    await time.pass(7 * 86_400_000);
    assert.equal((await register()).status, 200);
  });

  it('takes the recovery password in place of a session, until the number is verified again', async () => {
    verifySession();
    const recoveryPassword = randomBytes(32).toString('base64');
    await register(registration({ attributes: { recoveryPassword } }));
    const byPassword = (given: string) => ({
      ...registration({ attributes: { recoveryPassword } }),
      sessionId: undefined,
      recoveryPassword: given,
    });
    assert.equal((await register(byPassword(randomBytes(32).toString('base64')))).status, 403);
    assert.equal((await register(byPassword(recoveryPassword))).status, 200);
    await send('POST', at, { body: { number } });
    await send('GET', `${at}/${id}`);
    assert.equal((await register(byPassword(recoveryPassword))).status, 403);
  });
});

describe('/v2/keys', () => {
  it('stores and counts the one-time keys of an identity', async () => {
    verifySession();
    const { aciPreKeys, aciPqPreKeys, ...body } = signalBody();
    const { uuid } = (await register({ ...body, sessionId: id })).body;
    const headers = basic(uuid);
    const keys = { preKeys: aciPreKeys, pqPreKeys: aciPqPreKeys };
    const path = '/v2/keys?identity=aci';
    assert.equal((await send('PUT', path, { headers, body: keys })).status, 204);
    assert.deepEqual((await send('GET', path, { headers })).body, { count: 3, pqCount: 2 });
    assert.deepEqual((await send('GET', '/v2/keys?identity=pni', { headers })).body, { count: 0, pqCount: 0 });
    const [first] = aciPqPreKeys ?? [];
    assert.ok(first);
    const bad = { pqPreKeys: [withWrongSignature(first)] };
    assert.equal((await send('PUT', path, { headers, body: bad })).status, 422);
    const many = { preKeys: Array.from({ length: 101 }, () => aciPreKeys?.[0]) };
    assert.equal((await send('PUT', path, { headers, body: many })).status, 422);
    assert.equal((await send('GET', path, { headers: basic(uuid, 'other') })).status, 401);
    assert.equal((await send('GET', path)).status, 401);
    assert.equal((await send('GET', '/v2/keys?identity=other', { headers })).status, 400);
  });
});

describe('The faults of the channel signal', () => {
  it('replace the answers of the server', async () => {
    const { outboxUrl } = fakes;
    const fault = (setting: unknown) =>
      fetch(`${outboxUrl}/faults`, {
        method: 'PUT',
        body: JSON.stringify({ channel: 'signal', ...(setting as object) }),
      });
    assert.equal((await fault({ mode: 'error400', providerCode: '12345' })).status, 400);
    await fault({ mode: 'error400', providerCode: '428' });
    assert.equal((await register()).status, 428);
    await fault({ mode: 'error500' });
    assert.equal((await register()).status, 500);
    await fault({ mode: 'none' });
    const unknown = await send('HEAD', '/v1/accounts/account/00000000-0000-0000-0000-000000000000');
    assert.equal(unknown.status, 404);
  });
});
