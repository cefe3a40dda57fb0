/**
 * A server of somebody else that trusts the accounts of Vyry: `VYRY=https://chat.example.org node examples/express-app/app.mjs`.
 * It checks access tokens by the public keys at /.well-known/jwks.json, without asking Vyry for each request. Vyry must sign
 * with EdDSA (docs/sessions.md). A token that was revoked counts until it expires; who cannot accept that asks
 * GET /api/v1/auth/session.
 */
import process from 'node:process';
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { VYRY = 'http://127.0.0.1:8000', ISSUER = 'vyry', AUDIENCE = 'vyry', PORT = '3000' } = process.env;
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', VYRY));

/** Answers 401 unless the request has a valid access token. */
async function requireUser(req, res, next) {
  const token = /^Bearer (\S+)$/.exec(req.get('authorization') ?? '')?.[1] ?? '';
  try {
    const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: ['EdDSA'] };
    const { payload } = await jwtVerify(token, keys, options);
    req.user = { userId: payload.sub, roles: payload.roles };
    next();
  } catch {
    res.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'Sign in at Vyry first' });
  }
}

const app = express();
app.get('/hello', requireUser, (req, res) => res.json({ hello: req.user.userId, roles: req.user.roles }));
const server = app.listen(Number(PORT), () => console.log(`Listening on ${server.address().port}`));
