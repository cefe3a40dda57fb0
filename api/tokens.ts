/**
 * Access tokens: JWT (RFC 7519) by jose, HS256 or EdDSA as configured. Only that algorithm, our issuer, our audience and
 * configured keys are accepted; `kid` is looked up among them as it is and leads nowhere else.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { Failure } from '../domain/failures.ts';
import type { Config, Secret } from '../platform/config.ts';
import { keyIdOf, newId, tokenHash } from '../platform/crypto.ts';

/** What an access token says. */
export interface AccessClaims {
  userId: string;
  sessionId: string;
  roles: string[];
}

/** What a token says that was verified. */
export interface VerifiedClaims extends AccessClaims {
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
}

/** A public key as others get it (RFC 8037 section 2). */
export interface PublicKey {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  /** The thumbprint of the key (RFC 7638). */
  kid: string;
  alg: 'EdDSA';
  use: 'sig';
}

export type Tokens = ReturnType<typeof createTokens>;

type TokenConfig = Pick<
  Config<'api'>,
  'JWT_ALGORITHM' | 'JWT_SECRET' | 'JWT_SECRETS_OLD' | 'JWT_KEYS' | 'JWT_ISSUER' | 'JWT_AUDIENCE' | 'JWT_EXPIRATION'
>;

interface Key {
  kid: string;
  signing: KeyObject | Uint8Array;
  verifying: KeyObject | Uint8Array;
  published?: PublicKey;
}

/** RFC 9068: what tells an access token from other JWTs. */
const type = 'at+jwt';
/** How far the clocks of two of our machines may be apart. */
const skewSeconds = 10;
/** Some 5 MiB of tokens that were verified. */
const verifiedMax = 10_000;

/**
 * Creates the issuer and checker of access tokens. The first key signs, all of them verify.
 *
 * @throws {Error} EdDSA without a key
 */
export function createTokens(config: TokenConfig) {
  const { JWT_ALGORITHM: alg, JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_EXPIRATION: lifeSeconds } = config;
  const keys = keysOf(config);
  const [current] = keys;
  if (current === undefined) throw new Error('Bad configuration of api:\n  JWT_ALGORITHM EdDSA needs JWT_KEYS');
  const known = new Map<unknown, Key>(keys.map((key) => [key.kid, key]));

  const verified = rememberVerified();

  function keyOf({ kid }: JWTHeaderParameters): Key['verifying'] {
    const key = known.get(kid);
    if (key === undefined) throw new Failure('token-invalid');
    return key.verifying;
  }

  async function judge(token: string): Promise<{ claims: VerifiedClaims; until: number }> {
    try {
      const { payload } = await jwtVerify(token, keyOf, {
        algorithms: [alg],
        typ: type,
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub', 'sid', 'jti'],
        // makes jose judge `iat` too, which it else only requires
        maxTokenAge: lifeSeconds,
        clockTolerance: skewSeconds,
      });
      const { exp = 0, iat = 0, sub, sid, roles } = payload;
      // JSON.parse makes Infinity of 1e400
      if (!Number.isSafeInteger(exp)) throw new Failure('token-invalid');
      const until = (Math.min(exp, iat + lifeSeconds) + skewSeconds) * 1000;
      const claims = { userId: String(sub), sessionId: String(sid), roles: roles as string[], expiresAt: exp * 1000 };
      return { claims, until };
    } catch (err) {
      if (err instanceof errors.JOSEError || err instanceof TypeError) throw new Failure('token-invalid');
      throw err;
    }
  }

  return {
    /** What others verify tokens with: empty under HS256, whose key is a secret. */
    publicKeys: keys.flatMap(({ published }) => (published ? [published] : [])),

    /** Signs a token for a session; it lives `JWT_EXPIRATION` seconds. */
    sign({ userId, sessionId, roles }: AccessClaims): Promise<string> {
      return new SignJWT({ sid: sessionId, roles })
        .setProtectedHeader({ alg, typ: type, kid: current.kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(userId)
        .setJti(newId())
        .setIssuedAt()
        .setExpirationTime(`${lifeSeconds}s`)
        .sign(current.signing);
    },

    /**
     * What a token says; its signature is checked once, whether its session lives is for the caller to ask each time.
     *
     * @throws {Failure} token-invalid
     */
    async verify(token: string): Promise<VerifiedClaims> {
      const hash = tokenHash(token);
      const before = verified.find(hash, Date.now());
      if (before !== undefined) return before;
      const { claims, until } = await judge(token);
      verified.keep(hash, claims, until);
      return claims;
    },
  };
}

/** The tokens verified last, by their hash: none of them is in memory for it. */
function rememberVerified() {
  const kept = new Map<string, { claims: VerifiedClaims; until: number }>();
  return {
    /** What a token said, until an instant in milliseconds that was given with it. */
    find(hash: string, now: number): VerifiedClaims | undefined {
      const found = kept.get(hash);
      return found !== undefined && now < found.until ? found.claims : undefined;
    },
    keep(hash: string, claims: VerifiedClaims, until: number): void {
      const [oldest] = kept.keys();
      if (kept.size >= verifiedMax && oldest !== undefined) kept.delete(oldest);
      kept.set(hash, { claims, until });
    },
  };
}

function keysOf(config: TokenConfig): Key[] {
  if (config.JWT_ALGORITHM === 'EdDSA') return config.JWT_KEYS.map(edwardsKey);
  return [config.JWT_SECRET, ...config.JWT_SECRETS_OLD].map((secret) => {
    const bytes = new TextEncoder().encode(secret.reveal());
    return { kid: keyIdOf(secret), signing: bytes, verifying: bytes };
  });
}

/** What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 section 7). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

function edwardsKey(secret: Secret): Key {
  const der = Buffer.concat([pkcs8Head, Buffer.from(secret.reveal(), 'base64')]);
  const signing = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const verifying = createPublicKey(signing);
  const { x = '' } = verifying.export({ format: 'jwk' });
  const kid = tokenHash(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }));
  return { kid, signing, verifying, published: { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' } };
}
