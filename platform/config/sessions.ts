import { z } from 'zod';
import { bearer, flag, integer, key, list, secret, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of access tokens, refresh tokens and sessions. */
export const sessionVariables = {
  JWT_ALGORITHM: {
    about:
      'signature algorithm of access tokens: HS256 with JWT_SECRET, or EdDSA with JWT_KEYS, whose public keys are published',
    roles: ['api', 'gateway'],
    schema: z.enum(['HS256', 'EdDSA'], 'must be HS256 or EdDSA'),
    default: 'HS256',
  },
  JWT_SECRET: {
    about: 'signs access tokens with HS256: at least 32 characters',
    roles: ['api', 'gateway'],
    schema: secret(32),
    example: 'example-only-jwt-secret-of-32-characters',
  },
  JWT_SECRETS_OLD: {
    about: 'earlier values of JWT_SECRET that still verify, separated by commas; remove one after JWT_EXPIRATION',
    roles: ['api', 'gateway'],
    schema: list.pipe(z.array(bearer)),
    default: '',
  },
  JWT_KEYS: {
    about:
      'EdDSA keys (`vyry keys new`), separated by commas, each 32 bytes in base64: the first signs, all of them verify',
    roles: ['api', 'gateway'],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  JWT_ISSUER: { about: '`iss` of access tokens', roles: ['api', 'gateway'], schema: text, default: 'vyry' },
  JWT_AUDIENCE: { about: '`aud` of access tokens', roles: ['api', 'gateway'], schema: text, default: 'vyry' },
  JWT_EXPIRATION: {
    about: 'lifetime of an access token, in seconds',
    roles: ['api', 'gateway'],
    schema: integer(60, 86_400),
    default: '3600',
  },
  REFRESH_TOKEN_EXPIRATION: {
    about: 'lifetime of a refresh token, in seconds',
    roles: ['api'],
    schema: integer(300, 31_536_000),
    default: '604800',
  },
  SESSION_LIMIT: {
    about: '`device`: one session per device; `user`: one session per user, a new session ends the previous one',
    roles: ['api'],
    schema: z.enum(['device', 'user'], 'must be device or user'),
    default: 'device',
  },
  SESSION_TTL: {
    about:
      'idle timeout of a session, in seconds; when empty REFRESH_TOKEN_EXPIRATION, or 86400 where SESSION_LIMIT is user',
    roles: ['api'],
    schema: z.union([z.literal('').transform(() => undefined), integer(60, 31_536_000)]),
    default: '',
  },
  SESSION_LIFE: {
    about: 'absolute lifetime of a session, in seconds',
    roles: ['api'],
    schema: integer(300, 315_360_000),
    default: '7776000',
  },
  LOGIN_SECOND_STEP: {
    about: '`true`: a log-in by password also requires a code, and a code alone does not log in',
    roles: ['api'],
    schema: flag,
    default: 'false',
  },
  LOGIN_CODE_ASKS: {
    about:
      'when an account that has a PIN or password asks for it after a code alone: `number` after a code by SMS or voice call, `always`, or `never`',
    roles: ['api'],
    schema: z.enum(['number', 'always', 'never'], 'must be number, always or never'),
    default: 'number',
  },
} satisfies Record<string, Variable>;
