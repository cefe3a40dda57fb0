import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Operation } from '../../contract/operation.ts';
import { operations } from '../../contract/operations.ts';
import { type Answer, call, notificationsTo, solveCaptcha, startRegistration } from '../support/client.ts';
import { makeDevice, makeIdentity, makeRotation } from '../support/device-keys.ts';
import { signedIn } from '../support/people.ts';
import { allMessages, goodPassword, must, phoneOf, registrationWithCode, wrongCode } from '../support/registrations.ts';
import { signalBody } from '../support/signal-registration.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

after(() => agent.destroy());
// the last test finishes the registration that is started here, so it must not expire before
const lives = { REGISTRATION_TTL: '86400', OTP_TTL: '3600', JWT_EXPIRATION: '86400', STEP_UP_SECONDS: '86400' };
const { system, behind, url, api } = await withSystem(lives, { start: startOwnTestSystem });
/** A registration in progress: its code was sent, its credentials are open. */
const { registration, code } = await registrationWithCode(system, 40);
const other = await startRegistration(url);
const { accessToken, userId } = await signedIn(system, 41);
jsonOf(await vyryFor(system)(['users', 'grant', 'person041', 'admin', '--yes', '--json']));
const deletion = (await must(api.deleteAccount({ token: accessToken }), 202)).body;
// the deletion is announced by SMS and e-mail: both must arrive before messages are counted
for (const to of [phoneOf(41), 'person041@example.org']) {
  await until(async () => (await notificationsTo(system.ready.outboxUrl, to)).length > 0);
}

const identity = makeIdentity();
const { preKeys: _preKeys, pqPreKeys: _pqPreKeys, ...device } = makeDevice(identity);
const { accessToken: deviceToken } = (await must(api.addDevice({ token: accessToken, body: device }), 201)).body;
await until(async () => {
  const told = await notificationsTo(system.ready.outboxUrl, 'person041@example.org');
  return told.some(({ subject = '' }) => subject.includes('Device'));
});

const { userId: peerId } = await signedIn(system, 46);
await must(api.changeConversation({ token: accessToken, userId: peerId, body: { state: 'blocked' } }), 200);

const bytes = (length: number) => Buffer.alloc(length, 7).toString('base64');
const offer = { deviceName: 'Laptop', client: 'desktop', publicKey: bytes(1216), nonceHash: bytes(32) };
const { linkId, linkToken } = (await must(api.createLink({ body: offer }), 201)).body;

const logIn = { identifier: 'person042', channel: 'sms', password: 'person-042' };
const proof = { loginId: '0'.repeat(32), code: '000000' };

/** A complete valid body for every route with a body. A new route needs its own entry. */
const samples: Record<string, Record<string, unknown>> = {
  'post /api/v1/registrations': {
    fullName: 'Ada Lovelace',
    username: 'ada',
    email: 'ada@example.org',
    phone: '+447700900101',
    locale: 'en-GB',
    client: 'web',
  },
  'put /api/v1/registrations/:registrationId/directory': { username: 'person042', password: 'person-042' },
  'put /api/v1/registrations/:registrationId/captcha': { provider: 'altcha', token: 'e30=' },
  'post /api/v1/registrations/:registrationId/codes': { channel: 'email' },
  'put /api/v1/registrations/:registrationId/code': { code: '000000' },
  'put /api/v1/registrations/:registrationId/credentials': { password: goodPassword, pin: '482619' },
  'put /api/v1/registrations/:registrationId/approval': { pin: '482619' },
  'put /api/v1/registrations/:registrationId/signal': requiredOf(signalBody()),
  'post /api/v1/auth/register': { fullName: 'Ada Lovelace', username: 'ada', phone: '+447700900101', channel: 'sms' },
  'post /api/v1/auth/login/init': logIn,
  'post /api/v1/auth/login': logIn,
  'post /api/v1/auth/login/verify': proof,
  'post /api/v1/auth/verify': proof,
  'post /api/v1/auth/refresh-token': { refreshToken: 'x'.repeat(43) },
  'post /api/v1/auth/logout': { everywhere: false },
  'put /api/v1/auth/password': { currentPassword: goodPassword, newPassword: 'violet-harbour-engraves-93' },
  'put /api/v1/auth/pin': { pin: '830571', currentPassword: goodPassword },
  'post /api/v1/auth/password/forgot': { identifier: 'person041' },
  'post /api/v1/auth/password/reset': { token: 'a'.repeat(43), password: 'violet-harbour-engraves-93' },
  'post /api/v1/auth/password/stop': { token: 'a'.repeat(43) },
  'post /api/v1/registrations/stop': { token: 'a'.repeat(43) },
  'post /api/v1/auth/pin/reset/code': { channel: 'sms' },
  'post /api/v1/auth/pin/reset': { resetId: 'a'.repeat(32), code: '000000', pin: '830571' },
  'post /api/v1/auth/step-up': { pin: '830571' },
  'post /api/v1/auth/pin/verify': { pin: '830571' },
  'put /api/v1/users/me': {
    fullName: 'Ada Lovelace',
    username: 'ada',
    locale: 'en-GB',
    phone: '+447700900101',
    email: 'ada@example.org',
  },
  'post /api/v1/users/me/changes/:changeId/verify': { code: '000000' },
  'put /api/v1/admin/users/:userId/roles': { roles: ['admin'] },
  'put /api/v1/devices/me': { ...device },
  'patch /api/v1/devices/:deviceId': { name: 'Tablet' },
  'put /api/v1/users/me/identity': { ...makeRotation(makeIdentity(), ['1']) },
  'put /api/v1/devices/me/keys': { signedPreKey: device.signedPreKey, pqLastResortPreKey: device.pqLastResortPreKey },
  'put /api/v1/devices/me/push': { provider: 'fcm', token: 'a-token' },
  'put /api/v1/registrations/:registrationId/device': { ...device },
  'post /api/v1/device-links': offer,
  'post /api/v1/device-links/:linkId/claim': { encapsulation: bytes(1120), nonce: bytes(32) },
  'post /api/v1/device-links/:linkId/reveal': { nonce: bytes(32) },
  'post /api/v1/device-links/:linkId/approve': { sealedProvision: bytes(100) },
  'post /api/v1/device-links/:linkId/deny': { report: false },
  'put /api/v1/device-links/:linkId/device': { ...device },
  'put /api/v1/messages/:userId': {
    clientMessageId: 'm1',
    messages: [{ deviceId: '1', registrationId: 1, type: 'message', content: 'AAAA' }],
    timestamp: '2026-01-01T00:00:00Z',
    urgent: false,
    online: false,
  },
  'post /api/v1/messages/ack': { messageIds: ['1-1'] },
  'put /api/v1/conversations/:userId': { state: 'accepted', receipts: false },
};

/** Leaves out the fields that may be null. */
function requiredOf({ aciPreKeys: _, aciPqPreKeys: __, ...required }: ReturnType<typeof signalBody>) {
  return required;
}

function nameOf({ method, path }: Operation): string {
  return `${method} ${path}`;
}

function sampleOf(route: Operation): Record<string, unknown> {
  const sample = samples[nameOf(route)];
  assert.ok(sample, `a sample body is needed for ${nameOf(route)}`);
  return sample;
}

function pathOf({ path }: Operation, registrationId = registration.id): string {
  return path
    .replace(':registrationId', registrationId)
    .replace('conversations/:userId', `conversations/${peerId}`)
    .replace(':userId', userId)
    .replace(':changeId', 'a'.repeat(32))
    .replace(':deviceId', '1')
    .replace(':linkId', linkId)
    .replace(':messageId', '1-1')
    .replace(':deletionId', deletion.deletionId);
}

function tokenOf({ auth }: Operation): { token?: string } {
  if (auth === 'none') return {};
  if (auth === 'deletion') return { token: deletion.deletionToken };
  if (auth === 'device') return { token: deviceToken };
  if (auth === 'link') return { token: linkToken };
  return { token: auth === 'registration' ? registration.token : accessToken };
}

/** The state that a refused request must not change. */
async function footprint() {
  const [messages, version, history, verification, keys] = await Promise.all([
    allMessages(system.ready.outboxUrl),
    behind.versionOf(registration.id),
    behind.historyLengthOf(registration.id),
    behind.verificationOf(registration.id),
    behind.keys('*'),
  ]);
  // health reports of workers and delivery reports of earlier messages arrive at any time
  const stored = keys.filter((key) => !/^(health|reports):/.test(key));
  return { messages: messages.length, version, history, verification, stored };
}

/** Asserts that nothing changed. Keys may have expired in the meantime. */
async function assertUnmoved(before: Awaited<ReturnType<typeof footprint>>, what = 'afterwards'): Promise<void> {
  const after = await footprint();
  const added = after.stored.filter((key) => !before.stored.includes(key));
  assert.deepEqual({ ...after, stored: added }, { ...before, stored: [] }, what);
}

/** Asserts that a response is a complete refusal with the expected status, and that it reveals no internals. */
async function assertRefused(answer: Answer, expected: number | number[], what: string): Promise<void> {
  const { status, headers, body } = answer;
  assert.ok([expected].flat().includes(status), `${what}: ${status} ${JSON.stringify(body)}`);
  assert.ok(body.error && body.error_code, `${what}: has an error and its code`);
  assert.ok(body.request_id, `${what}: has a request id`);
  assert.equal(headers.get('x-request-id'), body.request_id, what);
  assert.equal(headers.get('x-powered-by'), null, what);
  assert.doesNotMatch(JSON.stringify(body), /node_modules|\bat .*:\d+:\d+|Zod|SyntaxError|127\.0\.0\.1/, what);
}

const agent = new Agent({ keepAlive: true });

/** Sends a request that fetch does not allow: any method with a body, any header. */
async function raw(options: RequestOptions & { body?: string | Buffer }): Promise<Answer> {
  const { body, ...rest } = options;
  const req = request(url, { agent, ...rest });
  req.end(body);
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res) text += chunk;
  return {
    status: res.statusCode,
    headers: new Headers(res.headers),
    body: text === '' ? undefined : JSON.parse(text),
  };
}

const routes = Object.values(operations) as Operation[];

/**
 * Routes with JSON bodies. Requests from providers are signed or come to a URL of their own: their malformed bodies are
 * in test/abuse/delivery-reports.test.ts.
 */
const jsonRoutes = routes.filter(({ isForm, isCallback }) => isForm !== true && isCallback !== true);
const withBody = jsonRoutes.filter(({ body }) => body !== undefined);
const operators = [{ $gt: '' }, { $ne: null }, { $regex: '.*' }, { length: 6 }];
const wrongTypes: unknown[] = [123456, 1.5, true, null, [], ['123456'], {}, ...operators];
const badTexts = ['', 'a\0b', 'x'.repeat(100_000)];
/** Fields that may contain any character: secrets are compared or hashed byte by byte. */
const secrets = ['password', 'currentPassword', 'newPassword', 'refreshToken'];
const booleans = ['everywhere', 'report', 'urgent', 'online', 'receipts'];
/** Lists that may be empty: of roles, and of the copies of a message. */
const lists = ['roles', 'messages'];
/** Fields that people type or paste: invisible characters are dropped or judged by the rules of the field. */
const typed = ['identifier', 'username', 'fullName', 'phone', 'email'];
const invisible = ['a\u202eb', 'zero\u200bwidth', '\ufeffbom', 'soft\u00adhyphen'];
const textsNobodyHas = ['line\nbreak', '\ud800'];

function badFields(name: string): unknown[] {
  if (lists.includes(name)) return wrongTypes.filter((value) => JSON.stringify(value) !== '[]');
  // null is the provider of a device without push
  if (name === 'provider') return [...wrongTypes.filter((value) => value !== null), ...badTexts];
  if (booleans.includes(name)) return [...wrongTypes, ...badTexts].filter((value) => value !== true);
  if (secrets.includes(name)) return [...wrongTypes, ...badTexts];
  return [...wrongTypes, ...badTexts, ...textsNobodyHas, ...(typed.includes(name) ? [] : invisible)];
}

function badBodies(sample: Record<string, unknown>): string[] {
  const text = JSON.stringify(sample);
  const unknown = ['role', 'verified', '_id', '$where', 'registrationId', 'state', 'constructor', 'expiresAt'];
  return [
    ...unknown.map((name) => JSON.stringify({ ...sample, [name]: 'admin' })),
    text.replace('{', '{"__proto__":{"isAdmin":true},'),
    JSON.stringify([sample]),
    '"text"',
    '42',
    'null',
    'true',
    '[]',
    '{',
    `${text}x`,
    text.replaceAll('"', "'"),
    '['.repeat(100_000),
    `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`,
    `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join(',')}}`,
  ];
}

describe('R1, R2: every route with a body', () => {
  it('returns 400 for a field of a wrong type or with invalid text, and names the field', async () => {
    for (const route of withBody) {
      const before = await footprint();
      const sample = sampleOf(route);
      for (const field of Object.keys(sample)) {
        for (const value of badFields(field)) {
          const what = `${nameOf(route)} ${field}=${JSON.stringify(value).slice(0, 40)}`;
          const body = { ...sample, [field]: value };
          const answer = await call(url, route.method.toUpperCase(), pathOf(route), { ...tokenOf(route), body });
          await assertRefused(answer, 400, what);
          assert.equal(answer.body.error_code, 'INVALID_REQUEST', what);
          assert.ok(
            answer.body.details.every(({ path }: { path: string }) => path === field || path.startsWith(`${field}.`)),
            what,
          );
          assert.ok(JSON.stringify(answer.body).length < 2000, `${what}: does not echo the request`);
        }
      }
      await assertUnmoved(before, nameOf(route));
    }
  });

  it('refuses unknown fields, non-objects and invalid JSON', async () => {
    for (const route of withBody) {
      const before = await footprint();
      for (const body of badBodies(sampleOf(route))) {
        const what = `${nameOf(route)} ${body.slice(0, 60)}`;
        const answer = await call(url, route.method.toUpperCase(), pathOf(route), { ...tokenOf(route), body });
        await assertRefused(answer, [400, 413], what);
        assert.equal(answer.body.error_code, 'INVALID_REQUEST', what);
        assert.ok(JSON.stringify(answer.body).length < 20_000, `${what}: the response is small`);
      }
      await assertUnmoved(before, nameOf(route));
    }
    assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
    const { body } = await must(api.createRegistration({ body: {} }), 201);
    assert.equal('isAdmin' in body, false, 'later requests are unaffected');
  });
});

describe('R1, R2: every route', () => {
  it('returns 413 for a body that is too large, also compressed, and 415 for other content types', async () => {
    for (const route of jsonRoutes) {
      const before = await footprint();
      const { token } = tokenOf(route);
      const common = {
        method: route.method.toUpperCase(),
        path: pathOf(route),
        headers: { ...(token && { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
      };
      const large = JSON.stringify({ a: 'x'.repeat(Math.max(1_000_000, route.bodyBytesMax ?? 0)) });
      const announced = { ...common.headers, 'content-length': large.length };
      await assertRefused(await raw({ ...common, headers: announced, body: large }), 413, `${nameOf(route)} too large`);
      const unannounced = { ...common.headers, 'transfer-encoding': 'chunked' };
      await assertRefused(
        await raw({ ...common, headers: unannounced, body: large }),
        413,
        `${nameOf(route)} in chunks`,
      );
      const packed = gzipSync(large);
      const unpacked = await raw({
        ...common,
        headers: { ...common.headers, 'content-encoding': 'gzip', 'content-length': packed.length },
        body: packed,
      });
      await assertRefused(unpacked, 413, `${nameOf(route)} compressed`);
      const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json'];
      for (const type of [...types, 'application/xml', '']) {
        const headers = { ...common.headers, 'content-type': type, 'content-length': 2 };
        const answer = await raw({ ...common, headers, body: '{}' });
        await assertRefused(answer, 415, `${nameOf(route)} ${type}`);
        assert.equal(answer.body.error_code, 'INVALID_REQUEST');
      }
      await assertUnmoved(before, nameOf(route));
    }
  });

  it('reads the whole body before it refuses a request with Connection: close', async () => {
    const senders = [
      { status: 413, line: 'POST /api/v1/registrations', type: 'application/json', length: 3_000_000 },
      { status: 413, line: 'GET /health', type: 'application/json', length: 3_000_000 },
      { status: 415, line: 'POST /api/v1/registrations', type: 'text/plain', length: 200_000 },
    ];
    for (const { status, line, type, length } of senders) {
      const { port, hostname } = new URL(url);
      const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true }).setEncoding('utf8');
      const answered = socket.toArray();
      socket.write(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\n`);
      socket.write(`Content-Length: ${length}\r\n\r\nx`);
      // gives the api time to handle the bytes that it has received so far
      for (let turn = 0; turn < 5; turn++) await api.readHealth();
      // fails if the api has closed the connection already, in which case the response may be lost
      await promisify((callback: () => void) => socket.end('x'.repeat(length - 1), callback))();
      const answer = (await answered).join('');
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${line} ${type}`);
    }
  });

  it('that takes a form returns 413 for a form of 1 MB, and 415 for JSON', async () => {
    for (const route of routes.filter(({ isForm }) => isForm)) {
      const post = (type: string, body: string) =>
        fetch(url + pathOf(route), { method: 'POST', headers: { 'content-type': type }, body });
      assert.equal((await post('application/x-www-form-urlencoded', `a=${'x'.repeat(1_000_000)}`)).status, 413);
      assert.equal((await post('application/json', '{}')).status, 415);
    }
  });

  it('refuses operators and prototypes in its query, or ignores the query if it takes none', async () => {
    for (const route of routes.filter(({ method }) => method === 'get')) {
      for (const query of ['waitSeconds[$gt]=', 'waitSeconds=1&waitSeconds=2', '__proto__[x]=1', 'id[$regex]=.*']) {
        const answer = await call(url, 'GET', `${pathOf(route)}?${query}`, tokenOf(route));
        const expected = route.query === undefined ? Number(Object.keys(route.answers)[0]) : 400;
        assert.equal(answer.status, expected, `${nameOf(route)}?${query}`);
      }
    }
  });
});

describe('every route of a registration', () => {
  const held = routes.filter(({ auth }) => auth === 'registration');

  async function answersOf(route: Operation, registrationId: string, token: string | undefined): Promise<Answer> {
    const body = samples[nameOf(route)];
    return call(url, route.method.toUpperCase(), pathOf(route, registrationId), {
      ...(token && { token }),
      ...(body && { body }),
    });
  }

  it('returns 401 without a token, and the same 404 for unknown, foreign and malformed ids', async () => {
    const before = await footprint();
    const seen = new Set<string>();
    for (const route of held) {
      const without = await answersOf(route, registration.id, undefined);
      await assertRefused(without, 401, nameOf(route));
      assert.match(without.headers.get('www-authenticate') ?? '', /^Bearer/);
      const random = '0123456789abcdef'.repeat(2);
      const strangers: [id: string, token: string][] = [
        [registration.id, other.token],
        [other.id, registration.token],
        [registration.id, 'x'],
        [registration.id, accessToken],
        [registration.id, registration.token.slice(0, -1)],
        [random, registration.token],
        [registration.id.toUpperCase(), registration.token],
        ['+447700900040', registration.token],
        ['person040@example.org', registration.token],
        [`registration:${registration.id}`, registration.token],
        [`${registration.id}%00`, registration.token],
        [`${registration.id}%0d%0a`, registration.token],
        ['%7b%22$gt%22:%22%22%7d', registration.token],
        ['..%2f..%2fhealth', registration.token],
        ['__proto__', registration.token],
        ['x'.repeat(8000), registration.token],
      ];
      for (const [id, token] of strangers) {
        const answer = await answersOf(route, id, token);
        await assertRefused(answer, 404, `${nameOf(route)} ${id.slice(0, 50)}`);
        const { request_id: _, ...body } = answer.body;
        seen.add(JSON.stringify(body));
      }
      await assertRefused(await answersOf(route, '%', registration.token), 400, `${nameOf(route)} %`);
    }
    assert.equal(seen.size, 1, 'all refusals are identical');
    await assertUnmoved(before);
  });

  it('returns 401 for an Authorization header without a bearer token', async () => {
    const headers = [
      'Basic eDp5',
      `Token ${registration.token}`,
      'Bearer',
      'Bearer ',
      `Bearer ${registration.token} x`,
      registration.token,
    ];
    for (const authorization of headers) {
      const answer = await api.readRegistration({ registrationId: registration.id, headers: { authorization } });
      await assertRefused(answer, 401, authorization);
    }
  });
});

describe('steps out of order', () => {
  it('return 409 and change nothing', async () => {
    const fresh = await startRegistration(url);
    await must(fresh.call('PUT', '/captcha', await solveCaptcha(url)));
    const before = await behind.historyLengthOf(fresh.id);
    const sends = (await allMessages(system.ready.outboxUrl)).length;
    const send = await fresh.call('POST', '/codes', { channel: 'sms' });
    await assertRefused(send, 409, 'a code before the directory');
    assert.match(send.body.error, /directory/);
    await assertRefused(await fresh.call('PUT', '/code', { code: '123456' }), 409, 'a check before a code was sent');
    await assertRefused(await fresh.call('POST', '/session'), 409, 'a session before the end');
    assert.equal(await behind.historyLengthOf(fresh.id), before);
    assert.equal((await allMessages(system.ready.outboxUrl)).length, sends);
    assert.equal((await fresh.call('GET', '')).body.attemptsLeft, 5, 'no attempt was counted');
  });

  it('refuse a code by an unknown channel, and a send or a check after the code was verified', async () => {
    const { registration: own, code: right } = await registrationWithCode(system, 43);
    await assertRefused(await own.call('POST', '/codes', { channel: 'pigeon' }), 400, 'a pigeon');
    await must(own.call('PUT', '/code', { code: right }));
    const messages = (await allMessages(system.ready.outboxUrl)).length;
    await assertRefused(await own.call('POST', '/codes', { channel: 'email' }), 409, 'a code after the verification');
    await assertRefused(await own.call('PUT', '/code', { code: wrongCode(right) }), 400, 'a wrong code after it');
    assert.equal((await allMessages(system.ready.outboxUrl)).length, messages);
  });
});

describe('identities from a client', () => {
  it('are refused unless they are a single number or a single address', async () => {
    const before = await behind.countRegistrations();
    const phones = [
      '0171 1234567',
      '0044 7700 900101',
      '+44 7700 900101;ext=5',
      '+44 7700 900101, +44 7700 900102',
      '+1',
      '+999999999999999',
      'call me on +447700900101',
      '-'.repeat(40),
    ];
    const emails = [
      'a@x.com\r\nBcc: v@y.com',
      'a@x.com%0aBcc:v@y.com',
      'a@x.com,b@y.com',
      'a@x.com;b@y.com',
      'N <a@x.com>',
      'a b@x.com',
      '"a b"@x.com',
      'a@@x.com',
      '@x.com',
      'a@',
      'a@localhost',
      'a@[127.0.0.1]',
      'a@127.0.0.1',
      'a..b@x.com',
      'аdmin@x.com',
      `a@${'a.'.repeat(150)}com`,
      `${'a'.repeat(65)}@x.com`,
    ];
    for (const [field, values] of Object.entries({ phone: phones, email: emails })) {
      for (const value of values) {
        const body = { [field]: value };
        const answer = await api.createRegistration({ body });
        await assertRefused(answer, 400, JSON.stringify(body));
        assert.equal(answer.body.details[0].path, field);
      }
    }
    assert.equal(await behind.countRegistrations(), before);
    const spellings = ['+44 7700 900644', '+44 (7700) 900-644', '+44\u00a07700\u00a0900644', '+44(0)7700-900644'];
    for (const phone of spellings) {
      const { body } = await must(api.createRegistration({ body: { phone } }), 201);
      assert.equal(body.phone, '+44•••••0644', phone);
    }
    const { body } = await must(api.createRegistration({ body: { email: 'x@BÜCHER.example' } }), 201);
    assert.equal(body.email, 'x•••@xn--bcher-kva.example');
  });
});

describe('a browser on a page of another origin', () => {
  it('gets no CORS headers when CORS_ORIGINS is not set', async () => {
    const headers = { Origin: 'https://app.example.org', 'Access-Control-Request-Method': 'POST' };
    const preflight = await fetch(`${url}/api/v1/registrations`, { method: 'OPTIONS', headers });
    assert.equal(preflight.headers.get('access-control-allow-origin'), null);
    const answer = await api.offerCaptcha({ headers: { Origin: headers.Origin } });
    assert.equal(answer.headers.get('access-control-allow-origin'), null);
  });
});

describe('HTTP requests that are too large or malformed', () => {
  /** Sends bytes, and returns the response up to the end of its headers or of the connection. */
  async function exchange(bytes: string): Promise<string> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname).setEncoding('utf8');
    socket.write(bytes);
    let text = '';
    for await (const chunk of socket) {
      text += chunk;
      if (text.includes('\r\n\r\n')) break;
    }
    return text;
  }

  it('are refused before they are read to the end', async () => {
    const head = 'POST /api/v1/registrations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const announced = await exchange(`${head}Content-Length: 10000000000\r\n\r\n{`);
    assert.match(announced, /^HTTP\/1\.1 413 /);
    assert.match(
      await exchange(`${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
      /^HTTP\/1\.1 400 /,
    );
    assert.match(
      await exchange(`GET /health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    );
    assert.match(await exchange('GET /health HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
  });
});

describe('R2, R3: after all refused requests', () => {
  it('the registration continues where it was, and its code has all its attempts', async () => {
    assert.equal((await behind.verificationOf(registration.id))['checks:1'], '0');
    await must(registration.call('PUT', '/code', { code }));
    const { body } = await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    assert.equal(body.state, 'completed');
  });

  it('only registrations that returned 201 exist, and no code or new password was issued', async () => {
    const count = async (type: string) => (await behind.temporal.workflow.count(`WorkflowType = "${type}"`)).count;
    const last = await startRegistration(url);
    await must(last.call('DELETE', ''), 204);
    const listed = new Set<string>();
    const listAll = async () => {
      const all = behind.temporal.workflow.list({ query: 'WorkflowType = "registration"' });
      for await (const { workflowId } of all) listed.add(workflowId.replace('registration:', ''));
    };
    await until(() => listAll().then(() => listed.has(last.id)));
    for (const id of listed) assert.equal(await behind.redis.exists(`registration:{${id}}`), 1, id);
    for (const type of ['sendOtp', 'recovery', 'credentialChange']) assert.equal(await count(type), 0, type);
  });
});
