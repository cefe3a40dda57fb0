// @rerun never
/** Requests to URLs that strangers chose: they never reach a private address. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import {
  createPublicEndpoints,
  type PublicEndpointOptions,
  type Resolve,
} from '../../../adapters/http/public-endpoint.ts';
import { isPublicAddress } from '../../../adapters/ip-addresses.ts';
import { pushCertificate, pushCertificateKey } from '../../../engines/fakes/push-keys.ts';

const message = { headers: {}, body: Buffer.from('wake up') };

/** A resolver with prescribed answers, the last of which it repeats, and the names that it was asked for. */
function resolverOf(...answers: string[][]): { resolve: Resolve; asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = async (hostname) => answers[Math.min(asked.push(hostname), answers.length) - 1] ?? [];
  return { resolve, asked };
}

const endpointsOf = (given: Partial<PublicEndpointOptions> = {}) =>
  createPublicEndpoints({ isPublic: isPublicAddress, timeoutMs: 600_000, ...given });

/** A server of the private network: its URL, the paths that were requested, and a client that may call it. */
async function startInside(answer: RequestListener = (_req, res) => res.writeHead(201).end()) {
  const requests: string[] = [];
  const server = createServer({ cert: pushCertificate, key: pushCertificateKey }, (req, res) => {
    requests.push(req.url ?? '');
    answer(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const allowed = (given: Partial<PublicEndpointOptions> = {}) =>
    endpointsOf({ allowed: [`127.0.0.1:${port}`], ca: pushCertificate, ...given });
  return {
    port,
    url: `https://127.0.0.1:${port}`,
    requests,
    allowed,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** URLs that are refused without a look-up. */
const refused = [
  'no URL',
  'http://push.example.net/1',
  'file:///etc/passwd',
  'gopher://push.example.net/1',
  'https://user:secret@push.example.net/1',
  'https://push.example.net/1#fragment',
  'https://push.example.net:8443/1',
  'https://localhost/1',
  'https://LOCALHOST./1',
  'https://temporal/1',
  'https://redis.internal/1',
  'https://printer.local/1',
  'https://metadata.google.internal/computeMetadata/v1/',
  'https://127.0.0.1/1',
  'https://127.1/1',
  'https://0x7f.1/1',
  'https://0177.0.0.1/1',
  'https://2130706433/1',
  'https://0.0.0.0/1',
  'https://10.0.0.1/1',
  'https://172.16.5.4/1',
  'https://192.168.1.1/1',
  'https://169.254.169.254/latest/meta-data/',
  'https://100.64.0.1/1',
  'https://198.18.0.1/1',
  'https://192.0.2.1/1',
  'https://224.0.0.1/1',
  'https://255.255.255.255/1',
  'https://[::1]/1',
  'https://[::]/1',
  'https://[::ffff:127.0.0.1]/1',
  'https://[::ffff:8.8.8.8]/1',
  'https://[::127.0.0.1]/1',
  'https://[64:ff9b::7f00:1]/1',
  'https://[64:ff9b:1::a00:1]/1',
  'https://[2002:7f00:1::1]/1',
  'https://[2001:0:7f00:1::1]/1',
  'https://[fd00:ec2::254]/1',
  'https://[fe80::1]/1',
  'https://[fec0::1]/1',
  'https://[ff02::1]/1',
  'https://[2001:db8::1]/1',
];

describe('createPublicEndpoints()', () => {
  it('H32 refuses a URL that is not https, has credentials or another port, or names a private server', async () => {
    const { resolve, asked } = resolverOf(['8.8.8.8']);
    const endpoints = endpointsOf({ resolve });
    for (const url of refused) {
      assert.equal(typeof (await endpoints.problemOf(url)), 'string', url);
      assert.equal(await endpoints.post(url, message), undefined, url);
    }
    assert.deepEqual(asked, []);
  });

  it('H32 refuses a name of which one address is private, when it is saved and when it is called', async () => {
    for (const address of [
      '127.0.0.1',
      '10.1.2.3',
      '169.254.169.254',
      '::1',
      '::ffff:10.0.0.1',
      'fd12::1',
      '64:ff9b::a00:1',
    ]) {
      const { resolve } = resolverOf(['8.8.8.8', address]);
      const endpoints = endpointsOf({ resolve });
      assert.equal(await endpoints.problemOf('https://push.example.net/1'), 'must name a public server', address);
      assert.equal(await endpoints.post('https://push.example.net/1', message), undefined, address);
    }
  });

  it('accepts public addresses, and a name that cannot be resolved at the moment', async () => {
    const { resolve } = resolverOf(['8.8.8.8', '2606:4700:4700::1111'], []);
    const endpoints = endpointsOf({ resolve });
    for (const url of [
      'https://push.example.net/1',
      'https://push.example.net/1?up=1',
      'https://8.8.8.8/1',
      'https://[2606:4700:4700::1111]/1',
    ])
      assert.equal(await endpoints.problemOf(url), undefined, url);
  });

  it('H32 calls no private address when the name resolves to one after the check', async () => {
    const { resolve, asked } = resolverOf(['8.8.8.8'], ['127.0.0.1']);
    const endpoints = endpointsOf({ resolve });
    assert.equal(await endpoints.problemOf('https://push.example.net/1'), undefined);
    assert.equal(await endpoints.post('https://push.example.net/1', message), undefined);
    assert.equal(asked.length, 2);
  });

  it('H32 connects to the address that it checked: one call resolves the name once', async () => {
    const { resolve, asked } = resolverOf(['127.0.0.1'], ['8.8.8.8']);
    const checked: string[] = [];
    const isPublic = (address: string) => checked.push(address) > 0;
    const sent = endpointsOf({ resolve, isPublic }).post('https://push.example.net/1', message);
    await assert.rejects(sent, { code: 'unavailable' });
    assert.deepEqual(asked, ['push.example.net']);
    assert.deepEqual(checked, ['127.0.0.1']);
  });

  it('H32 follows no redirect', async () => {
    await using inside = await startInside((_req, res) => res.writeHead(307, { location: '/secret' }).end());
    const answer = await inside.allowed().post(`${inside.url}/push`, message);
    assert.equal(answer?.status, 307);
    assert.deepEqual(inside.requests, ['/push']);
  });

  it('reaches a server of the operator that is listed by host and port, and no other port of it', async () => {
    await using inside = await startInside();
    await using other = await startInside();
    const endpoints = inside.allowed();
    assert.equal((await endpoints.post(`${inside.url}/push`, message))?.status, 201);
    assert.equal(await endpoints.problemOf(`${inside.url}/push`), undefined);
    assert.equal(await endpoints.post(`${other.url}/push`, message), undefined);
    assert.deepEqual(other.requests, []);
  });

  it('trusts only public certificate authorities unless the operator lists another', async () => {
    await using inside = await startInside();
    const endpoints = endpointsOf({ allowed: [`127.0.0.1:${inside.port}`] });
    await assert.rejects(endpoints.post(`${inside.url}/push`, message), { code: 'unavailable' });
    assert.deepEqual(inside.requests, []);
  });

  it('reads only the beginning of an answer without an end', async () => {
    await using inside = await startInside((_req, res) => {
      const write = (): void => {
        while (!res.closed && res.write('x'.repeat(65_536)));
        if (!res.closed) res.once('drain', write);
      };
      write();
    });
    const answer = await inside.allowed().post(`${inside.url}/push`, message);
    assert.equal(answer?.text, 'x'.repeat(4096));
  });

  it('gives up on a server that does not answer, or drops the connection', async () => {
    await using silent = await startInside(() => undefined);
    const given = silent.allowed({ timeoutMs: 200 }).post(`${silent.url}/push`, message);
    await assert.rejects(given, { code: 'unavailable', context: { message: 'webpush ETIMEDOUT', reason: 'timeout' } });
    await using dropping = await startInside((req) => req.socket.destroy());
    await assert.rejects(dropping.allowed().post(`${dropping.url}/push`, message), {
      code: 'unavailable',
      context: { message: 'webpush ECONNRESET', reason: 'connection-lost' },
    });
  });
});
