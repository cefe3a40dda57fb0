/**
 * The configuration: one table of environment variables, the only reader of the environment.
 *
 * Each variable names the roles that may hold it; `workers/run.ts` starts a process with exactly those, so a process
 * can neither use nor leak what its role does not declare.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import type { LimitVariable, Window } from '../domain/limits.ts';
import { readCountryWeights, readWeights } from '../domain/providers.ts';
import { readPolicy } from '../domain/registration.ts';
import { isFictitious, lastDigitsProvider, readTestNumbers } from '../domain/test-numbers.ts';

/** The version of this Vyry. */
export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The processes of Vyry that read a configuration. */
export const roles = ['api', 'registration', 'directory', 'delivery', 'audit'] as const;
export type Role = (typeof roles)[number];

/** Those that host workflows or activities: each polls the task queue of its name. */
export const temporalRoles = ['registration', 'directory', 'delivery'] as const satisfies Role[];
export type TemporalRole = (typeof temporalRoles)[number];

/** A secret of the configuration: prints as `[secret]` wherever it is logged, inspected or serialised. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The clear value; call it only where the secret is used. */
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
  /** What it means, its unit and its bounds: a line of `.env.example`. */
  about: string;
  roles: readonly Role[];
  schema: z.ZodType;
  /** Used when the variable is unset or empty; a variable without one is required. */
  default?: string;
  /** What is wrong with a value in production that is right in development. */
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
/** As the standard variable has it: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ */
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
/** `5/3600,10/86400`: at most 5 in an hour and 10 in a day. */
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
  about: `${about}: number/seconds, all of them hold`,
  roles: ['api'] as const,
  schema: windows,
  default: fallback,
});
const countries = list.pipe(z.array(z.string().regex(/^[A-Z]{2}$/, 'must be countries such as GB,IE')));
/** Thousandths of the currency, so that sums are exact. */
const money = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,3})?$/, 'must be an amount such as 0.075')
  .transform((value) => Math.round(Number(value) * 1000));
/** `0.1,GB:0.04,+1:0.01`: the first for every country that is not named. */
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
/** What a reader of the domain makes of a text; its `RangeError` is the refusal. */
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

/** Every variable, in the order of `.env.example`. Durations end in `_SECONDS` or say their unit. */
export const variables = {
  NODE_ENV: {
    about: '`production` refuses sample secrets and test aids',
    roles: all,
    schema: z.enum(['production', 'development']),
    default: 'development',
  },
  LOG_LEVEL: {
    about: 'lowest level that is logged: trace, debug, info, warn, error',
    roles: all,
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
    default: 'info',
  },
  SERVER_HOST: { about: 'address the api listens on', roles: ['api'], schema: text, default: '0.0.0.0' },
  SERVER_PORT: { about: 'port the api listens on', roles: ['api'], schema: integer(0, 65_535), default: '8000' },
  PUBLIC_URL: {
    about: 'how providers reach the api, without a slash at the end; no calls and no delivery receipts when empty',
    roles: ['api', 'delivery'],
    schema: optionalUrl('http:', 'https:').transform((value) => value?.replace(/\/$/, '')),
    default: '',
  },
  TRUST_PROXY: {
    about: 'proxies in front of the api whose X-Forwarded-For is believed: addresses, subnets or a number of hops',
    roles: ['api'],
    schema: list,
    default: '',
  },
  CORS_ORIGINS: {
    about: 'origins whose browsers may call the api, separated by commas; none by default',
    roles: ['api'],
    schema: list,
    default: '',
  },
  DATABASE_URL: {
    about: 'MongoDB, with the database name',
    roles: ['api', 'registration'],
    schema: url('mongodb:', 'mongodb+srv:'),
    example: 'mongodb://127.0.0.1:27017/vyry',
  },
  REDIS_URL: {
    about: 'Redis 7 or later, append-only file on',
    roles: all,
    schema: url('redis:', 'rediss:'),
    example: 'redis://127.0.0.1:6379',
  },
  TEMPORAL_ADDRESS: { about: 'Temporal frontend', roles: temporal, schema: text, example: '127.0.0.1:7233' },
  TEMPORAL_NAMESPACE: { about: 'Temporal namespace', roles: temporal, schema: text, default: 'default' },
  ELASTICSEARCH_URL: {
    about: 'Elasticsearch 8.19 or later, where audit events go',
    roles: ['audit'],
    schema: url('http:', 'https:'),
    example: 'http://127.0.0.1:9200',
  },
  ELASTICSEARCH_API_KEY: {
    about:
      'API key of Elasticsearch, in its encoded form; needs monitor, manage_index_templates, manage_ilm, and create_doc and delete_index on AUDIT_INDEX-*',
    roles: ['audit'],
    schema: optionalSecret,
    default: '',
  },
  PRIVACY_ELASTICSEARCH_URL: {
    about:
      'Elasticsearch with the audit log, for exports of people (api) and for what is erased of them (registration); neither has the audit log when empty',
    roles: ['api', 'registration'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  PRIVACY_ELASTICSEARCH_API_KEY: {
    about:
      'API key for that, in its encoded form; on AUDIT_INDEX-* it needs read (api), and read, write and maintenance (registration)',
    roles: ['api', 'registration'],
    schema: optionalSecret,
    default: '',
  },
  ELASTICSEARCH_CA: {
    about: 'certificate authority of Elasticsearch, as PEM; the system’s when empty',
    roles: ['api', 'registration', 'audit'],
    schema: optional,
    default: '',
  },
  AUDIT_INDEX: {
    about: 'first part of the names of the audit indices, which end in -YYYY.MM.DD',
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
      'audit events that Redis holds while Elasticsearch is away, a kilobyte each; beyond, they are dropped and counted',
    roles: all,
    schema: integer(100, 100_000_000),
    default: '500000',
  },
  AUDIT_KEY: {
    about: 'seals audit events and makes their pseudonyms: 32 bytes in base64; a new one makes new pseudonyms',
    roles: all,
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWF1ZGl0LWtleS0zMi1ieXRlcyE=',
  },
  PAYLOAD_KEY: {
    about: 'encrypts what Temporal stores and what is sealed into Redis: 32 bytes in base64',
    roles: temporal,
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LXBheWxvYWQta2V5LTMyLWJ5dGU=',
  },
  PAYLOAD_KEYS_OLD: {
    about: 'earlier payload keys that still decrypt, separated by commas; drop one when its workflows are gone',
    roles: temporal,
    schema: list.pipe(z.array(key)),
    default: '',
  },
  DATA_KEY: {
    about:
      'encrypts numbers and addresses at rest, keys their hashes and peppers passwords: 32 bytes in base64; never changes',
    roles: ['api', 'registration'],
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWRhdGEta2V5LTMyLWJ5dGVzISE=',
  },
  JWT_ALGORITHM: {
    about: 'signs access tokens: HS256 with JWT_SECRET, or EdDSA with JWT_KEYS, whose public halves are published',
    roles: ['api'],
    schema: z.enum(['HS256', 'EdDSA'], 'must be HS256 or EdDSA'),
    default: 'HS256',
  },
  JWT_SECRET: {
    about: 'signs access tokens under HS256: at least 32 characters',
    roles: ['api'],
    schema: secret(32),
    example: 'example-only-jwt-secret-of-32-characters',
  },
  JWT_SECRETS_OLD: {
    about: 'earlier values of JWT_SECRET that still verify, separated by commas; drop one after JWT_EXPIRATION',
    roles: ['api'],
    schema: list.pipe(z.array(bearer)),
    default: '',
  },
  JWT_KEYS: {
    about:
      'keys of EdDSA (`vyry keys new`), separated by commas, each 32 bytes in base64: the first signs, all of them verify',
    roles: ['api'],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  JWT_ISSUER: { about: '`iss` of access tokens', roles: ['api'], schema: text, default: 'vyry' },
  JWT_AUDIENCE: { about: '`aud` of access tokens', roles: ['api'], schema: text, default: 'vyry' },
  JWT_EXPIRATION: {
    about: 'life of an access token, in seconds',
    roles: ['api'],
    schema: integer(60, 86_400),
    default: '3600',
  },
  REFRESH_TOKEN_EXPIRATION: {
    about: 'life of a refresh token, in seconds',
    roles: ['api'],
    schema: integer(300, 31_536_000),
    default: '604800',
  },
  SESSION_LIMIT: {
    about: '`device`: a session for every device; `user`: one session a person, a new one ends the one before',
    roles: ['api'],
    schema: z.enum(['device', 'user'], 'must be device or user'),
    default: 'device',
  },
  SESSION_TTL: {
    about:
      'life of a session without activity, in seconds; when empty REFRESH_TOKEN_EXPIRATION, or 86400 where SESSION_LIMIT is user',
    roles: ['api'],
    schema: z.union([z.literal('').transform(() => undefined), integer(60, 31_536_000)]),
    default: '',
  },
  SESSION_LIFE: {
    about: 'life of a session however active it is, in seconds',
    roles: ['api'],
    schema: integer(300, 315_360_000),
    default: '7776000',
  },
  LOGIN_SECOND_STEP: {
    about: '`true`: a log-in by password asks for a code too, and no log-in goes by code alone',
    roles: ['api'],
    schema: flag,
    default: 'false',
  },
  GRPC_HOST: {
    about: 'address of the gRPC door; anything but loopback needs one of the ways to know callers below',
    roles: ['api'],
    schema: text,
    default: '127.0.0.1',
  },
  GRPC_PORT: { about: 'port of the gRPC door', roles: ['api'], schema: integer(0, 65_535), default: '50051' },
  GRPC_BEARER_TOKENS: {
    about: 'bearer tokens that may call by gRPC, separated by commas, each at least 32 characters',
    roles: ['api'],
    schema: list.pipe(z.array(bearer)),
    default: '',
  },
  GRPC_OIDC_ISSUER: {
    about: '`iss` of the OpenID Connect tokens that may call by gRPC; none may when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
  GRPC_OIDC_JWKS_URL: {
    about: 'where the keys of GRPC_OIDC_ISSUER are',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  GRPC_OIDC_AUDIENCE: { about: '`aud` of these tokens', roles: ['api'], schema: optional, default: '' },
  GRPC_OIDC_SUBJECTS: {
    about: '`sub` of the callers, separated by commas: issuers give tokens to others too',
    roles: ['api'],
    schema: list,
    default: '',
  },
  GRPC_TLS_CERT: {
    about: 'certificate chain of the gRPC door, as PEM; clear text when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
  GRPC_TLS_KEY: { about: 'key of GRPC_TLS_CERT, as PEM', roles: ['api'], schema: optionalSecret, default: '' },
  GRPC_TLS_CLIENT_CA: {
    about: 'certificate authority of the callers, as PEM; no certificate is asked for when empty',
    roles: ['api'],
    schema: optional,
    default: '',
  },
  SIGNAL_CODE_TTL: {
    about: 'life of a code of a verification session, in seconds',
    roles: ['api'],
    schema: integer(5, 3600),
    default: '600',
  },
  SIGNAL_SESSION_TTL: {
    about: 'life of a verification session from the last instant at which something new was possible, in seconds',
    roles: ['api'],
    schema: integer(5, 86_400),
    default: '600',
  },
  SIGNAL_SMS_WAITS: {
    about: 'waits in seconds between the SMS of a session; their number plus one is the number of SMS',
    roles: ['api'],
    schema: integers,
    default: '60,120,300,600',
  },
  SIGNAL_VOICE_AFTER_SMS: {
    about: 'wait in seconds from the first SMS of a session to its first call',
    roles: ['api'],
    schema: integer(0, 3600),
    default: '60',
  },
  SIGNAL_VOICE_WAITS: {
    about: 'waits in seconds between the calls of a session; their number plus one is the number of calls',
    roles: ['api'],
    schema: integers,
    default: '60,300',
  },
  SIGNAL_CHECK_WAITS: {
    about:
      'waits in seconds between the checks of one code of a session; their number plus one is the number of checks',
    roles: ['api'],
    schema: waits,
    default: '0,0,60,120',
  },
  SIGNAL_SESSIONS_PER_DAY: {
    about: 'sessions that may be created for one number in 24 hours',
    roles: ['api'],
    schema: integer(1, 10_000),
    default: '5',
  },
  CODEC_HOST: {
    about: 'address of the codec endpoint of the Temporal Web UI; anything but loopback needs CODEC_PASSWORD',
    roles: ['api'],
    schema: text,
    default: '127.0.0.1',
  },
  CODEC_PORT: { about: 'port of the codec endpoint', roles: ['api'], schema: integer(0, 65_535), default: '8081' },
  CODEC_ORIGINS: {
    about: 'origins of the Temporal Web UI that may ask the codec endpoint',
    roles: ['api'],
    schema: list,
    default: 'http://127.0.0.1:8233,http://localhost:8233',
  },
  CODEC_PASSWORD: {
    about: 'operators log in to the codec endpoint with it; unset only on loopback',
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
    about: 'life of an unfinished registration, in seconds, not counting the time it waits for an outside system',
    roles: ['api'],
    schema: integer(10, 86_400),
    default: '1800',
  },
  REGISTRATION_WAIT_MAX: {
    about: 'longest a registration waits for an outside system, in seconds',
    roles: ['api'],
    schema: integer(60, 604_800),
    default: '86400',
  },
  OTP_TTL: {
    about: 'life of a code from its sending, in seconds',
    roles: ['api'],
    schema: integer(5, 3600),
    default: '180',
  },
  OTP_CHECKS_MAX: { about: 'tries a code has', roles: ['api'], schema: integer(1, 20), default: '5' },
  OTP_RESEND_WAITS: {
    about: 'waits in seconds between the sends of one channel; their number plus one is the number of sends',
    roles: ['api'],
    schema: integers,
    default: '60,120,300,600',
  },
  OTP_VOICE_WAITS: {
    about: 'the same for calls',
    roles: ['api'],
    schema: integers,
    default: '120,600',
  },
  DIRECTORY_TRIES: {
    about: 'password tries a directory name has in DIRECTORY_WINDOW; keep it below the lock-out of the directory',
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
    about: 'countries (ISO 3166) whose numbers may register, separated by commas; all when empty',
    roles: ['api', 'directory'],
    schema: countries,
    default: '',
  },
  LIMIT_SENDS_PER_NUMBER: limit('codes by SMS and voice to one number', '10/3600,20/86400'),
  LIMIT_SENDS_PER_MAILBOX: limit('codes by e-mail to one mailbox', '10/3600,20/86400'),
  LIMIT_UNPROVEN_SENDS_PER_PREFIX: limit(
    'codes to one block of 10,000 numbers since one of them was typed; beyond, the block is paused',
    '20/3600',
  ),
  LIMIT_SENDS_WITHOUT_CAPTCHA_PER_PREFIX: limit(
    'codes to one block of 10,000 numbers since one of them was typed; beyond, each needs a captcha of its own',
    '10/3600',
  ),
  LIMIT_SENDS_PER_ADDRESS: limit('codes asked for by one IPv4 address or IPv6 /64', '100/3600,500/86400'),
  LIMIT_SENDS_PER_PREFIX: limit('codes to one block of 10,000 numbers', '300/3600,1500/86400'),
  LIMIT_SENDS_PER_COUNTRY: limit('codes to the numbers of one country', '10000/3600,50000/86400'),
  LIMIT_SENDS: limit('codes in all', '20000/3600,100000/86400'),
  LIMIT_WRONG_CODES_PER_NUMBER: limit('wrong codes for one number, over all its registrations', '15/3600,40/86400'),
  LIMIT_WRONG_CODES_PER_MAILBOX: limit('wrong codes for one mailbox, over all its registrations', '15/3600,40/86400'),
  LIMIT_WRONG_CODES_PER_ADDRESS: limit('wrong codes from one IPv4 address or IPv6 /64', '100/3600,300/86400'),
  LIMIT_WRONG_CODES_PER_PREFIX: limit('wrong codes for one block of 10,000 numbers', '500/3600'),
  LIMIT_WRONG_CODES: limit('wrong codes in all', '5000/3600'),
  LIMIT_WRONG_CODE_SHARE_PER_ADDRESS: limit(
    'wrong codes from one IPv4 address or IPv6 /64 that has not typed as many right ones',
    '20/3600',
  ),
  LIMIT_WRONG_CODE_SHARE: limit(
    'wrong codes in all, unless as many were right; beyond, each address is slowed to LIMIT_WRONG_CODES_WHILE_GUESSED',
    '500/600',
  ),
  LIMIT_WRONG_CODES_WHILE_GUESSED: limit('wrong codes from one IPv4 address or IPv6 /64 meanwhile', '1/60'),
  LIMIT_REGISTRATIONS_PER_ADDRESS: limit(
    'registrations started by one IPv4 address or IPv6 /64',
    '200/3600,1000/86400',
  ),
  LIMIT_LOGINS_PER_NAME: limit('log-ins by code with one name, number or address, known or not', '10/3600,30/86400'),
  LIMIT_LOGINS_PER_ADDRESS: limit('log-ins by code from one IPv4 address or IPv6 /64', '100/3600,500/86400'),
  LIMIT_WRONG_PASSWORDS_PER_NAME: limit(
    'wrong passwords for one name, number or address, known or not',
    '10/900,50/86400',
  ),
  LIMIT_WRONG_PASSWORDS_PER_ADDRESS: limit('wrong passwords from one IPv4 address or IPv6 /64', '100/3600,300/86400'),
  LIMIT_WRONG_PASSWORDS: limit('wrong passwords in all', '5000/3600'),
  LIMIT_RECOVERIES_PER_NAME: limit(
    'recoveries of a password asked for with one name, number or address, known or not',
    '3/3600,10/86400',
  ),
  LIMIT_RECOVERIES_PER_ADDRESS: limit('recoveries asked for from one IPv4 address or IPv6 /64', '30/3600,100/86400'),
  LIMIT_WRONG_PINS_PER_PERSON: limit('wrong PINs of one person', '10/86400'),
  LIMIT_CONTACT_CHANGES_PER_PERSON: limit(
    'codes that one person has sent to a new number or address',
    '5/3600,10/86400',
  ),
  LIMIT_EXPORTS_PER_PERSON: limit('exports of one person', '5/86400'),
  LIMIT_REQUESTS_PER_ADDRESS: limit('requests of one IPv4 address or IPv6 /64, health and metrics aside', '1200/60'),
  COST_PER_SMS: {
    about: 'what an SMS or call costs, in any currency: the usual price, then prices by country, 0.1,GB:0.04,+44:0.04',
    roles: ['api'],
    schema: prices,
    default: '0.1',
  },
  COST_LIMIT_PER_DAY: {
    about: 'most that SMS and calls may cost a day (UTC), in the currency of COST_PER_SMS; beyond, none are sent',
    roles: ['api'],
    schema: money,
    default: '1000',
  },
  DELETION_GRACE_SECONDS: {
    about: 'how long a person may stop the deletion of their account, in seconds; then it is erased',
    roles: ['api'],
    schema: integer(1, 7_776_000),
    default: '1209600',
  },
  STEP_UP_SECONDS: {
    about:
      'how long after a log-in, password or PIN a session may change a number, an address or a PIN, export or delete, in seconds',
    roles: ['api'],
    schema: integer(30, 86_400),
    default: '900',
  },
  RECOVERY_TTL: {
    about: 'life of the message by which a forgotten password is replaced, in seconds',
    roles: ['api'],
    schema: integer(300, 3600),
    default: '1800',
  },
  RECOVERY_URL: {
    about:
      'page that takes the token of that message behind #token= (to choose a password) or #stop= (to stop it), and that of a notification behind #stop-registration=; the message has the bare tokens when empty',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  PIN_RESET_WAIT: {
    about:
      'how long after a recovery of the password, or a log-in by a mailed code alone, no code by the same channel replaces the PIN, in seconds',
    roles: ['api'],
    schema: integer(60, 2_592_000),
    default: '86400',
  },
  BREACHED_PASSWORDS_URL: {
    about:
      'asks whether a new password is known from a breach: https://api.pwnedpasswords.com or a mirror of it; not asked when empty',
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
  CAPTCHA_SITE_KEY: { about: 'public key given to clients', roles: ['api'], schema: optional, default: '' },
  CAPTCHA_SECRET: { about: 'secret of the captcha provider', roles: ['api'], schema: optionalSecret, default: '' },
  CAPTCHA_HOSTNAMES: {
    about: 'host names a captcha may be solved on; any when empty',
    roles: ['api'],
    schema: list,
    default: '',
  },
  CAPTCHA_ACTION: {
    about: 'action a captcha must be solved for (turnstile, recaptcha)',
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
    about: 'verify call of the captcha provider, when not the vendor’s own',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  CAPTCHA_COST: {
    about: 'work of an ALTCHA challenge: the largest number of tries a client needs, of 1,000 PBKDF2 iterations each',
    roles: ['api'],
    schema: integer(2, 1_000_000),
    default: '1000',
  },
  LDAP_URL: {
    about: 'LDAP servers in the order they are tried, separated by commas: ldap:// or ldaps://',
    roles: ['directory'],
    schema: list.pipe(z.array(url('ldap:', 'ldaps:')).min(1)),
    example: 'ldap://127.0.0.1:389',
  },
  LDAP_START_TLS: { about: 'upgrade ldap:// by StartTLS', roles: ['directory'], schema: flag, default: 'false' },
  LDAP_TLS_CA: {
    about: 'certificate authority of the LDAP servers, as PEM; the system’s when empty',
    roles: ['directory'],
    schema: optional,
    default: '',
  },
  LDAP_BIND_DN: {
    about: 'service account that searches',
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
    about: 'where people are searched',
    roles: ['directory'],
    schema: text,
    example: 'ou=people,dc=example,dc=org',
  },
  LDAP_USER_FILTER: {
    about: 'filter that finds a person; {username} is replaced, escaped by RFC 4515',
    roles: ['directory'],
    schema: text.refine((value) => value.includes('{username}'), 'must contain {username}'),
    default: '(uid={username})',
  },
  LDAP_ATTRIBUTE_ID: { about: 'immutable id of an entry', roles: ['directory'], schema: text, default: 'entryUUID' },
  LDAP_ATTRIBUTE_USERNAME: { about: 'name to log in with', roles: ['directory'], schema: text, default: 'uid' },
  LDAP_ATTRIBUTE_NAME: { about: 'full name', roles: ['directory'], schema: text, default: 'cn' },
  LDAP_ATTRIBUTE_MAIL: {
    about: 'address codes may be sent to; list only one the directory controls',
    roles: ['directory'],
    schema: text,
    default: 'mail',
  },
  LDAP_ATTRIBUTE_PHONE: { about: 'number codes may be sent to', roles: ['directory'], schema: text, default: 'mobile' },
  LDAP_ATTRIBUTE_GROUPS: { about: 'groups of a person', roles: ['directory'], schema: text, default: 'memberOf' },
  LDAP_TIMEOUT: {
    about: 'longest wait for an LDAP answer, in milliseconds',
    roles: ['directory'],
    schema: integer(100, 60_000),
    default: '3000',
  },
  LDAP_POOL_MAX: { about: 'connections to the directory', roles: ['directory'], schema: integer(1, 200), default: '8' },
  PHONE_REGION: {
    about: 'country (ISO 3166) of numbers without a country code, in the directory; refused when empty',
    roles: ['directory'],
    schema: z.string().regex(/^([A-Z]{2})?$/, 'must be a country such as GB'),
    default: '',
  },
  TWILIO_ACCOUNT_SID: {
    about: 'Twilio account; no SMS when empty',
    roles: ['delivery'],
    schema: optional,
    default: '',
  },
  TWILIO_AUTH_TOKEN: { about: 'Twilio token', roles: ['delivery'], schema: optionalSecret, default: '' },
  TWILIO_WEBHOOK_TOKEN: {
    about:
      'what Twilio signs its requests to the api with: the same as TWILIO_AUTH_TOKEN; no calls and no delivery receipts of Twilio when empty',
    roles: ['api'],
    schema: optionalSecret,
    default: '',
  },
  TWILIO_FROM: { about: 'sender of SMS and calls, in E.164', roles: ['delivery'], schema: optional, default: '' },
  TWILIO_API_BASE_URL: {
    about: 'Twilio API, when not the vendor’s own',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  INFOBIP_BASE_URL: {
    about: 'Infobip API of the account, such as https://abc123.api.infobip.com; no SMS by Infobip when empty',
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
      'who sends SMS: names with weights, in the order of fall-back; those that are configured. last-digits alone, in development: nobody, the code is the last six digits of the number',
    roles: ['delivery'],
    schema: parsed((value) => readWeights(value, ['twilio', 'infobip', lastDigitsProvider], lastDigitsProvider)),
    default: 'twilio:100,infobip:0',
    inProduction: (given) =>
      given.includes(lastDigitsProvider) ? 'must not be last-digits: everybody would know the codes' : undefined,
  },
  SMS_PROVIDERS_BY_COUNTRY: {
    about: 'the same for countries (ISO 3166, or a calling code), such as IN=infobip:100,twilio:0;+44=twilio',
    roles: ['delivery'],
    schema: parsed((value) => readCountryWeights(value, ['twilio', 'infobip'])),
    default: '',
  },
  TEST_NUMBERS: {
    about:
      'numbers of testers with their codes, +15550100001=123456: no SMS and no call goes to them; in production only fictitious ones',
    roles: ['delivery'],
    schema: parsed(
      (value) => new Map([...readTestNumbers(value)].map(([number, code]) => [number, new Secret(code)] as const)),
    ),
    default: '',
    inProduction: (given) =>
      [...readTestNumbers(given).keys()].every(isFictitious)
        ? undefined
        : 'must list only numbers that are set aside for fiction: whoever knows the code of another could register it',
  },
  EMAIL_PROVIDERS: {
    about: 'who sends e-mail: names with weights, in the order of fall-back; those that are configured',
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
    about: 'Resend API, when not the vendor’s own',
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
    about: 'SendGrid API, when not the vendor’s own',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  SMTP_URL: {
    about: 'mail server, smtp:// or smtps:// with credentials; no e-mail when empty',
    roles: ['delivery'],
    schema: z
      .string()
      .refine((value) => value === '' || hasProtocol(value, ['smtp:', 'smtps:']), 'must be a URL (smtp:, smtps:)')
      .transform((value) => (value === '' ? undefined : new Secret(value))),
    default: '',
  },
  MAIL_FROM: { about: 'sender of e-mail', roles: ['delivery'], schema: text, default: 'Vyry <no-reply@localhost>' },
  ANDROID_APP_HASH: {
    about: 'last line of an SMS to an Android app, which reads the code by it: 11 characters; none when empty',
    roles: ['delivery'],
    schema: z
      .string()
      .regex(/^([A-Za-z0-9+/]{11})?$/, 'must be 11 characters of base64')
      .transform((value) => (value === '' ? undefined : value)),
    default: '',
  },
  PRODUCT_NAME: {
    about: 'name that messages to people carry',
    roles: ['delivery'],
    schema: text,
    default: 'Vyry',
  },
  WORKFLOW_BUNDLE: {
    about: 'workflow bundle made by `npm run bundle`',
    roles: ['registration'],
    schema: text,
    default: 'dist/workflows.js',
  },
  PURGE_INTERVAL: {
    about: 'pause between two purges of what has expired, in seconds',
    roles: ['registration'],
    schema: integer(60, 2_592_000),
    default: '86400',
  },
  DIRECTORY_SYNC_INTERVAL: {
    about: 'pause between two checks of all linked people against the directory, in seconds',
    roles: ['registration'],
    schema: integer(1, 86_400),
    default: '30',
  },
  ARGON2_CONCURRENCY: {
    about: 'password hashes computed at once; each takes 19 MiB and one thread',
    roles: ['api', 'registration'],
    schema: integer(1, 64),
    default: '2',
  },
  HEALTH_PORT: {
    about: 'port of a worker’s /health and /metrics; none when 0',
    roles: ['registration', 'directory', 'delivery', 'audit'],
    schema: integer(0, 65_535),
    default: '0',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'collector of traces (OTLP over HTTP), without /v1/traces; no traces when empty',
    roles: temporal,
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    about:
      'headers for the collector, such as its token: name=value pairs, separated by commas, values percent-encoded',
    roles: temporal,
    schema: headerPairs,
    default: '',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    about: 'share of requests that are traced, from 0 to 1; a caller that sends a traceparent decides for its own',
    roles: ['api'],
    schema: share,
    default: '1',
  },
} satisfies Record<string, Variable> & Record<LimitVariable, Variable>;

type Variables = typeof variables;

/** What a role has read: every variable it may hold, parsed. */
export type Config<R extends Role> = {
  readonly [K in keyof Variables as R extends Variables[K]['roles'][number] ? K : never]: z.output<
    Variables[K]['schema']
  >;
};

/** Some variables, parsed, whichever roles hold them. */
export type Selection<N extends keyof Variables> = { readonly [K in N]: z.output<Variables[K]['schema']> };

/**
 * Reads the configuration of a role from an environment. Empty means unset.
 *
 * @throws {Error} one error that names every missing or bad variable, never their values
 */
export function readConfig<R extends Role>(role: R, env: NodeJS.ProcessEnv = process.env): Config<R> {
  return read(variablesOf(role), env, ` of ${role}`) as Config<R>;
}

/** Reads some variables for a program that is no role. @throws {Error} as `readConfig` */
export function readVariables<N extends keyof Variables>(names: readonly N[], env: NodeJS.ProcessEnv): Selection<N> {
  const chosen = names.map((name): [string, Variable] => [name, variables[name]]);
  return read(chosen, env, '') as Selection<N>;
}

/**
 * The values of some variables in an environment, `NAME_FILE` replaced by what the file holds.
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

/** By these a person says where an installation is. */
const engineVariables = ['TEMPORAL_ADDRESS', 'REDIS_URL', 'DATABASE_URL'];

/**
 * The variables of an operator's tool: those that are set and, for the rest, those of a file. `file` is read in any case,
 * `fallback` only when it is there and no variable says which installation is meant, so that two are never mixed.
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

/** The names of the variables that begin alike: those of one outside system. */
export function namesFrom<P extends string>(prefix: P): Extract<keyof Variables, `${P}${string}`>[] {
  return Object.keys(variables).filter((name) => name.startsWith(prefix)) as Extract<
    keyof Variables,
    `${P}${string}`
  >[];
}

/** The variables a role may hold. */
export function variablesOf(role: Role): [name: string, variable: Variable][] {
  return Object.entries(variables).filter(([, variable]) => (variable.roles as readonly Role[]).includes(role));
}

/** Sample secrets say so, in clear or in base64, alone or in a list, so that production can refuse them. */
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
