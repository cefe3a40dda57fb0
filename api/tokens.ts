/** Access tokens: JWT (RFC 7519) by jose, HS256. Only that algorithm, our issuer and our audience are accepted. */
import { errors, jwtVerify, SignJWT } from 'jose';
import { Failure } from '../domain/failures.ts';
import type { Config } from '../platform/config.ts';
import { newId } from '../platform/crypto.ts';

/** What an access token says. */
export interface AccessClaims {
  userId: string;
  sessionId: string;
  roles: string[];
}

export type Tokens = ReturnType<typeof createTokens>;

const algorithm = 'HS256';
/** RFC 9068: what tells an access token from other JWTs. */
const type = 'at+jwt';

/** Creates the issuer and checker of access tokens. */
export function createTokens(
  config: Pick<Config<'api'>, 'JWT_SECRET' | 'JWT_ISSUER' | 'JWT_AUDIENCE' | 'JWT_EXPIRATION'>,
) {
  const key = new TextEncoder().encode(config.JWT_SECRET.reveal());
  return {
    /** Signs a token for a session; it lives `JWT_EXPIRATION` seconds. */
    sign({ userId, sessionId, roles }: AccessClaims): Promise<string> {
      return new SignJWT({ sid: sessionId, roles })
        .setProtectedHeader({ alg: algorithm, typ: type })
        .setIssuer(config.JWT_ISSUER)
        .setAudience(config.JWT_AUDIENCE)
        .setSubject(userId)
        .setJti(newId())
        .setIssuedAt()
        .setExpirationTime(`${config.JWT_EXPIRATION}s`)
        .sign(key);
    },

    /** @throws {Failure} token-invalid */
    async verify(token: string): Promise<AccessClaims> {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [algorithm],
          typ: type,
          issuer: config.JWT_ISSUER,
          audience: config.JWT_AUDIENCE,
          requiredClaims: ['exp', 'iat', 'sub', 'sid', 'jti'],
          // makes jose judge `iat` too, which it else only requires
          maxTokenAge: config.JWT_EXPIRATION,
        });
        // JSON.parse makes Infinity of 1e400
        if (!Number.isSafeInteger(payload.exp)) throw new Failure('token-invalid');
        return { userId: String(payload.sub), sessionId: String(payload.sid), roles: payload.roles as string[] };
      } catch (err) {
        if (err instanceof errors.JOSEError || err instanceof TypeError) throw new Failure('token-invalid');
        throw err;
      }
    },
  };
}
