import { z } from 'zod';
import { bearer, flag, integer, list, optional, optionalSecret, optionalUrl, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the gRPC server and its callers. */
export const grpcVariables = {
  GRPC_HOST: {
    about: 'address of the gRPC server; any address but loopback needs one of the methods of authentication below',
    roles: ['api'],
    schema: text,
    default: '127.0.0.1',
  },
  GRPC_PORT: { about: 'port of the gRPC server', roles: ['api'], schema: integer(0, 65_535), default: '50051' },
  GRPC_BEARER_TOKENS: {
    about: 'bearer tokens that the gRPC server accepts, separated by commas, each at least 32 characters',
    roles: ['api'],
    schema: list.pipe(z.array(bearer)),
    default: '',
  },
  GRPC_OIDC_ISSUER: {
    about: '`iss` of the OpenID Connect tokens that the gRPC server accepts; none are accepted when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
  GRPC_OIDC_JWKS_URL: {
    about: 'JWKS URL of GRPC_OIDC_ISSUER',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  GRPC_OIDC_AUDIENCE: { about: '`aud` of these OpenID Connect tokens', roles: ['api'], schema: optional, default: '' },
  GRPC_OIDC_SUBJECTS: {
    about: '`sub` of the allowed callers, separated by commas, because issuers give tokens to others too',
    roles: ['api'],
    schema: list,
    default: '',
  },
  GRPC_TLS_CERT: {
    about: 'certificate chain of the gRPC server, as PEM; no TLS when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
  GRPC_PLAINTEXT: {
    about:
      '`true`: the gRPC server listens beyond loopback without TLS, so bearer tokens and codes are readable on the way; only where something else protects the network',
    roles: ['api'],
    schema: flag,
    default: 'false',
  },
  GRPC_TLS_KEY: { about: 'private key of GRPC_TLS_CERT, as PEM', roles: ['api'], schema: optionalSecret, default: '' },
  GRPC_TLS_CLIENT_CA: {
    about: 'CA certificate for client certificates (mutual TLS), as PEM; no client certificate is required when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
} satisfies Record<string, Variable>;
