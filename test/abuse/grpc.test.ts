// @rerun never
/** The gRPC endpoint under abuse: cases M1 to M4 and M10, each refused without side effects while others are served. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type Client, credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createCertificates } from '../../engines/directory/certificates.ts';
import { startRegistration } from '../support/client.ts';
import { allMessages, startAnotherApi } from '../support/registrations.ts';
import { connectSignal, numbers, type SignalClient } from '../support/signal-client.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const token = 'a-bearer-token-of-the-signal-server-1';
const issuer = 'https://issuer.example';
const audience = 'vyry';
const unknownId = Buffer.alloc(16, 5);
const sms = numbers.MESSAGE_TRANSPORT_SMS;

let nextNumber = 300;
const newNumber = () => `447700900${nextNumber++}`;
const ended: (() => unknown)[] = [];

const keys = await generateKeyPair('ES256');

after(async () => {
  for (const end of ended.reverse()) await end();
});
const jwks = await serveJwks();
const { system, behind } = await withSystem({
  GRPC_BEARER_TOKENS: `another-token-that-is-long-enough-too,${token}`,
  GRPC_OIDC_ISSUER: issuer,
  GRPC_OIDC_JWKS_URL: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/`,
  GRPC_OIDC_AUDIENCE: audience,
  GRPC_OIDC_SUBJECTS: 'signal-server',
});
const signal = connect({ token });

function connect(options: Parameters<typeof connectSignal>[1], address = system.ready.grpcAddress): SignalClient {
  const client = connectSignal(address, options);
  ended.push(() => client.close());
  return client;
}

async function serveJwks(): Promise<Server> {
  const key = { ...(await exportJWK(keys.publicKey)), alg: 'ES256', kid: 'one' };
  const server = createServer((_req, res) => res.end(JSON.stringify({ keys: [key] })));
  ended.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function identityToken(claims: {
  aud?: string;
  iss?: string;
  sub?: string;
  expiresIn?: number;
}): Promise<string> {
  const { aud = audience, iss = issuer, sub = 'signal-server', expiresIn = 3600 } = claims;
  return await new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setAudience(aud)
    .setIssuer(iss)
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
    .sign(keys.privateKey);
}

/** The state that a refused call must not change. */
async function traces() {
  const [sessions, workflows, messages] = await Promise.all([
    behind.keys('verification*'),
    behind.countWorkflows(),
    allMessages(system.ready.outboxUrl),
  ]);
  return { sessions, workflows, messages: messages.length };
}

/** Asserts that calls are refused without side effects, and that another caller is served. */
async function refuses(code: number, calls: (() => Promise<unknown>)[]): Promise<void> {
  const before = await traces();
  for (const call of calls) await assert.rejects(call(), { code });
  assert.deepEqual(await traces(), before);
  const created = await signal.call('CreateSession', { e164: newNumber() });
  assert.equal(created.error, undefined);
}

const create = (client: SignalClient) => () => client.call('CreateSession', { e164: newNumber() });

describe('Callers of the gRPC endpoint', () => {
  it('M1: are refused without credentials, and with malformed or wrong ones, before their message is parsed', async () => {
    const strangers = ['', 'x', `${token}x`, token.slice(0, -1)].map((wrong) => connect(wrong ? { token: wrong } : {}));
    const broken = Buffer.from('ffffffff', 'hex');
    await refuses(status.UNAUTHENTICATED, [
      ...strangers.map(create),
      () => connect({}).call('CreateSession', broken),
      () => connect({}).call('CreateSession', { e164: newNumber() }, { authorization: `Basic ${token}` }),
    ]);
  });

  it('M1: are refused with a token for another audience, issuer or subject, and with an expired or forged one', async () => {
    const wrong = await Promise.all([
      identityToken({ aud: 'another' }),
      identityToken({ iss: 'https://evil.example' }),
      identityToken({ sub: 'somebody-else' }),
      identityToken({ expiresIn: -60 }),
    ]);
    const forged = `${(await identityToken({})).slice(0, -8)}AAAAAAAA`;
    await refuses(
      status.UNAUTHENTICATED,
      [...wrong, forged].map((text) => create(connect({ token: text }))),
    );
  });

  it('are admitted with each configured token, and with an identity token for this audience', async () => {
    for (const good of [token, 'another-token-that-is-long-enough-too', await identityToken({})]) {
      assert.equal((await create(connect({ token: good }))()).error, undefined);
    }
  });

  it('may call the health check without credentials', async () => {
    assert.equal((await checkHealth(system.ready.grpcAddress)).status, 'SERVING');
  });
});

describe('Requests to the gRPC endpoint', () => {
  it('M2: find no session by the id of a registration or by an unknown id', async () => {
    const { id } = await startRegistration(system.ready.apiUrl);
    for (const sessionId of [Buffer.from(id, 'hex'), unknownId]) {
      const before = await traces();
      const read = await signal.call('GetSessionMetadata', { sessionId });
      assert.equal(read.error?.errorType, numbers.GET_REGISTRATION_SESSION_METADATA_ERROR_TYPE_NOT_FOUND);
      const sent = await signal.call('SendVerificationCode', { sessionId, transport: sms });
      assert.equal(sent.error?.errorType, numbers.SEND_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND);
      const checked = await signal.call('CheckVerificationCode', { sessionId, verificationCode: '123456' });
      assert.equal(checked.error?.errorType, numbers.CHECK_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND);
      assert.deepEqual(await traces(), before);
    }
  });

  it('M3: are refused with a message of 5 MB or metadata of 1 MB', async () => {
    await refuses(status.RESOURCE_EXHAUSTED, [
      () => signal.call('CreateSession', { e164: newNumber(), rateLimitCollationKey: 'x'.repeat(5_000_000) }),
      () => signal.call('CreateSession', { e164: newNumber(), rateLimitCollationKey: 'x'.repeat(70_000) }),
    ]);
    const before = await traces();
    const large = connect({ token });
    const tooLarge = large.call('CreateSession', { e164: newNumber() }, { 'x-large': 'x'.repeat(1_000_000) });
    // HTTP/2 itself refuses the headers, before there is a call that could have a status
    await assert.rejects(tooLarge, /RST_STREAM/);
    assert.deepEqual(await traces(), before);
  });

  it('M4: are refused as invalid when they cannot be parsed, not as an internal error', async () => {
    const invalidUtf8 = Buffer.from([0x1a, 2, 0xc3, 0x28]);
    const cutOff = Buffer.from([0x1a, 200, 1]);
    const badTag = Buffer.from([0x07, 0x01]);
    const ids = [Buffer.alloc(0), Buffer.alloc(15), Buffer.alloc(17), Buffer.alloc(36)];
    await refuses(status.INVALID_ARGUMENT, [
      ...[invalidUtf8, cutOff, badTag].map((bytes) => () => signal.call('CreateSession', bytes)),
      ...ids.map((sessionId) => () => signal.call('GetSessionMetadata', { sessionId })),
      ...ids.map((sessionId) => () => signal.call('SendVerificationCode', { sessionId, transport: sms })),
      ...ids.map((sessionId) => () => signal.call('CheckVerificationCode', { sessionId, verificationCode: '1' })),
      () => signal.call('SendVerificationCode', { sessionId: unknownId, transport: 99 }),
    ]);
  });

  it('M4: are accepted with unknown fields, and with unknown clients and languages', async () => {
    const e164 = newNumber();
    const before = await behind.countWorkflows();
    const { sessionMetadata } = await signal.call('CreateSession', { e164, mcc: '234', mnc: '15' });
    const sessionId = sessionMetadata?.sessionId;
    const unknownField = Buffer.from([0xf8, 0x07, 0x01]);
    const request = Buffer.concat([Buffer.from([0x0a, 16]), sessionId ?? Buffer.alloc(0), unknownField]);
    assert.equal((await signal.call('GetSessionMetadata', request)).sessionMetadata?.e164, e164);
    const odd = { clientType: 77, acceptLanguage: ';;q=,\u0000', senderName: 'nobody' };
    const sent = await signal.call('SendVerificationCode', { sessionId, transport: sms, ...odd });
    assert.equal(sent.error, undefined);
    // Temporal lists the workflow with some delay: without this wait, the next test would count it
    await until(async () => (await behind.countWorkflows()) === before + 1);
  });
});

describe('The gRPC endpoint with TLS', () => {
  it('M10: refuses plain text, and clients without a certificate, with a foreign or an expired one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vyry-grpc-'));
    ended.push(() => rmSync(folder, { recursive: true, force: true }));
    const [server, stranger, expired] = await Promise.all([
      createCertificates(join(folder, 'server'), 'valid'),
      createCertificates(join(folder, 'stranger'), 'valid'),
      createCertificates(join(folder, 'expired'), 'expired'),
    ]);
    const pem = (file: string) => readFileSync(file);
    const { grpcAddress } = await startAnotherApi(system, {
      GRPC_BEARER_TOKENS: '',
      GRPC_OIDC_ISSUER: '',
      GRPC_TLS_CERT: pem(server.certificateFile).toString(),
      GRPC_TLS_KEY: pem(server.keyFile).toString(),
      GRPC_TLS_CLIENT_CA: server.ca + expired.ca,
    });
    const ca = Buffer.from(server.ca);
    // a host name: TLS sends no server name for an IP address
    const address = grpcAddress.replace('127.0.0.1', 'localhost');
    const withPair = ({ keyFile, certificateFile }: typeof server) =>
      connect({ tls: credentials.createSsl(ca, pem(keyFile), pem(certificateFile)) }, address);
    assert.equal((await create(withPair(server))()).error, undefined);
    await refuses(status.UNAVAILABLE, [
      create(connect({ token }, address)),
      create(connect({ tls: credentials.createSsl(ca) }, address)),
      create(withPair(stranger)),
      create(withPair(expired)),
    ]);
  });

  it('does not listen beyond loopback without authentication', async () => {
    const open = startAnotherApi(system, { GRPC_HOST: '0.0.0.0', GRPC_BEARER_TOKENS: '', GRPC_OIDC_ISSUER: '' });
    await assert.rejects(open, /GRPC_HOST beyond loopback needs/);
  });

  it('F25 does not take bearer tokens beyond loopback without TLS, unless GRPC_PLAINTEXT says so', async () => {
    const open = startAnotherApi(system, { GRPC_HOST: '0.0.0.0', GRPC_BEARER_TOKENS: token });
    await assert.rejects(open, /GRPC_TLS_CERT.*GRPC_PLAINTEXT=true/);
    const { grpcAddress } = await startAnotherApi(system, {
      GRPC_HOST: '0.0.0.0',
      GRPC_BEARER_TOKENS: token,
      GRPC_PLAINTEXT: 'true',
    });
    assert.equal((await create(connect({ token }, grpcAddress))()).error, undefined);
  });
});

async function checkHealth(address: string): Promise<{ status: string }> {
  const loaded = loadPackageDefinition(loadSync(protoPath, { enums: String })) as unknown as {
    grpc: { health: { v1: { Health: new (address: string, tls: unknown) => Client } } };
  };
  const client = new loaded.grpc.health.v1.Health(address, credentials.createInsecure()) as Client & {
    check(request: object, done: (err: Error | null, answer: { status: string }) => void): void;
  };
  ended.push(() => client.close());
  return new Promise((resolve, reject) => client.check({}, (err, answer) => (err ? reject(err) : resolve(answer))));
}
