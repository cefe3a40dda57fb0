/** Authentication of gRPC callers: by a configured bearer token, an OpenID Connect token or a client certificate. */
import { timingSafeEqual } from 'node:crypto';
import { type Metadata, ServerCredentials } from '@grpc/grpc-js';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { Config } from '../../platform/config/config.ts';
import { isCanonicalJwt, tokenHash } from '../../platform/crypto.ts';
import { bearerOf } from '../authenticate.ts';

type GrpcConfig = Pick<Config<'api'>, Extract<keyof Config<'api'>, `GRPC_${string}`>>;

/** Returns whether the metadata of a call authenticate its caller. */
export type Admit = (metadata: Metadata) => Promise<boolean>;

/**
 * Checks bearer tokens in constant time, and OpenID Connect tokens by signature, issuer, audience, subject and time
 * (OpenID Connect Core section 3.1.3.7). Without either, every caller that can connect is admitted.
 *
 * @throws {Error} the configuration is incomplete, would admit unauthenticated callers beyond loopback, or would take bearer
 *   tokens without TLS there (RFC 6750 section 5.3) and does not say so by name
 */
export function createAdmission(config: GrpcConfig): Admit {
  const { GRPC_BEARER_TOKENS: tokens, GRPC_OIDC_ISSUER: issuer, GRPC_OIDC_JWKS_URL: jwksUrl } = config;
  const { GRPC_OIDC_AUDIENCE: audience, GRPC_OIDC_SUBJECTS: subjects } = config;
  const isByOidc = issuer !== undefined;
  if (isByOidc && (jwksUrl === undefined || audience === undefined || subjects.length === 0)) {
    throw wrong('GRPC_OIDC_ISSUER needs GRPC_OIDC_JWKS_URL, GRPC_OIDC_AUDIENCE and GRPC_OIDC_SUBJECTS');
  }
  const isGuarded = tokens.length > 0 || isByOidc || config.GRPC_TLS_CLIENT_CA !== undefined;
  const isReachable = !['127.0.0.1', '::1', 'localhost'].includes(config.GRPC_HOST);
  if (!isGuarded && isReachable) {
    throw wrong('GRPC_HOST beyond loopback needs GRPC_BEARER_TOKENS, GRPC_OIDC_ISSUER or GRPC_TLS_CLIENT_CA');
  }
  if (isReachable && config.GRPC_TLS_CERT === undefined && !config.GRPC_PLAINTEXT) {
    throw wrong(
      'GRPC_HOST beyond loopback needs GRPC_TLS_CERT, because callers send bearer tokens, or GRPC_PLAINTEXT=true',
    );
  }
  if (tokens.length === 0 && !isByOidc) return async () => true;
  const hashes = tokens.map((token) => Buffer.from(tokenHash(token.reveal())));
  const keys = jwksUrl && createRemoteJWKSet(new URL(jwksUrl));

  return async (metadata) => {
    const [given] = metadata.get('authorization');
    const token = bearerOf(typeof given === 'string' ? given : undefined);
    if (token === undefined) return false;
    const hash = Buffer.from(tokenHash(token));
    // every token is compared, so that the time does not reveal which one matched
    const known = hashes.filter((expected) => timingSafeEqual(expected, hash));
    if (known.length > 0) return true;
    if (!keys || !issuer || !audience || !isCanonicalJwt(token)) return false;
    const options = { issuer, audience, requiredClaims: ['exp', 'sub'], clockTolerance: 5 };
    const claims = await jwtVerify(token, keys, options).catch(() => undefined);
    return claims !== undefined && subjects.includes(claims.payload.sub ?? '');
  };
}

/**
 * Uses TLS if a certificate is configured, and requires client certificates if their authority is configured.
 *
 * @throws {Error} the configuration is incomplete
 */
export function createServerCredentials(config: GrpcConfig): ServerCredentials {
  const { GRPC_TLS_CERT: cert, GRPC_TLS_KEY: key, GRPC_TLS_CLIENT_CA: clientCa } = config;
  if ((cert === undefined) !== (key === undefined)) throw wrong('GRPC_TLS_CERT and GRPC_TLS_KEY need each other');
  if (cert === undefined || key === undefined) {
    if (clientCa !== undefined) throw wrong('GRPC_TLS_CLIENT_CA needs GRPC_TLS_CERT and GRPC_TLS_KEY');
    return ServerCredentials.createInsecure();
  }
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key.reveal()) };
  const authorities = clientCa === undefined ? null : Buffer.from(clientCa);
  return ServerCredentials.createSsl(authorities, [pair], authorities !== null);
}

function wrong(problem: string): Error {
  return new Error(`Bad configuration of api:\n  ${problem}`);
}
