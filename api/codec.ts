/**
 * The codec endpoint of the Temporal Web UI and CLI: decrypts payloads for operators. Payloads contain personal data,
 * so the endpoint listens on loopback, or requires the password of the operators: as a bearer token (CLI), or as the
 * cookie of its log-in page (browser).
 * https://docs.temporal.io/production-deployment/data-encryption
 */
import type { Payload, PayloadCodec } from '@temporalio/common';
import type { Express, NextFunction, Request, Response } from 'express';
import { z } from 'zod';
import { networkOf } from '../adapters/ip-addresses.ts';
import type { Limit, RateLimits } from '../adapters/redis/rate-limits.ts';
import { failures } from '../contract/failures.ts';
import type { Config } from '../platform/config/config.ts';
import { keyedHash, newId, tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import { type Logger, traces } from '../platform/log.ts';
import { requestTrace } from '../platform/spans.ts';
import {
  addressOf,
  allowCors,
  createHttpApp,
  readBody,
  readTrustProxy,
  refuseUnrouted,
  requireMediaType,
  requireUnambiguous,
  sendError,
} from './http.ts';
import { parse } from './parse.ts';
import { failureOf } from './problems.ts';

interface CodecOptions {
  config: Pick<Config<'api'>, 'CODEC_HOST' | 'CODEC_ORIGINS' | 'CODEC_PASSWORD' | 'KEYS' | 'TRUST_PROXY'>;
  codec: PayloadCodec;
  log: Logger;
  events: Pick<Events, 'operatorLoggedIn' | 'payloadsDecoded' | 'codecAnswered'>;
  rateLimits: RateLimits;
}

const bodyBytesMax = 4 * 1024 * 1024;
const loopback = ['127.0.0.1', '::1', 'localhost'];
const routes = [
  { method: 'get', path: '/', isHead: true },
  { method: 'post', path: '/login', isHead: false },
  { method: 'post', path: '/decode', isHead: false },
  { method: 'post', path: '/encode', isHead: false },
];
const form = () => 'application/x-www-form-urlencoded' as const;
const json = () => 'application/json' as const;
const cookieName = 'vyry-codec';
/** How long an operator stays logged in. */
const cookieSeconds = 8 * 3600;
/** Wrong passwords of one address. */
const loginLimit: Limit = { name: 'operator-login', windows: [{ max: 10, windowSeconds: 900 }] };

/**
 * Creates the endpoint.
 *
 * @throws {Error} it would listen beyond loopback without a password
 */
export function createCodecApp(options: CodecOptions): Express {
  const { CODEC_HOST: host, CODEC_ORIGINS: origins, CODEC_PASSWORD: password } = options.config;
  if (password === undefined && !loopback.includes(host)) {
    throw new Error('Bad configuration of api:\n  CODEC_HOST beyond loopback needs CODEC_PASSWORD');
  }
  // a number of proxies is about those in front of the API, and this endpoint has a port of its own
  const app = createHttpApp(options.config.TRUST_PROXY.filter((proxy) => !/^\d+$/.test(proxy)));
  app.use((req, res, next) => recordTelemetry(options, req, res, next));
  app.use(requireUnambiguous);
  app.use((req, res, next) => requireExpectedHost(options, req, res, next));
  app.use(
    allowCors({
      origin: [...origins],
      credentials: true,
      methods: ['POST'],
      allowedHeaders: ['content-type', 'x-namespace', 'authorization', 'caller-type'],
    }),
  );
  app.get('/', (_req, res) => sendPage(res));
  app.post('/login', requireMediaType(form), ...readBody(form, () => bodyBytesMax), (req, res) =>
    logIn(options, req, res),
  );
  app.post(
    ['/decode', '/encode'],
    requireMediaType(json),
    (req, res, next) => admit(options, req, res, next),
    ...readBody(json, () => bodyBytesMax),
    (req, res) => convert(options, req, res),
  );
  refuseUnrouted(app, routes);
  app.use((err: unknown, _req: Request, res: Response, _next: NextFunction) => {
    options.log.warn({ event: 'codec.failed', reason: (err as Error).message });
    return sendError(res, { status: statusOf(err) });
  });
  return app;
}

function recordTelemetry({ events }: CodecOptions, req: Request, res: Response, next: NextFunction): void {
  const beganAt = performance.now();
  // unknown paths share one label, so that the number of time series is bounded
  const path = routes.some((route) => route.path === req.path) ? req.path : 'unknown';
  res.once('close', () => {
    events.codecAnswered({ path, status: res.statusCode, seconds: (performance.now() - beganAt) / 1000 });
  });
  traces.run(requestTrace({ ip: addressOf(req, readTrustProxy(req.app)), userAgent: req.get('user-agent') }), next);
}

/** Without a password, only names of this machine are accepted, so that DNS rebinding by a foreign name fails. */
async function requireExpectedHost(
  { config }: CodecOptions,
  req: Request,
  res: Response,
  next: NextFunction,
): Promise<void> {
  const host = (req.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (config.CODEC_PASSWORD !== undefined || loopback.includes(host)) next();
  else await sendError(res, { status: 421 });
}

/** Authenticates an operator by bearer token or cookie. */
async function admit(options: CodecOptions, req: Request, res: Response, next: NextFunction): Promise<void> {
  const { config } = options;
  if (config.CODEC_PASSWORD === undefined) return next();
  const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) {
    if (await comparePassword(options, bearer, req, res)) next();
    return;
  }
  const cookie = new RegExp(`(?:^|; )${cookieName}=([\\w-]+)`).exec(req.headers.cookie ?? '')?.[1];
  if (cookie !== undefined && isValidCookie(config, cookie)) next();
  else await sendError(res, { status: 401 });
}

async function convert({ codec, events }: CodecOptions, req: Request, res: Response): Promise<void> {
  const payloads = readPayloads(req.body);
  const isDecoding = req.path === '/decode';
  const converted = isDecoding ? await codec.decode(payloads) : await codec.encode(payloads);
  if (isDecoding) events.payloadsDecoded(payloads.length);
  res.json({ payloads: converted.map(toJson) });
}

/** Payloads that cannot be parsed or decrypted are refused as malformed. */
function statusOf(err: unknown): number {
  const failure = failureOf(err);
  return failure === undefined ? 400 : failures[failure.code].status;
}

/** Compares the password, whose attempt is counted before; sends the response when it is wrong. */
async function comparePassword(
  { config, events, rateLimits }: CodecOptions,
  given: string,
  req: Request,
  res: Response,
): Promise<boolean> {
  const tryId = newId();
  const address = networkOf(addressOf(req, readTrustProxy(req.app)));
  const { allowed, resetSeconds } = await rateLimits.consume(loginLimit, address, tryId);
  if (!allowed) {
    await sendError(res, { status: 429, headers: { 'Retry-After': String(resetSeconds) } });
    return false;
  }
  // hashes are compared, so that the time reveals nothing about the password
  const isRight = config.CODEC_PASSWORD !== undefined && tokenHash(given) === tokenHash(config.CODEC_PASSWORD.reveal());
  if (isRight) await rateLimits.refund(loginLimit, address, tryId);
  else {
    events.operatorLoggedIn(false);
    await sendError(res, { status: 401 });
  }
  return isRight;
}

/** The value of a cookie: its end in seconds since the Unix epoch, and the keyed hash of that end and the password. */
function cookieOf({ KEYS: keys, CODEC_PASSWORD: password }: CodecOptions['config'], endsAt: number): string {
  return `${endsAt}-${keyedHash(keys.lasting('operator'), 'cookie', String(endsAt), password?.reveal() ?? '')}`;
}

/** The endpoint ends a cookie itself: a copy of it is worth nothing afterwards. */
function isValidCookie(config: CodecOptions['config'], given: string): boolean {
  const endsAt = Number(/^(\d{1,12})-/.exec(given)?.[1] ?? 0);
  return endsAt > Date.now() / 1000 && tokenHash(given) === tokenHash(cookieOf(config, endsAt));
}

/** Returns whether the browser uses TLS: up to this server, or up to a proxy that says so, or by the origin of the form. */
function isByTls(req: Request): boolean {
  const forwarded = req.get('x-forwarded-proto')?.split(',')[0]?.trim().toLowerCase();
  // a forged header can only keep the caller's own cookie from a connection without TLS
  return req.secure || forwarded === 'https' || req.get('origin')?.startsWith('https://') === true;
}

async function logIn(options: CodecOptions, req: Request, res: Response): Promise<void> {
  const { password } = (req.body ?? {}) as { password?: unknown };
  if (!(await comparePassword(options, typeof password === 'string' ? password : '', req, res))) return;
  options.events.operatorLoggedIn(true);
  const endsAt = Math.floor(Date.now() / 1000) + cookieSeconds;
  const cookie = `${cookieName}=${cookieOf(options.config, endsAt)}${isByTls(req) ? '; Secure' : ''}`;
  res.set('Set-Cookie', `${cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${cookieSeconds}`);
  sendPage(res);
}

function sendPage(res: Response): void {
  res.type('html').set('Content-Security-Policy', "default-src 'none'");
  res.send(`<!doctype html><title>Vyry codec</title><form method="post" action="/login"><label>Operators’ password
<input type="password" name="password" autocomplete="current-password"></label> <button>Log in</button></form>`);
}

interface JsonPayload {
  metadata?: Record<string, string>;
  data?: string;
}

const JsonPayloads = z.object({
  payloads: z
    .array(z.object({ metadata: z.record(z.string(), z.string()).default({}), data: z.string().default('') }))
    .default([]),
});

/**
 * Parses the JSON form of protobuf, with bytes in base64. The CLI sends `{}` for an empty list.
 *
 * @throws {Failure} malformed
 */
function readPayloads(body: unknown): Payload[] {
  return parse(JsonPayloads, body).payloads.map(({ metadata, data }) => ({
    metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value, 'base64')])),
    data: Buffer.from(data, 'base64'),
  }));
}

function toJson({ metadata, data }: Payload): JsonPayload {
  const entries = Object.entries(metadata ?? {}).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data ?? []).toString('base64') };
}
