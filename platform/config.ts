/**
 * The configuration: one table of environment variables. No other module reads the environment.
 *
 * Each variable names the roles that may read it. `workers/run.ts` passes a process only the variables of its role, so
 * a process can neither use nor leak the others.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import type { LimitVariable, Window } from '../domain/limits.ts';
import { readCountryWeights, readWeights } from '../domain/providers.ts';
import { readPolicy } from '../domain/registration.ts';
import { isFictitious, lastDigitsProvider, readTestNumbers } from '../domain/test-numbers.ts';

/** The version of Vyry, from package.json. */
export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The processes of Vyry that read a configuration. */
export const roles = ['api', 'registration', 'directory', 'delivery', 'audit'] as const;
/** The role of a process. */
export type Role = (typeof roles)[number];

/** The roles that host workflows or activities. Each polls the task queue of its name. */
export const temporalRoles = ['registration', 'directory', 'delivery'] as const satisfies Role[];
/** A role that hosts workflows or activities. */
export type TemporalRole = (typeof temporalRoles)[number];

/** A secret of the configuration. It prints as `[secret]` when it is logged, inspected or serialised. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** Returns the value in plain text. Call it only where the secret is used. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

interface Variable {
  /** The meaning, unit and bounds of the variable: a line of `.env.example`. */
  about: string;
  roles: readonly Role[];
  schema: z.ZodType;
  /** Used when the variable is unset or empty. A variable without a default is required. */
  default?: string;
  /** Returns the problem with a value that is valid in development but not in production. */
  inProduction?: (given: string) => string | undefined;
  /** A working value for development, shown in `.env.example` in place of the default. */
  example?: string;
}

const all = roles;
const temporal = ['api', ...temporalRoles] as const;
const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));
const text = z.string().min(1);
const optional = z.string().transform((value) => (value === '' ? undefined : value));
const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');
const list = z.string().transform((value) => value.split(/[\s,]+/).filter((item) => item !== ''));
/** The format of the standard variable: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ */
const headerPairs = z
  .string()
  .refine(
    (value) =>
      value === '' || value.split(',').every((pair) => /^\s*[\w.-]+=([^%\s,]|%[0-9a-fA-F]{2})+\s*$/.test(pair)),
    'must be name=value pairs, separated by commas, values percent-encoded',
  )
  .transform((value) => (value === '' ? undefined : new Secret(value)));
const share = z
  .string()
  .regex(/^(0|1|[01]?\.\d+)$/, 'must be a number from 0 to 1')
  .transform(Number)
  .pipe(z.number().max(1, 'must be at most 1'));
/** `5/3600,10/86400` means at most 5 in an hour and at most 10 in a day. */
const windows = z
  .string()
  .regex(/^\d{1,7}\/\d{1,7}(,\d{1,7}\/\d{1,7}){0,3}$/, 'must be one to four of number/seconds, separated by commas')
  .transform((value): Window[] =>
    value.split(',').map((item) => {
      const [max = 0, windowSeconds = 0] = item.split('/').map(Number);
      return { max, windowSeconds };
    }),
  )
  .refine(
    (read) => read.every(({ max, windowSeconds }) => max > 0 && windowSeconds > 0 && windowSeconds <= 604_800),
    'must have numbers above 0 and at most 604800 seconds',
  );
const limit = (about: string, fallback: string) => ({
  about: `${about}: number/seconds, separated by commas; all windows apply`,
  roles: ['api'] as const,
  schema: windows,
  default: fallback,
});
const countries = list.pipe(z.array(z.string().regex(/^[A-Z]{2}$/, 'must be countries such as GB,IE')));
/** An amount in thousandths of the currency, so that sums are exact. */
const money = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,3})?$/, 'must be an amount such as 0.075')
  .transform((value) => Math.round(Number(value) * 1000));
/** `0.1,GB:0.04,+1:0.01`: the first price applies to every country that is not listed. */
const prices = z
  .string()
  .regex(
    /^\d{1,6}(\.\d{1,3})?(,([A-Z]{2}|\+\d{1,3}):\d{1,6}(\.\d{1,3})?)*$/,
    'must be a price and, after commas, prices by country such as GB:0.04 or +44:0.04',
  )
  .transform((value) => {
    const [first = '0', ...named] = value.split(',');
    return {
      usual: money.parse(first),
      byCountry: new Map(named.map((item) => [item.split(':')[0] ?? '', money.parse(item.split(':')[1])])),
    };
  });
/** Parses a text with a function of the domain. The message of its `RangeError` becomes the problem. */
const parsed = <T>(read: (value: string) => T) =>
  z.string().transform((value, check): T => {
    try {
      return read(value);
    } catch (err) {
      check.addIssue((err as Error).message);
      return z.NEVER;
    }
  });
const integers = list.pipe(z.array(integer(1, 86_400)));
const waits = list.pipe(z.array(integer(0, 86_400)));
const url = (...protocols: string[]) =>
  z.string().refine((value) => hasProtocol(value, protocols), `must be a URL (${protocols.join(', ')})`);
const optionalUrl = (...protocols: string[]) =>
  z
    .string()
    .refine((value) => value === '' || hasProtocol(value, protocols), `must be a URL (${protocols.join(', ')})`)
    .transform((value) => (value === '' ? undefined : value));
const secret = (lengthMin: number) =>
  z
    .string()
    .min(lengthMin, `must be at least ${lengthMin} characters`)
    .transform((value) => new Secret(value));
const bearer = secret(32);
const optionalSecret = z.string().transform((value) => (value === '' ? undefined : new Secret(value)));
const key = z
  .string()
  .refine((value) => Buffer.from(value, 'base64').length === 32, 'must be 32 bytes in base64')
  .transform((value) => new Secret(value));

/** Every variable, in the order of `.env.example`. A duration ends in `_SECONDS` or states its unit. */
export const variables = {
  NODE_ENV: {
    about: '`production` refuses sample secrets and settings meant for tests',
    roles: all,
    schema: z.enum(['production', 'development']),
    default: 'development',
  },
  LOG_LEVEL: {
    about: 'lowest log level that is written: trace, debug, info, warn, error',
    roles: all,
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
    default: 'info',
  },
  SERVER_HOST: { about: 'address the API listens on', roles: ['api'], schema: text, default: '0.0.0.0' },
  SERVER_PORT: { about: 'port the API listens on', roles: ['api'], schema: integer(0, 65_535), default: '8000' },
  PUBLIC_URL: {
    about:
      'public URL of the API for providers, without a trailing slash; no voice calls and no delivery reports when empty',
    roles: ['api', 'delivery'],
    schema: optionalUrl('http:', 'https:').transform((value) => value?.replace(/\/$/, '')),
    default: '',
  },
  TRUST_PROXY: {
    about: 'proxies in front of the API whose X-Forwarded-For is trusted: addresses, subnets or a number of hops',
    roles: ['api'],
    schema: list,
    default: '',
  },
  CORS_ORIGINS: {
    about: 'browser origins that may call the API (CORS), separated by commas; none when empty',
    roles: ['api'],
    schema: list,
    default: '',
  },
  DATABASE_URL: {
    about: 'MongoDB connection string, with the database name',
    roles: ['api', 'registration'],
    schema: url('mongodb:', 'mongodb+srv:'),
    example: 'mongodb://127.0.0.1:27017/vyry',
  },
  REDIS_URL: {
    about: 'Redis 7 or later, with the append-only file on',
    roles: all,
    schema: url('redis:', 'rediss:'),
    example: 'redis://127.0.0.1:6379',
  },
  TEMPORAL_ADDRESS: {
    about: 'address of the Temporal frontend',
    roles: temporal,
    schema: text,
    example: '127.0.0.1:7233',
  },
  TEMPORAL_NAMESPACE: { about: 'Temporal namespace', roles: temporal, schema: text, default: 'default' },
  ELASTICSEARCH_URL: {
    about: 'Elasticsearch 8.19 or later, where audit events are stored',
    roles: ['audit'],
    schema: url('http:', 'https:'),
    example: 'http://127.0.0.1:9200',
  },
  ELASTICSEARCH_API_KEY: {
    about:
      'Elasticsearch API key in its encoded form; needs monitor, manage_index_templates, manage_ilm, and create_doc and delete_index on AUDIT_INDEX-*',
    roles: ['audit'],
    schema: optionalSecret,
    default: '',
  },
  PRIVACY_ELASTICSEARCH_URL: {
    about:
      'Elasticsearch with the audit log, for data exports (api) and for erasure (registration); both leave the audit log out when empty',
    roles: ['api', 'registration'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  PRIVACY_ELASTICSEARCH_API_KEY: {
    about:
      'API key for PRIVACY_ELASTICSEARCH_URL in its encoded form; on AUDIT_INDEX-* it needs read (api), or read, write and maintenance (registration)',
    roles: ['api', 'registration'],
    schema: optionalSecret,
    default: '',
  },
  ELASTICSEARCH_CA: {
    about: 'CA certificate for Elasticsearch, as PEM; the system CAs when empty',
    roles: ['api', 'registration', 'audit'],
    schema: optional,
    default: '',
  },
  AUDIT_INDEX: {
    about: 'prefix of the names of the audit indices, which end in -YYYY.MM.DD',
    roles: ['api', 'registration', 'audit'],
    schema: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,100}$/, 'must be lower-case letters, digits, - and _'),
    default: 'auth-logs',
  },
  AUDIT_RETENTION_DAYS: {
    about: 'days after which audit indices are deleted',
    roles: ['audit'],
    schema: integer(1, 3650),
    default: '90',
  },
  AUDIT_STREAM_MAX: {
    about:
      'most audit events that Redis holds while Elasticsearch is unavailable, about 1 kB each; further events are dropped and counted',
    roles: all,
    schema: integer(100, 100_000_000),
    default: '500000',
  },
  AUDIT_KEY: {
    about: 'key of the HMACs and pseudonyms of audit events: 32 bytes in base64; a new key changes all pseudonyms',
    roles: all,
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWF1ZGl0LWtleS0zMi1ieXRlcyE=',
  },
  PAYLOAD_KEY: {
    about: 'encrypts Temporal payloads and encrypted values in Redis: 32 bytes in base64',
    roles: temporal,
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LXBheWxvYWQta2V5LTMyLWJ5dGU=',
  },
  PAYLOAD_KEYS_OLD: {
    about: 'earlier payload keys that still decrypt, separated by commas; remove one when its workflows are gone',
    roles: temporal,
    schema: list.pipe(z.array(key)),
    default: '',
  },
  DATA_KEY: {
    about:
      'encrypts phone numbers and e-mail addresses at rest, keys their hashes and peppers passwords: 32 bytes in base64; must never change',
    roles: ['api', 'registration'],
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWRhdGEta2V5LTMyLWJ5dGVzISE=',
  },
  JWT_ALGORITHM: {
    about:
      'signature algorithm of access tokens: HS256 with JWT_SECRET, or EdDSA with JWT_KEYS, whose public keys are published',
    roles: ['api'],
    schema: z.enum(['HS256', 'EdDSA'], 'must be HS256 or EdDSA'),
    default: 'HS256',
  },
  JWT_SECRET: {
    about: 'signs access tokens with HS256: at least 32 characters',
    roles: ['api'],
    schema: secret(32),
    example: 'example-only-jwt-secret-of-32-characters',
  },
  JWT_SECRETS_OLD: {
    about: 'earlier values of JWT_SECRET that still verify, separated by commas; remove one after JWT_EXPIRATION',
    roles: ['api'],
    schema: list.pipe(z.array(bearer)),
    default: '',
  },
  JWT_KEYS: {
    about:
      'EdDSA keys (`vyry keys new`), separated by commas, each 32 bytes in base64: the first signs, all of them verify',
    roles: ['api'],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  JWT_ISSUER: { about: '`iss` of access tokens', roles: ['api'], schema: text, default: 'vyry' },
  JWT_AUDIENCE: { about: '`aud` of access tokens', roles: ['api'], schema: text, default: 'vyry' },
  JWT_EXPIRATION: {
    about: 'lifetime of an access token, in seconds',
    roles: ['api'],
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
  GRPC_TLS_KEY: { about: 'private key of GRPC_TLS_CERT, as PEM', roles: ['api'], schema: optionalSecret, default: '' },
  GRPC_TLS_CLIENT_CA: {
    about: 'CA certificate for client certificates (mutual TLS), as PEM; no client certificate is required when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
  SIGNAL_CODE_TTL: {
    about: 'lifetime of a code of a verification session, in seconds',
    roles: ['api'],
    schema: integer(5, 3600),
    default: '600',
  },
  SIGNAL_SESSION_TTL: {
    about:
      'lifetime of a verification session after its last activity or the time of its next possible send or check, in seconds',
    roles: ['api'],
    schema: integer(5, 86_400),
    default: '600',
  },
  SIGNAL_SMS_WAITS: {
    about: 'waits in seconds between the SMS of a verification session; n waits allow n + 1 SMS',
    roles: ['api'],
    schema: integers,
    default: '60,120,300,600',
  },
  SIGNAL_VOICE_AFTER_SMS: {
    about: 'wait in seconds from the first SMS of a verification session to its first voice call',
    roles: ['api'],
    schema: integer(0, 3600),
    default: '60',
  },
  SIGNAL_VOICE_WAITS: {
    about: 'waits in seconds between the voice calls of a verification session; n waits allow n + 1 calls',
    roles: ['api'],
    schema: integers,
    default: '60,300',
  },
  SIGNAL_CHECK_WAITS: {
    about: 'waits in seconds between the checks of one code of a verification session; n waits allow n + 1 checks',
    roles: ['api'],
    schema: waits,
    default: '0,0,60,120',
  },
  SIGNAL_SESSIONS_PER_DAY: {
    about: 'verification sessions that may be created for one phone number in 24 hours',
    roles: ['api'],
    schema: integer(1, 10_000),
    default: '5',
  },
  CODEC_HOST: {
    about: 'address of the codec endpoint for the Temporal Web UI; any address but loopback needs CODEC_PASSWORD',
    roles: ['api'],
    schema: text,
    default: '127.0.0.1',
  },
  CODEC_PORT: { about: 'port of the codec endpoint', roles: ['api'], schema: integer(0, 65_535), default: '8081' },
  CODEC_ORIGINS: {
    about: 'origins of the Temporal Web UI that may call the codec endpoint, separated by commas',
    roles: ['api'],
    schema: list,
    default: 'http://127.0.0.1:8233,http://localhost:8233',
  },
  CODEC_PASSWORD: {
    about: 'password of operators for the codec endpoint; may be empty only on loopback',
    roles: ['api'],
    schema: optionalSecret,
    default: '',
  },
  REGISTRATION_STEPS: {
    about: 'steps of a registration, in the order they are shown: directory, captcha, code, credentials',
    roles: ['api'],
    schema: list.superRefine((names, check) => {
      const problem = problemOf(() => readPolicy(names));
      if (problem !== undefined) check.addIssue(problem);
    }),
    default: 'directory,captcha,code,credentials',
  },
  REGISTRATION_TTL: {
    about: 'lifetime of an unfinished registration, in seconds, not counting the time it waits for a dependency',
    roles: ['api'],
    schema: integer(10, 86_400),
    default: '1800',
  },
  REGISTRATION_WAIT_MAX: {
    about: 'longest time a registration waits for a dependency, in seconds',
    roles: ['api'],
    schema: integer(60, 604_800),
    default: '86400',
  },
  OTP_TTL: {
    about: 'lifetime of a code after it was sent, in seconds',
    roles: ['api'],
    schema: integer(5, 3600),
    default: '180',
  },
  OTP_CHECKS_MAX: { about: 'attempts allowed per code', roles: ['api'], schema: integer(1, 20), default: '5' },
  OTP_RESEND_WAITS: {
    about: 'waits in seconds between the sends on one channel; n waits allow n + 1 sends',
    roles: ['api'],
    schema: integers,
    default: '60,120,300,600',
  },
  OTP_VOICE_WAITS: {
    about: 'OTP_RESEND_WAITS for voice calls',
    roles: ['api'],
    schema: integers,
    default: '120,600',
  },
  DIRECTORY_TRIES: {
    about:
      'password attempts for one directory user name in DIRECTORY_WINDOW; keep it below the lockout limit of the directory',
    roles: ['api'],
    schema: integer(1, 1000),
    default: '5',
  },
  DIRECTORY_WINDOW: {
    about: 'window of DIRECTORY_TRIES, in seconds',
    roles: ['api'],
    schema: integer(1, 86_400),
    default: '900',
  },
  COUNTRIES_ALLOWED: {
    about: 'countries (ISO 3166) whose phone numbers may register, separated by commas; all when empty',
    roles: ['api', 'directory'],
    schema: countries,
    default: '',
  },
  LIMIT_SENDS_PER_NUMBER: limit('codes by SMS and voice to one phone number', '10/3600,20/86400'),
  LIMIT_SENDS_PER_MAILBOX: limit('codes by e-mail to one mailbox', '10/3600,20/86400'),
  LIMIT_UNPROVEN_SENDS_PER_PREFIX: limit(
    'codes to one block of 10,000 numbers since a code was last entered correctly; further codes pause the block',
    '20/3600',
  ),
  LIMIT_SENDS_WITHOUT_CAPTCHA_PER_PREFIX: limit(
    'codes to one block of 10,000 numbers since a code was last entered correctly; further codes need a captcha each',
    '10/3600',
  ),
  LIMIT_SENDS_PER_ADDRESS: limit('codes requested by one IPv4 address or IPv6 /64', '100/3600,500/86400'),
  LIMIT_SENDS_PER_PREFIX: limit('codes to one block of 10,000 numbers', '300/3600,1500/86400'),
  LIMIT_SENDS_PER_COUNTRY: limit('codes to the numbers of one country', '10000/3600,50000/86400'),
  LIMIT_SENDS: limit('codes in total', '20000/3600,100000/86400'),
  LIMIT_WRONG_CODES_PER_NUMBER: limit(
    'wrong codes for one phone number, over all its registrations',
    '15/3600,40/86400',
  ),
  LIMIT_WRONG_CODES_PER_MAILBOX: limit('wrong codes for one mailbox, over all its registrations', '15/3600,40/86400'),
  LIMIT_WRONG_CODES_PER_ADDRESS: limit('wrong codes from one IPv4 address or IPv6 /64', '100/3600,300/86400'),
  LIMIT_WRONG_CODES_PER_PREFIX: limit('wrong codes for one block of 10,000 numbers', '500/3600'),
  LIMIT_WRONG_CODES: limit('wrong codes in total', '5000/3600'),
  LIMIT_WRONG_CODE_SHARE_PER_ADDRESS: limit(
    'wrong codes from one IPv4 address or IPv6 /64, unless it entered as many correct ones',
    '20/3600',
  ),
  LIMIT_WRONG_CODE_SHARE: limit(
    'wrong codes in total, unless as many were correct; above it, LIMIT_WRONG_CODES_WHILE_GUESSED applies to each address',
    '500/600',
  ),
  LIMIT_WRONG_CODES_WHILE_GUESSED: limit(
    'wrong codes from one IPv4 address or IPv6 /64 while LIMIT_WRONG_CODE_SHARE is exceeded',
    '1/60',
  ),
  LIMIT_REGISTRATIONS_PER_ADDRESS: limit(
    'registrations started by one IPv4 address or IPv6 /64',
    '200/3600,1000/86400',
  ),
  LIMIT_LOGINS_PER_NAME: limit(
    'log-ins by code for one user name, number or e-mail address, known or not',
    '10/3600,30/86400',
  ),
  LIMIT_LOGINS_PER_ADDRESS: limit('log-ins by code from one IPv4 address or IPv6 /64', '100/3600,500/86400'),
  LIMIT_WRONG_PASSWORDS_PER_NAME: limit(
    'wrong passwords for one user name, number or e-mail address, known or not',
    '10/900,50/86400',
  ),
  LIMIT_WRONG_PASSWORDS_PER_ADDRESS: limit('wrong passwords from one IPv4 address or IPv6 /64', '100/3600,300/86400'),
  LIMIT_WRONG_PASSWORDS: limit('wrong passwords in total', '5000/3600'),
  LIMIT_RECOVERIES_PER_NAME: limit(
    'password recoveries requested for one user name, number or e-mail address, known or not',
    '3/3600,10/86400',
  ),
  LIMIT_RECOVERIES_PER_ADDRESS: limit(
    'password recoveries requested from one IPv4 address or IPv6 /64',
    '30/3600,100/86400',
  ),
  LIMIT_WRONG_PINS_PER_PERSON: limit('wrong PINs for one user', '10/86400'),
  LIMIT_CONTACT_CHANGES_PER_PERSON: limit(
    'codes that one user requests for a new number or address',
    '5/3600,10/86400',
  ),
  LIMIT_EXPORTS_PER_PERSON: limit('data exports of one user', '5/86400'),
  LIMIT_REQUESTS_PER_ADDRESS: limit('requests from one IPv4 address or IPv6 /64, except health and metrics', '1200/60'),
  COST_PER_SMS: {
    about:
      'price of an SMS or voice call, in any currency: the default price, then prices by country, 0.1,GB:0.04,+44:0.04',
    roles: ['api'],
    schema: prices,
    default: '0.1',
  },
  COST_LIMIT_PER_DAY: {
    about:
      'daily budget (UTC) for SMS and voice calls, in the currency of COST_PER_SMS; none are sent once it is spent',
    roles: ['api'],
    schema: money,
    default: '1000',
  },
  DELETION_GRACE_SECONDS: {
    about: 'grace period in which a user can stop the deletion of their account, in seconds; then it is erased',
    roles: ['api'],
    schema: integer(1, 7_776_000),
    default: '1209600',
  },
  STEP_UP_SECONDS: {
    about:
      'time after a log-in, password or PIN in which a session may change a number, an address or a PIN, export data or delete the account, in seconds',
    roles: ['api'],
    schema: integer(30, 86_400),
    default: '900',
  },
  RECOVERY_TTL: {
    about: 'lifetime of the token of a password recovery, in seconds',
    roles: ['api'],
    schema: integer(300, 3600),
    default: '1800',
  },
  RECOVERY_URL: {
    about:
      'page that takes the token of a recovery message after #token= (to choose a password) or #stop= (to stop the recovery), and the token of a notification after #stop-registration=; messages contain the bare tokens when empty',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  PIN_RESET_WAIT: {
    about:
      'time after a password recovery, or a log-in by a mailed code alone, in which a code by the same channel cannot reset the PIN, in seconds',
    roles: ['api'],
    schema: integer(60, 2_592_000),
    default: '86400',
  },
  BREACHED_PASSWORDS_URL: {
    about:
      'service that checks new passwords for breaches: https://api.pwnedpasswords.com or a mirror of it; not checked when empty',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  CAPTCHA_PROVIDER: {
    about: 'altcha (self-hosted proof of work), hcaptcha, turnstile or recaptcha',
    roles: ['api'],
    schema: z.enum(['altcha', 'hcaptcha', 'turnstile', 'recaptcha']),
    default: 'altcha',
  },
  CAPTCHA_SITE_KEY: { about: 'site key, sent to clients', roles: ['api'], schema: optional, default: '' },
  CAPTCHA_SECRET: { about: 'secret key of the captcha provider', roles: ['api'], schema: optionalSecret, default: '' },
  CAPTCHA_HOSTNAMES: {
    about: 'host names on which a captcha may be solved, separated by commas; any when empty',
    roles: ['api'],
    schema: list,
    default: '',
  },
  CAPTCHA_ACTION: {
    about: 'action that a solved captcha must name (turnstile, recaptcha)',
    roles: ['api'],
    schema: text,
    default: 'register',
  },
  CAPTCHA_SCORE_MIN: {
    about: 'lowest reCAPTCHA score that passes, in percent',
    roles: ['api'],
    schema: integer(0, 100),
    default: '50',
  },
  CAPTCHA_VERIFY_URL: {
    about: 'verification URL of the captcha provider, if not the provider’s default',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  CAPTCHA_COST: {
    about: 'cost of an ALTCHA challenge: the most attempts a client needs, of 1,000 PBKDF2 iterations each',
    roles: ['api'],
    schema: integer(2, 1_000_000),
    default: '1000',
  },
  LDAP_URL: {
    about: 'LDAP servers in the order in which they are tried, separated by commas: ldap:// or ldaps://',
    roles: ['directory'],
    schema: list.pipe(z.array(url('ldap:', 'ldaps:')).min(1)),
    example: 'ldap://127.0.0.1:389',
  },
  LDAP_START_TLS: {
    about: '`true`: upgrade ldap:// connections with StartTLS',
    roles: ['directory'],
    schema: flag,
    default: 'false',
  },
  LDAP_TLS_CA: {
    about: 'CA certificate for the LDAP servers, as PEM; the system CAs when empty',
    roles: ['directory'],
    schema: optional,
    default: '',
  },
  LDAP_BIND_DN: {
    about: 'DN of the service account that searches for people',
    roles: ['directory'],
    schema: text,
    example: 'cn=vyry,dc=example,dc=org',
  },
  LDAP_BIND_PASSWORD: {
    about: 'password of the service account',
    roles: ['directory'],
    schema: secret(1),
    example: 'example-only-bind',
  },
  LDAP_BASE_DN: {
    about: 'base DN of searches for people',
    roles: ['directory'],
    schema: text,
    example: 'ou=people,dc=example,dc=org',
  },
  LDAP_USER_FILTER: {
    about: 'search filter for a person; {username} is replaced by the user name, escaped as in RFC 4515',
    roles: ['directory'],
    schema: text.refine((value) => value.includes('{username}'), 'must contain {username}'),
    default: '(uid={username})',
  },
  LDAP_ATTRIBUTE_ID: {
    about: 'attribute with the immutable id of an entry',
    roles: ['directory'],
    schema: text,
    default: 'entryUUID',
  },
  LDAP_ATTRIBUTE_USERNAME: {
    about: 'attribute with the user name',
    roles: ['directory'],
    schema: text,
    default: 'uid',
  },
  LDAP_ATTRIBUTE_NAME: { about: 'attribute with the full name', roles: ['directory'], schema: text, default: 'cn' },
  LDAP_ATTRIBUTE_MAIL: {
    about: 'attribute with the e-mail address for codes; use only one that the directory controls',
    roles: ['directory'],
    schema: text,
    default: 'mail',
  },
  LDAP_ATTRIBUTE_PHONE: {
    about: 'attribute with the phone number for codes',
    roles: ['directory'],
    schema: text,
    default: 'mobile',
  },
  LDAP_ATTRIBUTE_GROUPS: {
    about: 'attribute with the groups of a person',
    roles: ['directory'],
    schema: text,
    default: 'memberOf',
  },
  LDAP_TIMEOUT: {
    about: 'timeout of an LDAP request, in milliseconds',
    roles: ['directory'],
    schema: integer(100, 60_000),
    default: '3000',
  },
  LDAP_POOL_MAX: {
    about: 'most connections to the directory',
    roles: ['directory'],
    schema: integer(1, 200),
    default: '8',
  },
  PHONE_REGION: {
    about: 'country (ISO 3166) of directory numbers without a country code; such numbers are refused when empty',
    roles: ['directory'],
    schema: z.string().regex(/^([A-Z]{2})?$/, 'must be a country such as GB'),
    default: '',
  },
  TWILIO_ACCOUNT_SID: {
    about: 'Twilio account SID; no SMS and no voice calls by Twilio when empty',
    roles: ['delivery'],
    schema: optional,
    default: '',
  },
  TWILIO_AUTH_TOKEN: { about: 'Twilio auth token', roles: ['delivery'], schema: optionalSecret, default: '' },
  TWILIO_WEBHOOK_TOKEN: {
    about:
      'token with which Twilio signs its requests to the API, the same as TWILIO_AUTH_TOKEN; no voice calls and no delivery reports by Twilio when empty',
    roles: ['api'],
    schema: optionalSecret,
    default: '',
  },
  TWILIO_FROM: { about: 'sender of SMS and voice calls, in E.164', roles: ['delivery'], schema: optional, default: '' },
  TWILIO_API_BASE_URL: {
    about: 'base URL of the Twilio API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  INFOBIP_BASE_URL: {
    about:
      'base URL of the Infobip API for the account, such as https://abc123.api.infobip.com; no SMS by Infobip when empty',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  INFOBIP_API_KEY: { about: 'Infobip API key', roles: ['delivery'], schema: optionalSecret, default: '' },
  INFOBIP_FROM: {
    about: 'sender of SMS by Infobip: number or name',
    roles: ['delivery'],
    schema: optional,
    default: '',
  },
  SMS_PROVIDERS: {
    about:
      'SMS providers with weights, in failover order; providers that are not configured are skipped. In development last-digits alone: no SMS is sent and the code is the last six digits of the number',
    roles: ['delivery'],
    schema: parsed((value) => readWeights(value, ['twilio', 'infobip', lastDigitsProvider], lastDigitsProvider)),
    default: 'twilio:100,infobip:0',
    inProduction: (given) =>
      given.includes(lastDigitsProvider) ? 'must not be last-digits: anyone could derive the codes' : undefined,
  },
  SMS_PROVIDERS_BY_COUNTRY: {
    about: 'SMS_PROVIDERS by country (ISO 3166, or a calling code), such as IN=infobip:100,twilio:0;+44=twilio',
    roles: ['delivery'],
    schema: parsed((value) => readCountryWeights(value, ['twilio', 'infobip'])),
    default: '',
  },
  TEST_NUMBERS: {
    about:
      'test numbers with their codes, +15550100001=123456, separated by commas: no SMS or voice call is sent to them; in production only fictitious numbers',
    roles: ['delivery'],
    schema: parsed(
      (value) => new Map([...readTestNumbers(value)].map(([number, code]) => [number, new Secret(code)] as const)),
    ),
    default: '',
    inProduction: (given) =>
      [...readTestNumbers(given).keys()].every(isFictitious)
        ? undefined
        : 'must list only numbers reserved for fiction: anyone who knows the code of a real number could register it',
  },
  EMAIL_PROVIDERS: {
    about: 'e-mail providers with weights, in failover order; providers that are not configured are skipped',
    roles: ['delivery'],
    schema: parsed((value) => readWeights(value, ['smtp', 'resend', 'sendgrid'])),
    default: 'smtp:100,resend:0,sendgrid:0',
  },
  RESEND_API_KEY: {
    about: 'Resend API key; no e-mail by Resend when empty',
    roles: ['delivery'],
    schema: optionalSecret,
    default: '',
  },
  RESEND_API_BASE_URL: {
    about: 'base URL of the Resend API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  SENDGRID_API_KEY: {
    about: 'SendGrid API key; no e-mail by SendGrid when empty',
    roles: ['delivery'],
    schema: optionalSecret,
    default: '',
  },
  SENDGRID_API_BASE_URL: {
    about: 'base URL of the SendGrid API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  SMTP_URL: {
    about: 'mail server, smtp:// or smtps:// with credentials; no e-mail by SMTP when empty',
    roles: ['delivery'],
    schema: z
      .string()
      .refine((value) => value === '' || hasProtocol(value, ['smtp:', 'smtps:']), 'must be a URL (smtp:, smtps:)')
      .transform((value) => (value === '' ? undefined : new Secret(value))),
    default: '',
  },
  MAIL_FROM: { about: 'sender of e-mail', roles: ['delivery'], schema: text, default: 'Vyry <no-reply@localhost>' },
  ANDROID_APP_HASH: {
    about:
      'app hash in the last line of an SMS, by which an Android app reads the code: 11 characters; no such line when empty',
    roles: ['delivery'],
    schema: z
      .string()
      .regex(/^([A-Za-z0-9+/]{11})?$/, 'must be 11 characters of base64')
      .transform((value) => (value === '' ? undefined : value)),
    default: '',
  },
  PRODUCT_NAME: {
    about: 'product name in messages',
    roles: ['delivery'],
    schema: text,
    default: 'Vyry',
  },
  WORKFLOW_BUNDLE: {
    about: 'path of the workflow bundle that `npm run bundle` writes',
    roles: ['registration'],
    schema: text,
    default: 'dist/workflows.js',
  },
  PURGE_INTERVAL: {
    about: 'interval between purges of expired data, in seconds',
    roles: ['registration'],
    schema: integer(60, 2_592_000),
    default: '86400',
  },
  DIRECTORY_SYNC_INTERVAL: {
    about: 'interval between checks of all linked accounts against the directory, in seconds',
    roles: ['registration'],
    schema: integer(1, 86_400),
    default: '30',
  },
  ARGON2_CONCURRENCY: {
    about: 'password hashes computed at the same time; each takes 19 MiB and one thread',
    roles: ['api', 'registration'],
    schema: integer(1, 64),
    default: '2',
  },
  HEALTH_PORT: {
    about: 'port of /health and /metrics of a worker; not served when 0',
    roles: ['registration', 'directory', 'delivery', 'audit'],
    schema: integer(0, 65_535),
    default: '0',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'OTLP/HTTP endpoint for traces, without /v1/traces; no traces when empty',
    roles: temporal,
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    about:
      'headers for the OTLP endpoint, such as its token: name=value pairs, separated by commas, values percent-encoded',
    roles: temporal,
    schema: headerPairs,
    default: '',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    about: 'share of requests that are traced, from 0 to 1; the traceparent of a request takes precedence',
    roles: ['api'],
    schema: share,
    default: '1',
  },
} satisfies Record<string, Variable> & Record<LimitVariable, Variable>;

type Variables = typeof variables;

/** The configuration of a role: every variable that it may read, parsed. */
export type Config<R extends Role> = {
  readonly [K in keyof Variables as R extends Variables[K]['roles'][number] ? K : never]: z.output<
    Variables[K]['schema']
  >;
};

/** Selected variables of any role, parsed. */
export type Selection<N extends keyof Variables> = { readonly [K in N]: z.output<Variables[K]['schema']> };

/**
 * Reads the configuration of a role from an environment. An empty variable counts as unset.
 *
 * @throws {Error} one error that names every missing or invalid variable, never its value
 */
export function readConfig<R extends Role>(role: R, env: NodeJS.ProcessEnv = process.env): Config<R> {
  return read(variablesOf(role), env, ` of ${role}`) as Config<R>;
}

/** Reads selected variables for a program without a role. @throws {Error} as `readConfig` */
export function readVariables<N extends keyof Variables>(names: readonly N[], env: NodeJS.ProcessEnv): Selection<N> {
  const chosen = names.map((name): [string, Variable] => [name, variables[name]]);
  return read(chosen, env, '') as Selection<N>;
}

/**
 * Returns the values of some variables in an environment. `NAME_FILE` names a file that contains the value of `NAME`.
 *
 * @throws {Error} names every `NAME_FILE` whose file cannot be read
 */
export function givenValues(names: readonly string[], env: NodeJS.ProcessEnv, whose = ''): Record<string, string> {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of names) {
    const file = env[`${name}_FILE`];
    try {
      const value = file ? readFileSync(file, 'utf8').replace(/\r?\n$/, '') : env[name];
      if (value !== undefined) values[name] = value;
    } catch (err) {
      problems.push(`${name}_FILE cannot be read: ${(err as NodeJS.ErrnoException).code}`);
    }
  }
  if (problems.length > 0) throw badConfiguration(whose, problems);
  return values;
}

/** The variables that select an installation. */
const engineVariables = ['TEMPORAL_ADDRESS', 'REDIS_URL', 'DATABASE_URL'];

/**
 * Returns the variables for the CLI: those that are set, completed from a file. `file` is always read. `fallback` is
 * read only if it exists and no set variable selects an installation, so that two installations are never mixed.
 *
 * @throws {Error} a file cannot be read
 */
export function operatorEnvironment(
  { fallback, file }: { fallback: string; file?: string | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const names = Object.keys(variables);
  const given = givenValues(names, env);
  const isPlaceGiven = engineVariables.some((name) => given[name]);
  const source = file ?? (!isPlaceGiven && existsSync(fallback) ? fallback : undefined);
  if (source === undefined) return given;
  return { ...givenValues(names, parseEnv(readFileSync(source, 'utf8'))), ...given };
}

function read(chosen: [name: string, variable: Variable][], env: NodeJS.ProcessEnv, whose: string): unknown {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, variable] of chosen) {
    const given = env[name] || variable.default;
    if (given === undefined) {
      problems.push(`${name} is missing: ${variable.about}`);
      continue;
    }
    const parsed = variable.schema.safeParse(given);
    if (parsed.success) values[name] = parsed.data;
    else problems.push(`${name} ${parsed.error.issues.map((issue) => issue.message).join(', ')}`);
    if (env.NODE_ENV !== 'production') continue;
    if (isSample(given)) problems.push(`${name} is a sample value`);
    const problem = parsed.success ? variable.inProduction?.(given) : undefined;
    if (problem !== undefined) problems.push(`${name} ${problem}`);
  }
  if (problems.length > 0) throw badConfiguration(whose, problems);
  return Object.freeze(values);
}

function badConfiguration(whose: string, problems: readonly string[]): Error {
  return new Error(`Bad configuration${whose}:\n  ${problems.join('\n  ')}`);
}

/** Returns the names of the variables with a prefix: those of one dependency. */
export function namesFrom<P extends string>(prefix: P): Extract<keyof Variables, `${P}${string}`>[] {
  return Object.keys(variables).filter((name) => name.startsWith(prefix)) as Extract<
    keyof Variables,
    `${P}${string}`
  >[];
}

/** Returns the variables that a role may read. */
export function variablesOf(role: Role): [name: string, variable: Variable][] {
  return Object.entries(variables).filter(([, variable]) => (variable.roles as readonly Role[]).includes(role));
}

/** Sample secrets contain `example-only`, in plain text or base64, alone or in a list. Production refuses them. */
function isSample(value: string): boolean {
  const isSampleItem = (item: string) => Buffer.from(item, 'base64').toString().includes('example-only');
  return value.includes('example-only') || value.split(/[\s,]+/).some(isSampleItem);
}

function problemOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (err) {
    return (err as Error).message;
  }
}

function hasProtocol(value: string, protocols: string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}
