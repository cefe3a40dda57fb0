/**
 * Access tokens: JWT (RFC 7519) by jose, HS256 or EdDSA as configured. Only that algorithm, the configured issuer,
 * audience and keys are accepted; `kid` selects one of these keys and is used for nothing else.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { Failure } from '../domain/failures.ts';
import type { Config } from '../platform/config/config.ts';
import type { Secret } from '../platform/config/secret.ts';
import { isCanonicalJwt, keyIdOf, newId, tokenHash } from '../platform/crypto.ts';

/** The claims of an access token. */
export interface AccessClaims {
  userId: string;
  sessionId: string;
  /** The device of the session; absent if it has none. */
  deviceId?: string;
  roles: string[];
}

/** The claims of a verified token. */
export interface VerifiedClaims extends AccessClaims {
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
}

/** A published key (RFC 8037 section 2). */
interface PublicKey {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  /** The thumbprint of the key (RFC 7638). */
  kid: string;
  alg: 'EdDSA';
  use: 'sig';
}

/** The issuer and verifier of access tokens. */
export type Tokens = ReturnType<typeof createTokens>;

type TokenConfig = Pick<
  Config<'api'>,
  'JWT_ALGORITHM' | 'JWT_SECRET' | 'JWT_SECRETS_OLD' | 'JWT_KEYS' | 'JWT_ISSUER' | 'JWT_AUDIENCE' | 'JWT_EXPIRATION'
>;

interface Key {
  kid: string;
  signing: SigningKey | Promise<SigningKey>;
  verifying: SigningKey | Promise<SigningKey>;
  published?: PublicKey;
}

type SigningKey = KeyObject | CryptoKey;

/** The type that distinguishes access tokens from other JWTs (RFC 9068). */
const type = 'at+jwt';
/** Tolerated clock skew between two machines. */
const skewSeconds = 10;
/** The cache of verified tokens: at most about 5 MiB, and by the wall clock, as `exp` is. */
const cacheOptions = { max: 10_000, ttlResolution: 0, perf: { now: () => Date.now() } };

/**
 * Creates the issuer and verifier of access tokens. The first key signs, all of them verify.
 *
 * @throws {Error} EdDSA without a key
 */
export function createTokens(config: TokenConfig) {
  const { JWT_ALGORITHM: alg, JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_EXPIRATION: lifeSeconds } = config;
  const keys = keysOf(config);
  const [current] = keys;
  if (current === undefined) throw new Error('Bad configuration of api:\n  JWT_ALGORITHM EdDSA needs JWT_KEYS');
  const known = new Map<unknown, Key>(keys.map((key) => [key.kid, key]));

  // by hash, so that no token stays in memory
  const verified = new LRUCache<string, VerifiedClaims>(cacheOptions);

  function keyOf({ kid }: JWTHeaderParameters): Key['verifying'] {
    const key = known.get(kid);
    if (key === undefined) throw new Failure('token-invalid');
    return key.verifying;
  }

  async function verifySignature(token: string): Promise<{ claims: VerifiedClaims; until: number }> {
    try {
      const { payload } = await jwtVerify(canonical(token), keyOf, {
        algorithms: [alg],
        typ: type,
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub', 'sid', 'jti'],
        // makes jose check `iat` as well, which it otherwise only requires
        maxTokenAge: lifeSeconds,
        clockTolerance: skewSeconds,
      });
      const { exp = 0, iat = 0 } = payload;
      // JSON.parse returns Infinity for 1e400
      if (!Number.isSafeInteger(exp)) throw new Failure('token-invalid');
      const until = (Math.min(exp, iat + lifeSeconds) + skewSeconds) * 1000;
      return { claims: claimsOf(payload), until };
    } catch (err) {
      if (err instanceof errors.JOSEError || err instanceof TypeError) throw new Failure('token-invalid');
      throw err;
    }
  }

  return {
    /** The keys with which other servers verify tokens; empty under HS256, whose key is a secret. */
    publicKeys: keys.flatMap(({ published }) => (published ? [published] : [])),

    /** Signs a token for a session. It expires after `JWT_EXPIRATION` seconds. */
    async sign({ userId, sessionId, deviceId, roles }: AccessClaims): Promise<string> {
      return new SignJWT({ sid: sessionId, ...(deviceId !== undefined && { did: deviceId }), roles })
        .setProtectedHeader({ alg, typ: type, kid: current.kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(userId)
        .setJti(newId())
        .setIssuedAt()
        .setExpirationTime(`${lifeSeconds}s`)
        .sign(await current.signing);
    },

    /**
     * Returns the claims of a token, whose signature is verified once. The caller checks each time whether its session
     * is active.
     *
     * @throws {Failure} token-invalid
     */
    async verify(token: string): Promise<VerifiedClaims> {
      const hash = tokenHash(token);
      const cached = verified.get(hash);
      if (cached !== undefined) return cached;
      const { claims, until } = await verifySignature(token);
      const ttl = until - Date.now();
      // 0 would mean no expiry
      if (ttl > 0) verified.set(hash, claims, { ttl });
      return claims;
    },
  };
}

function claimsOf({ exp = 0, sub, sid, did, roles }: JWTPayload): VerifiedClaims {
  return {
    userId: String(sub),
    sessionId: String(sid),
    ...(did !== undefined && { deviceId: String(did) }),
    roles: roles as string[],
    expiresAt: exp * 1000,
  };
}

/** @throws {Failure} token-invalid */
function canonical(token: string): string {
  if (!isCanonicalJwt(token)) throw new Failure('token-invalid');
  return token;
}

/** HS256 (RFC 7518 section 3.2). */
const hmac = { name: 'HMAC', hash: 'SHA-256' };
const hmacUses: KeyUsage[] = ['sign', 'verify'];

function keysOf(config: TokenConfig): Key[] {
  if (config.JWT_ALGORITHM === 'EdDSA') return config.JWT_KEYS.map(edwardsKey);
  return [config.JWT_SECRET, ...config.JWT_SECRETS_OLD].map((secret) => {
    // imported once: jose imports bytes at every use
    const key = crypto.subtle.importKey('raw', new TextEncoder().encode(secret.reveal()), hmac, false, hmacUses);
    return { kid: keyIdOf(secret), signing: key, verifying: key };
  });
}

/** The prefix of the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 section 7). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

function edwardsKey(secret: Secret): Key {
  const der = Buffer.concat([pkcs8Head, Buffer.from(secret.reveal(), 'base64')]);
  const signing = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const verifying = createPublicKey(signing);
  const { x = '' } = verifying.export({ format: 'jwk' });
  const kid = tokenHash(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }));
  return { kid, signing, verifying, published: { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' } };
}
