import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { startRegistration } from '../support/client.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { stopTime } from '../support/stopped-time.ts';
import { withSystem } from '../support/with-system.ts';

interface Payload {
  metadata: Record<string, string>;
  data: string;
}

interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
}

const password = 'operators-only-password';
const form = { 'content-type': 'application/x-www-form-urlencoded' };

const { system, behind } = await withSystem({}, { roles: ['api', 'registration'] });
const { codecUrl } = system.ready;
const origin = system.processes.env('api').CODEC_ORIGINS?.split(',')[0] ?? '';
const { codecUrl: guardedUrl } = await startAnotherApi(system, { CODEC_PASSWORD: password });
const registration = await startRegistration(system.ready.apiUrl, {
  email: 'canary@example.net',
  fullName: 'Canary Person',
});
// the first request that changes the registration starts its workflow
await must(registration.call('DELETE', ''), 204);
const { events = [] } = await behind.temporal.workflow.getHandle(`registration:${registration.id}`).fetchHistory();
const [encrypted] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
assert.ok(encrypted, 'the workflow has an input');
const input = toJson(encrypted);

function toJson(payload: { metadata?: Record<string, Uint8Array> | null; data?: Uint8Array | null }): Payload {
  const entries = Object.entries(payload.metadata ?? {});
  return {
    metadata: Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
    data: Buffer.from(payload.data ?? []).toString('base64'),
  };
}

/** Sends one request with any headers, as a browser or a Temporal client does. */
async function ask(url: string, { method = 'POST', path = '/decode', headers = {}, body }: Asked) {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const req = request(`${url}${path}`, { method, headers: { ...type, ...headers }, agent: false });
  req.end(body);
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res) text += chunk;
  return { status: res.statusCode as number, headers: new Headers(res.headers), text };
}

const decoding = () => ({ body: JSON.stringify({ payloads: [input] }) });

function assertDecoded({ status, text }: { status: number; text: string }): void {
  assert.equal(status, 200);
  const [payload] = JSON.parse(text).payloads as Payload[];
  const shown = JSON.parse(Buffer.from(payload?.data ?? '', 'base64').toString());
  assert.equal(shown.registrationId, registration.id);
  assert.equal(shown.identity.email, 'canary@example.net');
}

describe('the codec endpoint', () => {
  it('decodes payloads, which Temporal stores encrypted', async () => {
    assert.doesNotMatch(Buffer.from(input.data, 'base64').toString('latin1'), /canary|registrationId/i);
    assertDecoded(await ask(codecUrl, decoding()));
    assertDecoded(await ask(codecUrl, { ...decoding(), path: '/decode?namespace=x' }));
  });

  it('passes unencrypted payloads through, and decodes what it encodes', async () => {
    const clear = { metadata: { encoding: Buffer.from('json/plain').toString('base64') }, data: 'IngK' };
    const body = JSON.stringify({ payloads: [clear] });
    const passed = await ask(codecUrl, { body });
    assert.deepEqual(JSON.parse(passed.text), { payloads: [clear] });
    const encoded = await ask(codecUrl, { body, path: '/encode' });
    assert.notDeepEqual(JSON.parse(encoded.text), { payloads: [clear] });
    const decoded = await ask(codecUrl, { body: encoded.text });
    assert.deepEqual(JSON.parse(decoded.text), { payloads: [clear] });
    assert.deepEqual(JSON.parse((await ask(codecUrl, { body: '{}' })).text), { payloads: [] });
  });

  it('returns 400 with an empty body for payloads that it cannot decode', async () => {
    const data = Buffer.from(input.data, 'base64');
    data[data.length - 1] = Number(data.at(-1)) ^ 1;
    const changed = { ...input, data: data.toString('base64') };
    const bodies = [JSON.stringify({ payloads: [changed] }), '{', '[]x', '', JSON.stringify({ payloads: 'x' }), 'null'];
    for (const body of bodies) {
      const { status, text } = await ask(codecUrl, { body });
      assert.equal(status, 400, body.slice(0, 40));
      assert.equal(text, '');
    }
    assertDecoded(await ask(codecUrl, decoding()));
  });

  it('returns 413 for a body over 4 MiB, with a length or chunked, and drains it so that the sender gets the response', async () => {
    const body = JSON.stringify({ payloads: [], x: 'x'.repeat(20_000_000) });
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const { status, text } = await ask(codecUrl, { body, headers });
      assert.equal(status, 413, JSON.stringify(headers));
      assert.equal(text, '');
    }
    assertDecoded(await ask(codecUrl, decoding()));
  });

  it('accepts only POST of JSON to its two paths', async () => {
    assert.equal((await ask(codecUrl, { method: 'GET' })).status, 405);
    assert.equal((await ask(codecUrl, { ...decoding(), path: '/other' })).status, 404);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { status } = await ask(codecUrl, { ...decoding(), headers: { 'content-type': type } });
      assert.equal(status, 415, type);
    }
  });

  it('F26 answers its paths in one spelling and with their own methods; F27 refuses what is not UTF-8', async () => {
    for (const path of ['/DECODE', '/decode/', '//decode', '/%64ecode']) {
      assert.equal((await ask(codecUrl, { ...decoding(), path })).status, 404, path);
    }
    for (const [path, allow] of [
      ['/decode', 'POST'],
      ['/login', 'POST'],
      ['/', 'GET, HEAD'],
    ] as const) {
      const { status, headers } = await ask(codecUrl, { method: 'DELETE', path });
      assert.deepEqual([status, headers.get('allow')], [405, allow], path);
    }
    for (const type of ['application/json; charset=utf-16', 'application/json; charset=iso-8859-1']) {
      assert.equal((await ask(codecUrl, { ...decoding(), headers: { 'content-type': type } })).status, 400, type);
    }
    assert.equal(
      (await ask(codecUrl, { ...decoding(), headers: { 'content-type': 'application/jsonx' } })).status,
      415,
    );
    assert.equal((await ask(codecUrl, { body: `\ufeff${decoding().body}` })).status, 400);
    assert.equal((await ask(codecUrl, { body: '{}', path: '/decode?namespace=%FF' })).status, 400);
    assert.equal((await ask(guardedUrl, { path: '/login', headers: form, body: 'password=%FF' })).status, 400);
  });

  it('allows the origin of the Temporal Web UI, and no other', async () => {
    const asking = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } };
    const allowed = await ask(codecUrl, asking);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), origin);
    assert.equal(allowed.headers.get('access-control-allow-credentials'), 'true');
    assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /content-type,x-namespace,authorization/);
    assert.equal(allowed.headers.get('vary'), 'Origin');
    const decoded = await ask(codecUrl, { ...decoding(), headers: { origin } });
    assert.equal(decoded.headers.get('access-control-allow-origin'), origin);
    for (const foreign of [
      'https://evil.example',
      'null',
      `${origin}.evil.example`,
      origin.replace('http:', 'https:'),
    ]) {
      const refused = await ask(codecUrl, { ...asking, headers: { ...asking.headers, origin: foreign } });
      assert.equal(refused.headers.get('access-control-allow-origin'), null, foreign);
    }
  });

  it('returns 421 for a foreign host name that resolves to this machine', async () => {
    const { port } = new URL(codecUrl);
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '[::2]']) {
      const { status, text } = await ask(codecUrl, { ...decoding(), headers: { host } });
      assert.equal(status, 421, host);
      assert.equal(text, '');
    }
    assertDecoded(await ask(codecUrl, { ...decoding(), headers: { host: `localhost:${port}` } }));
  });
});

describe('the codec endpoint with CODEC_PASSWORD', () => {
  const logIn = (given: string) =>
    ask(guardedUrl, {
      path: '/login',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ password: given }).toString(),
    });

  it('returns 401 without the password or with a wrong one', async () => {
    const tries: Record<string, string>[] = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: `Bearer ${password}x` },
      { authorization: `Bearer ${password.slice(0, -1)}` },
      { authorization: `Basic ${Buffer.from(`x:${password}`).toString('base64')}` },
      { cookie: `vyry-codec=${password}` },
      { cookie: 'vyry-codec=x; other=y' },
      { 'x-forwarded-for': '127.0.0.1', host: 'localhost' },
    ];
    for (const headers of tries) {
      const { status, text } = await ask(guardedUrl, { ...decoding(), headers });
      assert.equal(status, 401, JSON.stringify(headers));
      assert.equal(text, '');
    }
    assert.equal((await logIn('wrong')).status, 401);
    assert.equal((await logIn('')).status, 401);
  });

  it('accepts the password as a bearer token, and the cookie of its log-in page', async () => {
    assertDecoded(await ask(guardedUrl, { ...decoding(), headers: { authorization: `Bearer ${password}` } }));
    const page = await ask(guardedUrl, { method: 'GET', path: '/' });
    assert.match(page.text, /<form method="post" action="\/login">/);
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    const entered = await logIn(password);
    const cookie = entered.headers.get('set-cookie') ?? '';
    assert.match(cookie, /; HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+$/);
    assert.ok(!cookie.includes(password));
    const [pair = ''] = cookie.split(';');
    assertDecoded(await ask(guardedUrl, { ...decoding(), headers: { cookie: pair } }));
    assertDecoded(await ask(guardedUrl, { ...decoding(), headers: { cookie: `other=1; ${pair}; more=2` } }));
    const refused = await ask(guardedUrl, { ...decoding(), headers: { cookie: `${pair}x` } });
    assert.equal(refused.status, 401);
    assert.equal(
      (await ask(codecUrl, { path: '/login', headers: form, body: 'password=x' })).status,
      401,
      'log-in needs a configured password',
    );
  });

  it('F25 ends the cookie of an operator after eight hours, also for a client that keeps it', async () => {
    using time = stopTime(['Date']);
    const [pair = ''] = ((await logIn(password)).headers.get('set-cookie') ?? '').split(';');
    await time.pass(8 * 3_600_000 - 1000);
    assertDecoded(await ask(guardedUrl, { ...decoding(), headers: { cookie: pair } }));
    await time.pass(1000);
    assert.equal((await ask(guardedUrl, { ...decoding(), headers: { cookie: pair } })).status, 401);
    const [endsAt = '', mac] = (pair.split('=')[1] ?? '').split(/-(.*)/s);
    const longer = `vyry-codec=${Number(endsAt) + 3600}-${mac}`;
    assert.equal((await ask(guardedUrl, { ...decoding(), headers: { cookie: longer } })).status, 401);
  });

  it('F25 marks the cookie as Secure when the browser uses TLS', async () => {
    for (const headers of [{ 'x-forwarded-proto': 'https' }, { origin: guardedUrl.replace('http:', 'https:') }]) {
      const { headers: answered } = await ask(guardedUrl, {
        path: '/login',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams({ password }).toString(),
      });
      assert.match(answered.get('set-cookie') ?? '', /; Secure; HttpOnly; SameSite=Strict/);
    }
    assert.doesNotMatch((await logIn(password)).headers.get('set-cookie') ?? '', /Secure/);
  });

  it('F25 has at least 15 characters: the api does not start with a shorter one', async () => {
    const starting = startAnotherApi(system, { CODEC_PASSWORD: 'fourteen-chars' });
    await assert.rejects(starting, /CODEC_PASSWORD must be at least 15 characters/);
  });

  it('is required beyond loopback: the api does not start without it', async () => {
    const starting = startAnotherApi(system, { CODEC_HOST: '0.0.0.0' });
    await assert.rejects(starting, /CODEC_HOST beyond loopback needs CODEC_PASSWORD/);
  });
});
