import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { type Answer, call } from '../support/client.ts';
import { registeredPerson, signedIn } from '../support/people.ts';
import { completedRegistration, goodPassword, must } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const consumed = ['/api/v1/auth/session', '/api/v1/users/me'];

const { system, behind, url, api } = await withSystem();
const registration = await completedRegistration(system, 50);
const tokens = (await must(registration.call('POST', '/session', undefined, { 'User-Agent': 'x\u0022}{"a":1' }), 201))
  .body;
const [header = {}, claims = {}] = tokens.accessToken.split('.').slice(0, 2).map(fromBase64) as Record<
  string,
  unknown
>[];

function fromBase64(text: string): unknown {
  return JSON.parse(Buffer.from(text, 'base64url').toString());
}

function base64(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A token built by hand: header and claims may be any text. */
function signed(
  head: unknown,
  body: unknown,
  key: string | Buffer = system.secrets.JWT_SECRET,
  hash = 'sha256',
): string {
  const content = `${base64(head)}.${base64(body)}`;
  return `${content}.${createHmac(hash, key).update(content).digest('base64url')}`;
}

async function assertInvalid(token: string, what: string): Promise<void> {
  for (const path of consumed) {
    const answer: Answer = await call(url, 'GET', path, { token });
    assert.equal(answer.status, 401, `${what}: ${JSON.stringify(answer.body)}`);
    assert.equal(answer.body.error_code, 'INVALID_TOKEN', what);
    assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/, what);
  }
}

describe('the access token of a session', () => {
  it('opens protected routes, and contains no secret and no personal data', async () => {
    const session = await must(api.readSession({ token: tokens.accessToken }));
    assert.equal(session.body.userAgent, 'x"}{"a":1');
    assert.equal(session.body.sessionId, claims.sid);
    assert.equal(session.body.userId, claims.sub);
    assert.equal(Date.parse(session.body.expiresAt) - Date.parse(session.body.lastActivityAt), 7 * 86_400_000);
    await must(api.readMe({ token: tokens.accessToken }));
    const { kid, ...kind } = header;
    assert.deepEqual(kind, { alg: 'HS256', typ: 'at+jwt' });
    assert.match(String(kid), /^[0-9a-f]{8}$/);
    assert.deepEqual(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'roles', 'sid', 'sub']);
    assert.equal(Number(claims.exp) - Number(claims.iat), 3600);
    assert.equal(signed(header, claims), tokens.accessToken, 'this file signs tokens like the api');
  });

  it('is refused when its session has ended or belongs to another user', async () => {
    const { accessToken } = await signedIn(system, 51);
    await must(api.readMe({ token: accessToken }));
    const theirs = fromBase64(accessToken.split('.')[1] ?? '') as Record<string, unknown>;
    await assertInvalid(signed(header, { ...claims, sid: theirs.sid }), 'the session of another user');
    await assertInvalid(signed(header, { ...claims, sub: theirs.sub }), 'another user');
    await behind.redis.del(`session:${theirs.sid}`);
    await assertInvalid(accessToken, 'an ended session');
  });
});

describe('GET /auth/session and /users/me', () => {
  it('return 401 UNAUTHORIZED without a bearer token', async () => {
    for (const path of consumed) {
      for (const authorization of [undefined, '', 'Basic eDp5', 'Bearer', `Token ${tokens.accessToken}`]) {
        const { status, body } = await call(url, 'GET', path, { headers: authorization ? { authorization } : {} });
        assert.equal(status, 401);
        assert.equal(body.error_code, 'UNAUTHORIZED');
      }
    }
    const inQuery = await call(url, 'GET', `/api/v1/users/me?access_token=${tokens.accessToken}`);
    assert.equal(inQuery.status, 401);
  });

  it('refuse a token without a signature, whatever its alg says', async () => {
    const [head = '', body = ''] = tokens.accessToken.split('.');
    await assertInvalid(`${head}.${body}.`, 'signature empty');
    await assertInvalid(`${head}.${body}`, 'signature removed');
    for (const alg of ['none', 'None', 'nOnE', 'NONE', '', 'HS256 ', null, 256]) {
      await assertInvalid(`${base64({ ...header, alg })}.${body}.`, `alg ${alg} without signature`);
      await assertInvalid(signed({ ...header, alg }, claims), `alg ${alg}, signed`);
    }
    await assertInvalid(signed({ ...header, alg: undefined }, claims), 'no alg');
    await assertInvalid(new UnsecuredJWT(claims).encode(), 'an unsecured JWT');
  });

  it('refuse any algorithm but the configured one, and foreign keys', async () => {
    await assertInvalid(signed({ ...header, alg: 'HS512' }, claims, undefined, 'sha512'), 'HS512 with our secret');
    for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      const foreign = new SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(privateKey);
      await assertInvalid(await foreign, alg);
      const pem = await exportSPKI(publicKey);
      for (const key of [pem, pem.trimEnd(), JSON.stringify(await exportJWK(publicKey))]) {
        await assertInvalid(signed(header, claims, key), `HS256 with a public ${alg} key`);
      }
    }
    for (const key of ['', '\0', 'secret', system.secrets.PAYLOAD_KEY, system.secrets.JWT_SECRET.slice(0, -1)]) {
      await assertInvalid(signed(header, claims, key), 'HS256 with another secret');
    }
  });

  it('refuse foreign key ids, and use no key that a token contains or points to', async () => {
    let calls = 0;
    const canary = createServer((_req, res) => {
      calls++;
      res.end('{"keys":[]}');
    }).listen(0, '127.0.0.1');
    await once(canary, 'listening');
    const address = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/keys`;
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const ids = [
      '../../dev/null',
      '/dev/null',
      "' OR 1=1--",
      { $gt: '' },
      '__proto__',
      address,
      'x'.repeat(8000),
      1,
      ['a'],
      undefined,
    ];
    for (const kid of ids) {
      await assertInvalid(signed({ ...header, kid }, claims), `kid ${String(kid).slice(0, 30)} with our secret`);
      await assertInvalid(signed({ ...header, kid }, claims, ''), `kid ${String(kid).slice(0, 30)}`);
      await assertInvalid(signed({ ...header, kid }, claims, '\0'), `kid ${String(kid).slice(0, 30)}`);
    }
    for (const more of [{ jku: address }, { x5u: address }, { x5c: [base64('x')] }, { jwk }, { jku: address, jwk }]) {
      const foreign = new SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256', ...more });
      await assertInvalid(await foreign.sign(privateKey), JSON.stringify(more));
      await assertInvalid(signed({ ...header, ...more }, claims, 'attacker'), JSON.stringify(more));
    }
    await assertInvalid(signed({ ...header, crit: ['x'], x: 1 }, claims), 'an unknown crit');
    canary.close();
    assert.equal(calls, 0, 'no key was fetched');
  });

  it('refuse a token outside its validity period, even when it is signed with our secret', async () => {
    const now = Math.floor(Date.now() / 1000);
    const times: Record<string, unknown>[] = [
      { exp: now - 61 },
      { exp: undefined },
      { exp: null },
      { exp: String(now + 3600) },
      { exp: [now + 3600] },
      { nbf: now + 1800 },
      { nbf: 'now' },
      { iat: now + 1800 },
      { iat: undefined },
      { iat: 'now' },
    ];
    for (const time of times) await assertInvalid(signed(header, { ...claims, ...time }), JSON.stringify(time));
    const endless = JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e400');
    await assertInvalid(signed(header, endless), 'exp 1e400');
  });

  it('refuse a token of another issuer, audience or type, and one that lacks a claim', async () => {
    const claimed: Record<string, unknown>[] = [
      { iss: 'evil' },
      { iss: undefined },
      { aud: 'other' },
      { aud: undefined },
      { sub: undefined },
      { sid: undefined },
      { sid: { $gt: '' } },
      { sid: '*' },
      { jti: undefined },
    ];
    for (const claim of claimed) await assertInvalid(signed(header, { ...claims, ...claim }), JSON.stringify(claim));
    for (const typ of ['JWT', undefined, 'refresh+jwt', 1]) {
      await assertInvalid(signed({ ...header, typ }, claims), `typ ${typ}`);
    }
    for (const body of ['', 'null', '[]', '"x"', '{', '42']) await assertInvalid(signed(header, body), body);
  });

  it('refuse every other kind of token, and garbage', async () => {
    await assertInvalid(tokens.refreshToken, 'the refresh token');
    await assertInvalid(registration.token, 'the registration token');
    const [head, body, signature] = tokens.accessToken.split('.');
    const rubbish = ['x', '..', '...', 'a.b.c', `${head}.${body}.${signature}.x.y`, 'x'.repeat(8000)];
    for (const token of rubbish) await assertInvalid(token, token.slice(0, 20));
    const changed = base64({ ...claims, roles: ['admin'] });
    await assertInvalid(`${head}.${changed}.${signature}`, 'changed claims');
  });
});

describe('the address of a session', () => {
  it('is that of the connection, whatever headers the client sends, when no proxy is trusted', async () => {
    await registeredPerson(system, 52);
    const forged = {
      'X-Forwarded-For': '203.0.113.9',
      Forwarded: 'for=203.0.113.9',
      'X-Real-IP': '203.0.113.9',
      'CF-Connecting-IP': '203.0.113.9',
    };
    const login = { identifier: 'person052', password: goodPassword };
    const { body } = await must(api.beginLogInAlias({ body: login, headers: forged }));
    const seen = await must(api.readSession({ token: body.accessToken }));
    assert.equal(seen.body.ip, '127.0.0.1');
  });
});

describe('a refresh', () => {
  it('reads no account from MongoDB, and still sees each change of it at once', async () => {
    const { userId, refreshToken: first } = await signedIn(system, 68);
    let refreshToken = first;
    const refreshed = async () => {
      const answer = await must(api.refreshTokens({ body: { refreshToken } }));
      refreshToken = answer.body.refreshToken;
      return answer.body;
    };
    const { user, accessToken } = await refreshed();
    // past the store, so nobody is told: only a read of MongoDB would see it
    const users = behind.database.collection('users');
    await users.updateOne({ _id: userId as never }, { $set: { fullName: 'Past The Store' } });
    assert.equal((await refreshed()).user.fullName, user.fullName);
    await must(api.changeProfile({ token: accessToken, body: { locale: 'fr' } }));
    assert.deepEqual((({ fullName, locale }) => ({ fullName, locale }))((await refreshed()).user), {
      fullName: 'Past The Store',
      locale: 'fr',
    });
  });
});
