import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { connectSignalServer, trustAlso } from '../../adapters/http/signal-server.ts';
import { Failure } from '../../domain/failures.ts';
import { createCertificates } from '../../engines/directory/certificates.ts';

const registration = {
  number: '+447700900101',
  password: 'the-password',
  sessionId: '00112233445566778899aabbccddeeff',
  attributes: { skipDeviceTransfer: false },
  userAgent: 'App/1.2',
};
const account = {
  uuid: '2b7c9c1a-6a0e-4d8b-9c55-0f6f6d3a1f01',
  pni: '7f0d3c52-3f0a-4b9e-8a8e-5b1d2c3e4f02',
  number: registration.number,
};

interface Received {
  method: string | undefined;
  url: string | undefined;
  authorization: string | undefined;
  userAgent: string | undefined;
  body: unknown;
}

/** Starts a server that gives one answer to everything, and a client of it. */
async function scene(answer: { status: number; body?: unknown; headers?: Record<string, string> }) {
  const received: Received[] = [];
  const server = createServer(async (req, res) => {
    const text = await readText(req);
    const { authorization, 'user-agent': userAgent } = req.headers;
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    received.push({ method: req.method, url: req.url, authorization, userAgent, body });
    res.writeHead(answer.status, answer.headers);
    res.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  });
  const { url, close } = await listen(server);
  return { signalServer: connectSignalServer({ baseUrl: url }), received, [Symbol.asyncDispose]: close };
}

async function listen(server: ReturnType<typeof createServer> | ReturnType<typeof createTlsServer>) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('register()', () => {
  it('sends number and password as credentials, and the session id as the server expects it', async () => {
    await using at = await scene({ status: 200, body: { ...account, storageCapable: false } });
    assert.deepEqual(await at.signalServer.register(registration), account);
    assert.deepEqual(at.received, [
      {
        method: 'POST',
        url: '/v1/registration',
        authorization: `Basic ${Buffer.from('+447700900101:the-password').toString('base64')}`,
        userAgent: 'App/1.2',
        body: { skipDeviceTransfer: false, sessionId: 'ABEiM0RVZneImaq7zN3u_w' },
      },
    ]);
  });

  it('returns a refusal with its times', async () => {
    await using limited = await scene({ status: 429, headers: { 'Retry-After': '0' } });
    assert.deepEqual(await limited.signalServer.register(registration), {
      call: 'registration',
      status: 429,
      retryAfterSeconds: 1,
    });
    await using locked = await scene({ status: 423, body: { timeRemaining: 1500, svr2Credentials: null } });
    assert.deepEqual(await locked.signalServer.register(registration), {
      call: 'registration',
      status: 423,
      timeRemainingSeconds: 2,
    });
  });

  it('throws an outage for every other answer, and nothing of the request in it', async () => {
    const outages: [Parameters<typeof scene>[0], string][] = [
      [{ status: 200, body: { uuid: 'no uuid' } }, 'answers-200'],
      [{ status: 404 }, 'answers-404'],
      [{ status: 503 }, 'answers-503'],
    ];
    for (const [answer, reason] of outages) {
      await using at = await scene(answer);
      await assert.rejects(at.signalServer.register(registration), (err: unknown) => {
        assert.ok(err instanceof Failure);
        assert.deepEqual([err.code, err.context.reason], ['unavailable', reason]);
        assert.doesNotMatch(JSON.stringify(err.context), /the-password|447700900101/);
        return true;
      });
    }
    const away = connectSignalServer({ baseUrl: 'http://127.0.0.1:1' });
    await assert.rejects(away.register(registration), { code: 'unavailable' });
  });
});

describe('uploadPreKeys()', () => {
  it('replaces the one-time keys of an identity', async () => {
    await using at = await scene({ status: 204 });
    const upload = { account, password: 'the-password', identity: 'pni', keys: { preKeys: [] } } as const;
    assert.equal(await at.signalServer.uploadPreKeys(upload), undefined);
    const [{ method, url, authorization, body } = {}] = at.received;
    assert.deepEqual([method, url, body], ['PUT', '/v2/keys?identity=pni', { preKeys: [] }]);
    assert.equal(authorization, `Basic ${Buffer.from(`${account.uuid}:the-password`).toString('base64')}`);
    await using refusing = await scene({ status: 422 });
    assert.deepEqual(await refusing.signalServer.uploadPreKeys(upload), { call: 'keys', status: 422 });
  });
});

describe('ping()', () => {
  it('needs any answer but a fault', async () => {
    await using up = await scene({ status: 404 });
    await up.signalServer.ping();
    assert.equal(up.received[0]?.method, 'HEAD');
    await using down = await scene({ status: 500 });
    await assert.rejects(down.signalServer.ping(), { code: 'unavailable' });
  });
});

describe('trustAlso()', () => {
  it('lets the server have a certificate of a private authority', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vyry-signal-'));
    const { ca, certificateFile, keyFile } = await createCertificates(folder, 'valid');
    const pair = { cert: readFileSync(certificateFile), key: readFileSync(keyFile) };
    const { url, close } = await listen(createTlsServer(pair, (_req, res) => res.writeHead(404).end()));
    const signalServer = connectSignalServer({ baseUrl: url.replace('http:', 'https:') });
    const known = getCACertificates('default');
    try {
      await assert.rejects(signalServer.ping(), { code: 'unavailable' });
      trustAlso(ca);
      await signalServer.ping();
    } finally {
      setDefaultCACertificates(known);
      await close();
      rmSync(folder, { recursive: true });
    }
  });
});
