// @rerun never
/**
 * The edge under abuse: addresses of clients behind proxies (F9), paths and methods (F26), and requests that a proxy and
 * the api could read differently (F27). Each holds for REST and gRPC; test/api/codec.test.ts and
 * test/workers/health.test.ts have the other listeners.
 */
import assert from 'node:assert/strict';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { Operation } from '../../contract/operation.ts';
import { operations } from '../../contract/operations.ts';
import type { System } from '../../engines/system.ts';
import { type AuthClient, connectAuth } from '../support/auth-client.ts';
import { call } from '../support/client.ts';
import { signedIn } from '../support/people.ts';
import { goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { startTestSystem } from '../support/system.ts';

const token = 'a-bearer-token-of-another-server-1';
const rows = Object.values(operations) as Operation[];
const json = 'Content-Type: application/json\r\n';

let system: System;
let url: string;
let auth: AuthClient;
let accessToken: string;

before(async () => {
  system = await startTestSystem({
    roles: ['api'],
    env: { GRPC_BEARER_TOKENS: token, TRUST_PROXY: '127.0.0.1', JWT_ALGORITHM: 'HS256' },
  });
  url = system.ready.apiUrl;
  auth = await connectAuth(system.ready.grpcAddress, token);
  ({ accessToken } = await signedIn(system, 850));
});
after(async () => {
  auth?.close();
  await system?.stop();
});

interface Raw {
  line: string;
  headers?: string;
  body?: string | Buffer;
  host?: string;
}

/** Sends one request as it is written, and returns its status and the rest of the response. */
async function exchange({ line, headers = '', body = '', host }: Raw): Promise<{ status: number; text: string }> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname).setEncoding('utf8');
  const received = socket.toArray();
  socket.write(`${line} HTTP/1.1\r\n${host ?? `Host: ${hostname}:${port}\r\n`}${headers}Connection: close\r\n\r\n`);
  socket.write(body);
  const text = (await received).join('');
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
}

const post = (path: string, body: Buffer | string, type = 'application/json') =>
  exchange({
    line: `POST ${path}`,
    headers: `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`,
    body,
  });

/** A length below 2^14. https://protobuf.dev/programming-guides/encoding/#varints */
const varint = (length: number) => [(length & 0x7f) | 0x80, length >> 7];

/** Calls gRPC with headers that a client of the library cannot send, and returns the statuses of HTTP and gRPC. */
async function stream(
  headers: [string, string][],
  changed: Record<string, string> = {},
): Promise<{ http: number; grpc: number }> {
  // the types do not know the option
  const options: object = { strictSingleValueFields: false };
  const client = connectHttp2(`http://${system.ready.grpcAddress}`, options);
  const common = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/vyry.auth.v1.AuthService/ValidateToken',
    ':authority': system.ready.grpcAddress,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const pairs = [...Object.entries({ ...common, ...changed }), ...headers];
  const req = client.request(pairs.flat(), { endStream: false });
  const seen = { http: 0, grpc: -1 };
  const note = (given: Record<string, unknown>) => {
    if (given[constants.HTTP2_HEADER_STATUS] !== undefined) seen.http = Number(given[constants.HTTP2_HEADER_STATUS]);
    if (given['grpc-status'] !== undefined) seen.grpc = Number(given['grpc-status']);
  };
  req.on('response', note).on('trailers', note).resume();
  // field 1, access_token
  const message = Buffer.concat([Buffer.from([0x0a, ...varint(accessToken.length)]), Buffer.from(accessToken)]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  req.end(Buffer.concat([frame, message]));
  await new Promise((resolve, reject) => req.once('close', resolve).once('error', reject));
  client.close();
  return seen;
}

describe('F9: the address of a client', () => {
  it('F9 is counted without the port that a proxy adds, and the same in every spelling, on REST and gRPC', async () => {
    const strict = await startAnotherApi(system, { LIMIT_RECOVERIES_PER_ADDRESS: '1/3600' });
    const client = await connectAuth(strict.grpcAddress, token);
    let turn = 0;
    const forget = (source: string) => {
      const options = { body: { identifier: `nobody-${turn++}` }, headers: { 'X-Forwarded-For': source } };
      return call(strict.apiUrl, 'POST', '/api/v1/auth/password/forgot', options);
    };
    const forgetByGrpc = async (source: string) =>
      (await client.call('ForgotPassword', { identifier: `nobody-${turn++}` }, { 'x-forwarded-for': source })).code;
    for (const [first, ...others] of [
      ['203.0.113.77:4711', '203.0.113.77:4712', '203.0.113.77', '::ffff:cb00:714d', '[64:ff9b::cb00:714d]:443'],
      ['64:ff9b::203.0.113.78', '203.0.113.78', '203.0.113.1, ::ffff:203.0.113.78', '2002:cb00:714e::1'],
      ['[2001:db8:0:1::1]:80', '2001:db8:0:1:ffff::2', '2001:DB8::1:0:0:0:3%eth0', '2001:db8:0:1::4:65000'],
      // no address: the proxy that reported it is counted
      ['unknown', '_hidden:80', '999.1.1.1', '203.0.113.79, [203.0.113.79'],
    ]) {
      await must(forget(first ?? ''), 202);
      for (const source of others) {
        const { status: answered, body } = await forget(source);
        assert.deepEqual([answered, body.limit], [429, 'recoveries-per-address'], source);
        assert.equal(await forgetByGrpc(source), status.RESOURCE_EXHAUSTED, source);
      }
    }
    assert.equal(await forgetByGrpc('[2001:db8:0:2::1]:4711'), status.OK, 'another /64');
    assert.equal((await forget('2001:db8:0:2::2')).status, 429);
    client.close();
  });

  it('F9 is shown without port, brackets and zone', async () => {
    await signedIn(system, 851);
    for (const [source, shown] of [
      ['203.0.113.77:4711', '203.0.113.77'],
      ['[2001:DB8:0:0::1%eth0]:443', '2001:db8::1'],
      ['64:ff9b::cb00:714d', '203.0.113.77'],
    ] as const) {
      const body = { identifier: 'person851', password: goodPassword };
      const headers = { 'X-Forwarded-For': source };
      const { body: tokens } = await must(call(url, 'POST', '/api/v1/auth/login', { body, headers }));
      const { body: session } = await must(call(url, 'GET', '/api/v1/auth/session', { token: tokens.accessToken }));
      assert.equal(session.ip, shown);
    }
  });
});

describe('F26: paths and methods', () => {
  it('F26 have one spelling: others are 404', async () => {
    for (const path of [
      '/METRICS',
      '/metrics/',
      '//metrics',
      '/%6detrics',
      '/metrics;x=1',
      '/HEALTH/READY',
      '/health/ready/',
      '/health//ready',
      '/Health',
      '/openapi.json/',
      '/DOCS',
      '/docs/START.js',
      '/API/v1/captcha',
      '/api/v1/captcha/',
      '/api/v1//captcha',
    ]) {
      assert.equal((await exchange({ line: `GET ${path}` })).status, 404, path);
    }
    for (const path of ['/metrics', '/health', '/openapi.json', '/docs', '/api/v1/captcha']) {
      assert.equal((await exchange({ line: `GET ${path}` })).status, 200, path);
    }
  });

  it('F26 answer another method with 405 and Allow, before they ask for a credential', async () => {
    for (const { method, path } of rows) {
      const { status: answered, headers, body } = await call(url, 'PROPFIND', path.replace(/:\w+/g, 'f'.repeat(32)));
      assert.deepEqual([answered, body.error_code], [405, 'INVALID_REQUEST'], path);
      const allowed = (headers.get('allow') ?? '').split(', ');
      assert.ok(allowed.includes(method.toUpperCase()), `${path} allows ${allowed}`);
      assert.equal(new Set(allowed).size, allowed.length);
    }
    for (const path of ['/metrics', '/docs', '/docs/start.js', '/openapi.json']) {
      for (const method of ['POST', 'DELETE', 'PUT', 'PROPFIND', 'TRACE']) {
        const { status: answered, text } = await exchange({ line: `${method} ${path}` });
        assert.equal(answered, 405, `${method} ${path}`);
        assert.match(text, /\r\nAllow: GET, HEAD\r\n/, path);
      }
    }
    assert.equal((await call(url, 'PATCH', '/api/v1/nothing')).status, 404);
    assert.deepEqual(await stream([['authorization', `Bearer ${token}`]], { ':method': 'GET' }), {
      http: 405,
      grpc: -1,
    });
    assert.deepEqual(await stream([], { 'content-type': 'application/grpc+json' }), { http: 415, grpc: -1 });
  });

  it('F26 answer HEAD without effect: as GET where that needs no credential, and otherwise with 405', async () => {
    const head = (path: string) =>
      exchange({ line: `HEAD ${path}`, headers: `Authorization: Bearer ${accessToken}\r\n` });
    for (const path of ['/health', '/metrics', '/api/v1/captcha', '/docs']) {
      const { status: answered, text } = await head(path);
      assert.equal(answered, 200, path);
      assert.ok(text.endsWith('\r\n\r\n'), `${path} without a body`);
    }
    for (const path of ['/api/v1/users/me/export', '/api/v1/auth/session', '/api/v1/auth/logout']) {
      const { status: answered, text } = await head(path);
      assert.equal(answered, 405, path);
      assert.doesNotMatch(text, /\r\nAllow: [^\r]*HEAD/, path);
    }
    await must(call(url, 'GET', '/api/v1/auth/session', { token: accessToken }));
  });
});

describe('F27: a body', () => {
  const logIn = '/api/v1/auth/login';
  const notUtf8 = [[0xff], [0xfe], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]];

  async function statusOf({ method, path, isForm }: Operation, body: Buffer, charset = 'utf-8'): Promise<number> {
    const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
    const headers = `Content-Type: ${type}; charset=${charset}\r\nContent-Length: ${body.length}\r\n`;
    const line = `${method.toUpperCase()} ${path.replace(/:\w+/g, 'f'.repeat(32))}`;
    return (await exchange({ line, headers, body })).status;
  }

  it('F27 that is not UTF-8 is 400 on every route, so that no other password has its text', async () => {
    for (const row of rows.filter(({ body }) => body !== undefined)) {
      const text = row.isForm ? 'a=b' : '{"password":"b"}';
      for (const bytes of notUtf8) {
        const [begin = '', end = ''] = text.split('b');
        const body = Buffer.concat([Buffer.from(begin), Buffer.from(bytes), Buffer.from(end)]);
        assert.equal(await statusOf(row, body), 400, `${row.path} ${bytes}`);
      }
      assert.equal(await statusOf(row, Buffer.from(`\ufeff${text}`)), 400, `${row.path} byte order mark`);
      for (const charset of ['utf-16', 'utf-7', 'iso-8859-1', '"utf-32"', 'utf-8; charset=utf-16']) {
        assert.equal(await statusOf(row, Buffer.from(text), charset), 400, `${row.path} ${charset}`);
      }
    }
    assert.equal(
      (await post('/api/v1/voice/twilio?speech=x', 'a=%FF', 'application/x-www-form-urlencoded')).status,
      400,
    );
  });

  it('F27 in UTF-8 is accepted with and without its charset', async () => {
    for (const type of ['application/json', 'application/json; charset=utf-8', 'application/json;charset="UTF-8"']) {
      assert.equal((await post('/api/v1/registrations', '{"fullName":"Zoë"}', type)).status, 201, type);
    }
  });

  it('F27 that is empty is 400 where one is needed, announced or in chunks', async () => {
    for (const path of ['/api/v1/registrations', logIn, '/api/v1/auth/refresh-token']) {
      const line = `POST ${path}`;
      assert.equal((await exchange({ line, headers: `${json}Content-Length: 0\r\n` })).status, 400, path);
      const chunked = { line, headers: `${json}Transfer-Encoding: chunked\r\n`, body: '0\r\n\r\n' };
      assert.equal((await exchange(chunked)).status, 400, `${path} in chunks`);
      assert.equal((await exchange({ line })).status, 400, `${path} without one`);
    }
  });

  it('F27 with a name twice is 400, because parsers disagree about which value counts', async () => {
    for (const twice of [
      '{"identifier":"person850","password":"one","password":"two"}',
      '{"identifier":"person850","password":"one","p\\u0061ssword":"two"}',
      '{"identifier":"person850","identifier":"person850"}',
    ]) {
      assert.equal((await post(logIn, twice)).status, 400, twice);
    }
    const names = '{"fullName":"\\"a\\":1, \\"a\\":2 \\\\"}';
    assert.equal((await post('/api/v1/registrations', names)).status, 201, 'a text that looks like names');
  });

  it('F27 with half a character in a secret is 400, because each half has the same bytes', async () => {
    for (const half of ['\\ud800', '\\udfff', 'a\\ud83dz']) {
      const body = `{"identifier":"person850","password":"${half}-long-enough"}`;
      assert.equal((await post(logIn, body)).status, 400, half);
    }
  });

  it('F27 of gRPC is refused alike: text that is not UTF-8', async () => {
    // field 1, start, with field 1, identifier
    const nested = Buffer.concat([Buffer.from([0x0a, 0x02]), Buffer.from([0xff, 0xfe])]);
    assert.equal(
      await auth.send('Login', Buffer.concat([Buffer.from([0x0a, nested.length]), nested])),
      status.INVALID_ARGUMENT,
    );
  });
});

describe('F27: an ambiguous request', () => {
  it('F27 is 400: a header twice, a foreign or unclear target, or an invalid Host', async () => {
    const { host } = new URL(url);
    const bearer = `Authorization: Bearer ${accessToken}\r\n`;
    const session = 'GET /api/v1/auth/session';
    const requests: Raw[] = [
      { line: session, headers: bearer, host: `Host: ${host}\r\nHost: ${host}\r\n` },
      { line: session, headers: bearer, host: `Host: ${host}\r\nHost: evil.example\r\n` },
      { line: session, headers: bearer + bearer },
      { line: session, headers: `${bearer}authorization: Basic eDp5\r\n` },
      { line: session, headers: bearer, host: 'Host: user@evil.example\r\n' },
      { line: session, headers: bearer, host: 'Host: evil.example/path\r\n' },
      { line: session, headers: bearer, host: 'Host: a, b\r\n' },
      { line: 'GET http://evil.example/health' },
      { line: `GET http://evil.example@${host}/health` },
      { line: `GET ftp://${host}/health` },
      { line: 'GET /health#fragment' },
      { line: 'GET *' },
      { line: 'POST /api/v1/registrations', headers: `${json}Transfer-Encoding: gzip, chunked\r\n`, body: '0\r\n\r\n' },
      { line: 'POST /api/v1/registrations', headers: `${json}Transfer-Encoding: identity\r\n` },
      { line: 'GET /metrics#/x' },
      { line: 'GET /health?x=%FF' },
      { line: 'GET /health?x=%' },
      { line: 'GET /health?x=%ed%a0%80' },
      { line: 'POST /api/v1/registrations', headers: `${json}${json}Content-Length: 2\r\n`, body: '{}' },
      {
        line: 'POST /api/v1/registrations',
        headers: `${json}Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n`,
        body: '{}',
      },
    ];
    for (const request of requests) {
      const { status: answered, text } = await exchange(request);
      assert.equal(answered, 400, JSON.stringify(request));
      assert.match(text, /"error_code":"INVALID_REQUEST"|^HTTP\/1\.1 400 Bad Request\r\nConnection: close/, text);
    }
  });

  it('F27 is not a target that names the host of its own Host header', async () => {
    const { host } = new URL(url);
    assert.equal((await exchange({ line: `GET http://${host}/health` })).status, 200);
    assert.equal((await exchange({ line: `GET http://${host}/METRICS` })).status, 404);
  });

  it('F27 is refused by gRPC as well: a header twice, or another host than :authority', async () => {
    const bearer: [string, string] = ['authorization', `Bearer ${token}`];
    const refused = { http: 200, grpc: status.INVALID_ARGUMENT };
    assert.deepEqual(await stream([bearer, bearer]), refused);
    assert.deepEqual(await stream([bearer, ['authorization', 'Bearer another']]), refused);
    assert.deepEqual(await stream([bearer, ['host', 'evil.example']]), refused);
    assert.deepEqual(await stream([bearer, ['idempotency-key', 'a'], ['idempotency-key', 'b']]), refused);
    assert.deepEqual(await stream([bearer, ['host', system.ready.grpcAddress]]), { http: 200, grpc: status.OK });
  });
});

describe('F27: signatures and cursors', () => {
  it('F27 an access token has one spelling, on REST and gRPC', async () => {
    const [header = '', payload = '', signature = ''] = accessToken.split('.');
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet[alphabet.indexOf(signature.at(-1) ?? '') ^ 1] ?? '';
    const spellings = [
      `${accessToken}=`,
      `${accessToken}==`,
      `${header}.${payload}.${signature.slice(0, -1)}${last}`,
      `${header}=.${payload}.${signature}`,
      `${header}.${payload}=.${signature}`,
      `${accessToken}.`,
    ];
    for (const spelling of spellings) {
      const { status: answered } = await call(url, 'GET', '/api/v1/auth/session', { token: spelling });
      assert.equal(answered, 401, spelling);
      assert.equal(
        (await auth.call('ValidateToken', { accessToken: spelling })).code,
        status.UNAUTHENTICATED,
        spelling,
      );
    }
    await must(call(url, 'GET', '/api/v1/auth/session', { token: accessToken }));
  });

  it('F27 a list refuses a cursor that it did not issue, and a number in another notation', async () => {
    const [mine, other] = [await signedIn(system, 852), await signedIn(system, 853)];
    for (const identifier of ['person852', 'person853']) {
      const body = { identifier, password: goodPassword };
      await must(call(url, 'POST', '/api/v1/auth/login', { body }));
    }
    const list = (query: string, by = mine) =>
      call(url, 'GET', `/api/v1/auth/sessions${query}`, { token: by.accessToken });
    const { nextCursor } = (await must(list('?limit=1'))).body;
    const rest = (await must(list(`?limit=1&cursor=${nextCursor}`))).body;
    assert.deepEqual([rest.items.length, rest.nextCursor], [1, null]);
    const junk = ['', 'junk', 'f'.repeat(32), `${nextCursor}=`, `${nextCursor}&cursor=${nextCursor}`, `x${nextCursor}`];
    for (const cursor of junk) assert.equal((await list(`?cursor=${cursor}`)).status, 400, cursor);
    assert.equal((await list(`?limit=1&cursor=${nextCursor}`, other)).status, 400, 'of another person');
    for (const limit of ['0x10', '1e1', '%205', '+5', '05', '5.0', '']) {
      assert.equal((await list(`?limit=${limit}`)).status, 400, limit);
    }
  });
});
