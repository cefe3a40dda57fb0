import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, mock } from 'node:test';
import {
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWTHeaderParameters,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import { createTokens } from '../../api/tokens.ts';
import { Failure } from '../../domain/failures.ts';
import { Secret } from '../../platform/config/secret.ts';

const claims = { userId: 'user-1', sessionId: 'session-1', roles: ['user'] };
const newKey = () => new Secret(randomBytes(32).toString('base64'));

function tokensOf(given: Partial<Parameters<typeof createTokens>[0]>) {
  return createTokens({
    JWT_ALGORITHM: 'EdDSA',
    JWT_SECRET: newKey(),
    JWT_SECRETS_OLD: [],
    JWT_KEYS: [],
    JWT_ISSUER: 'https://id.example',
    JWT_AUDIENCE: 'vyry',
    JWT_EXPIRATION: 3600,
    ...given,
  });
}

const isInvalid = (err: unknown) => err instanceof Failure && err.code === 'token-invalid';

function partsOf(token: string): { header: Record<string, unknown>; payload: JWTPayload } {
  const [header, payload] = token.split('.').map((part) => {
    try {
      return JSON.parse(Buffer.from(part, 'base64url').toString());
    } catch {
      return {};
    }
  });
  return { header, payload };
}

describe('createTokens()', () => {
  it('signs EdDSA tokens that any client can verify with the published keys', async () => {
    const tokens = tokensOf({ JWT_KEYS: [newKey()] });
    const token = await tokens.sign(claims);
    const { expiresAt, ...said } = await tokens.verify(token);
    assert.deepEqual(said, claims);
    assert.equal(expiresAt, Number(partsOf(token).payload.exp) * 1000);
    const published = createLocalJWKSet({ keys: tokens.publicKeys });
    const { payload } = await jwtVerify(token, published, { issuer: 'https://id.example', audience: 'vyry' });
    assert.equal(payload.sid, 'session-1');
    assert.deepEqual(Object.keys(tokens.publicKeys[0] ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });

  it('has the public key and the thumbprint of the example key in RFC 8037', () => {
    const d = Buffer.from('nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', 'base64url');
    const [key] = tokensOf({ JWT_KEYS: [new Secret(d.toString('base64'))] }).publicKeys;
    assert.equal(key?.x, '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo');
    assert.equal(key?.kid, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  it('refuses an expired token, however often it was accepted before', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    try {
      const tokens = tokensOf({ JWT_KEYS: [newKey()], JWT_EXPIRATION: 60 });
      const token = await tokens.sign(claims);
      for (let times = 0; times < 3; times++) assert.partialDeepStrictEqual(await tokens.verify(token), claims);
      mock.timers.setTime(Date.now() + 65_000);
      assert.partialDeepStrictEqual(await tokens.verify(token), claims, 'clocks may be 10 s apart');
      mock.timers.setTime(Date.now() + 6000);
      for (let times = 0; times < 2; times++) await assert.rejects(tokens.verify(token), isInvalid);
    } finally {
      mock.timers.reset();
    }
  });

  it('refuses a token that differs from an accepted one in one character', async () => {
    const tokens = tokensOf({ JWT_KEYS: [newKey()] });
    const token = await tokens.sign(claims);
    await tokens.verify(token);
    const middle = token.lastIndexOf('.') + 20;
    const other = token[middle] === 'A' ? 'B' : 'A';
    await assert.rejects(tokens.verify(`${token.slice(0, middle)}${other}${token.slice(middle + 1)}`), isInvalid);
    assert.partialDeepStrictEqual(await tokens.verify(token), claims);
  });

  it('publishes no key under HS256', () => {
    assert.deepEqual(tokensOf({ JWT_ALGORITHM: 'HS256', JWT_KEYS: [newKey()] }).publicKeys, []);
  });

  it('accepts tokens of older keys as long as they are configured, and signs with the first key', async () => {
    const [old, next] = [newKey(), newKey()];
    const before = await tokensOf({ JWT_KEYS: [old] }).sign(claims);
    const during = tokensOf({ JWT_KEYS: [next, old] });
    assert.partialDeepStrictEqual(await during.verify(before), claims);
    const after = tokensOf({ JWT_KEYS: [next] });
    assert.partialDeepStrictEqual(await after.verify(await during.sign(claims)), claims);
    await assert.rejects(after.verify(before), isInvalid);
  });

  it('does the same for HS256 secrets', async () => {
    const [old, next] = [newKey(), newKey()];
    const before = await tokensOf({ JWT_ALGORITHM: 'HS256', JWT_SECRET: old }).sign(claims);
    const during = tokensOf({ JWT_ALGORITHM: 'HS256', JWT_SECRET: next, JWT_SECRETS_OLD: [old] });
    assert.partialDeepStrictEqual(await during.verify(before), claims);
    await assert.rejects(tokensOf({ JWT_ALGORITHM: 'HS256', JWT_SECRET: next }).verify(before), isInvalid);
  });

  it('refuses to start with EdDSA and no key', () => {
    assert.throws(() => tokensOf({}), /JWT_ALGORITHM EdDSA needs JWT_KEYS/);
  });

  it('G2: refuses HS256 signed with its public key, in every format of the key', async () => {
    const tokens = tokensOf({ JWT_KEYS: [newKey()] });
    const [published] = tokens.publicKeys;
    assert.ok(published);
    const { header, payload } = partsOf(await tokens.sign(claims));
    const key = await importJWK(published, 'EdDSA', { extractable: true });
    assert.ok(!(key instanceof Uint8Array));
    const pem = await exportSPKI(key);
    const der = Buffer.from(pem.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64');
    const raw = Buffer.from(published.x, 'base64url');
    const forms = [pem, pem.trimEnd(), der, raw, published.x, JSON.stringify(published)];
    for (const alg of ['HS256', 'EdDSA', 'Ed25519', 'none']) {
      for (const secret of forms) {
        const content = [{ ...header, alg }, payload]
          .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
          .join('.');
        const forged = `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
        await assert.rejects(tokens.verify(forged), isInvalid, `${alg} with ${secret}`);
      }
    }
  });

  it('G1, G2: refuses the other algorithm, even though its key is configured', async () => {
    const keys = { JWT_SECRET: newKey(), JWT_KEYS: [newKey()] };
    const [edwards, shared] = [tokensOf(keys), tokensOf({ ...keys, JWT_ALGORITHM: 'HS256' })];
    await assert.rejects(edwards.verify(await shared.sign(claims)), isInvalid);
    await assert.rejects(shared.verify(await edwards.sign(claims)), isInvalid);
  });

  it('G3: refuses a token of the right key with another kid, and one without a kid', async () => {
    const key = newKey();
    const tokens = tokensOf({ JWT_ALGORITHM: 'HS256', JWT_SECRET: key });
    const { payload } = partsOf(await tokens.sign(claims));
    for (const kid of [undefined, '', '__proto__', 'constructor', '../../dev/null', 'x'.repeat(10_000)]) {
      const forged = new SignJWT(payload).setProtectedHeader({
        alg: 'HS256',
        typ: 'at+jwt',
        ...(kid !== undefined && { kid }),
      });
      await assert.rejects(
        tokens.verify(await forged.sign(new TextEncoder().encode(key.reveal()))),
        isInvalid,
        `kid ${kid?.slice(0, 20)}`,
      );
    }
  });

  it('G6: tolerates 10 s of clock skew, and no more', async (t) => {
    const key = newKey();
    const now = Math.floor(Date.now() / 1000);
    t.mock.timers.enable({ apis: ['Date'], now: now * 1000 });
    const tokens = tokensOf({ JWT_ALGORITHM: 'HS256', JWT_SECRET: key });
    const { header, payload } = partsOf(await tokens.sign(claims));
    const signed = (time: JWTPayload) =>
      new SignJWT({ ...payload, ...time })
        .setProtectedHeader({ ...header, alg: 'HS256' })
        .sign(new TextEncoder().encode(key.reveal()));
    for (const near of [{ exp: now - 9 }, { iat: now + 10 }, { nbf: now + 10 }]) {
      assert.partialDeepStrictEqual(await tokens.verify(await signed(near)), claims, JSON.stringify(near));
    }
    for (const far of [{ exp: now - 11 }, { iat: now + 11 }, { nbf: now + 11 }, { iat: now - 3611 }]) {
      await assert.rejects(tokens.verify(await signed(far)), isInvalid, JSON.stringify(far));
    }
  });

  it('refuses another issuer and another audience with the same key', async () => {
    const JWT_KEYS = [newKey()];
    const tokens = tokensOf({ JWT_KEYS });
    await assert.rejects(
      tokens.verify(await tokensOf({ JWT_KEYS, JWT_ISSUER: 'https://evil.example' }).sign(claims)),
      isInvalid,
    );
    await assert.rejects(tokens.verify(await tokensOf({ JWT_KEYS, JWT_AUDIENCE: 'other' }).sign(claims)), isInvalid);
  });

  it('G4: uses no key that a token contains or points to, and fetches none', async () => {
    let calls = 0;
    const canary = createServer((_req, res) => {
      calls++;
      res.end('{}');
    });
    await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
    try {
      const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
      const jwk = { ...(await exportJWK(publicKey)), alg: 'EdDSA', kid: 'evil' };
      const address = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/keys`;
      const tokens = tokensOf({ JWT_KEYS: [newKey()] });
      const { header, payload } = partsOf(await tokens.sign(claims));
      for (const brought of [
        { jku: address },
        { x5u: address },
        { x5c: [Buffer.from('evil').toString('base64')] },
        { jwk },
      ]) {
        for (const kid of [header.kid, 'evil', address, undefined]) {
          const named = { alg: 'EdDSA', typ: 'at+jwt', ...brought, ...(kid !== undefined && { kid: String(kid) }) };
          const forged = await new SignJWT(payload).setProtectedHeader(named as JWTHeaderParameters).sign(privateKey);
          await assert.rejects(tokens.verify(forged), isInvalid, JSON.stringify(named));
        }
      }
      assert.equal(calls, 0);
    } finally {
      await new Promise((resolve) => canary.close(resolve));
    }
  });
});
