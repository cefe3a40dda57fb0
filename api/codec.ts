/**
 * The codec endpoint of the Temporal Web UI and CLI: decrypts payloads for operators. Payloads contain personal data,
 * so the endpoint listens on loopback, or requires the password of the operators: as a bearer token (CLI), or as the
 * cookie of its log-in page (browser).
 * https://docs.temporal.io/production-deployment/data-encryption
 */
import type { Payload, PayloadCodec } from '@temporalio/common';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import type { Limit, RateLimits } from '../adapters/redis/rate-limits.ts';
import { failures } from '../contract/failures.ts';
import type { Config } from '../platform/config/config.ts';
import { deriveKey, keyedHash, newId, tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import { type Logger, traces } from '../platform/log.ts';
import { requestTrace } from '../platform/spans.ts';
import { allowCors, createHttpApp, sendError } from './http.ts';
import { failureOf } from './problems.ts';

interface CodecOptions {
  config: Pick<Config<'api'>, 'CODEC_HOST' | 'CODEC_ORIGINS' | 'CODEC_PASSWORD' | 'PAYLOAD_KEY'>;
  codec: PayloadCodec;
  log: Logger;
  events: Pick<Events, 'operatorLoggedIn' | 'payloadsDecoded' | 'codecAnswered'>;
  rateLimits: RateLimits;
}

const bodyBytesMax = 4 * 1024 * 1024;
const loopback = ['127.0.0.1', '::1', 'localhost'];
const paths = ['/', '/login', '/decode', '/encode'];
const cookieName = 'vyry-codec';
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
  const app = createHttpApp();
  app.enable('case sensitive routing').enable('strict routing');
  app.use((req, res, next) => recordTelemetry(options, req, res, next));
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
  app.post('/login', express.urlencoded({ extended: false, limit: bodyBytesMax }), (req, res) =>
    logIn(options, req, res),
  );
  app.post(
    ['/decode', '/encode'],
    requireJson,
    (req, res, next) => admit(options, req, res, next),
    express.text({ type: 'application/json', limit: bodyBytesMax }),
    (req, res) => convert(options, req, res),
  );
  app.use((_req, res) => sendError(res, { status: 404 }));
  app.use((err: unknown, _req: Request, res: Response, _next: NextFunction) => {
    options.log.warn({ event: 'codec.failed', reason: (err as Error).message });
    return sendError(res, { status: statusOf(err) });
  });
  return app;
}

function recordTelemetry({ events }: CodecOptions, req: Request, res: Response, next: NextFunction): void {
  const beganAt = performance.now();
  // unknown paths share one label, so that the number of time series is bounded
  const path = paths.includes(req.path) ? req.path : 'unknown';
  res.once('close', () => {
    events.codecAnswered({ path, status: res.statusCode, seconds: (performance.now() - beganAt) / 1000 });
  });
  traces.run(requestTrace({ ip: addressOf(req), userAgent: req.get('user-agent') }), next);
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

/** Browsers send a preflight before this type across origins, so only listed origins can send it. */
async function requireJson(req: Request, res: Response, next: NextFunction): Promise<void> {
  if (req.headers['content-type']?.startsWith('application/json')) next();
  else await sendError(res, { status: 415 });
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
  if (cookie !== undefined && tokenHash(cookie) === tokenHash(cookieOf(config))) next();
  else await sendError(res, { status: 401 });
}

async function convert({ codec, events }: CodecOptions, req: Request, res: Response): Promise<void> {
  const payloads = readPayloads(String(req.body));
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
  const address = addressOf(req);
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

function cookieOf({ PAYLOAD_KEY: key, CODEC_PASSWORD: password }: CodecOptions['config']): string {
  return keyedHash(deriveKey(key, 'operator'), password?.reveal() ?? '');
}

async function logIn(options: CodecOptions, req: Request, res: Response): Promise<void> {
  const { password } = (req.body ?? {}) as { password?: unknown };
  if (!(await comparePassword(options, typeof password === 'string' ? password : '', req, res))) return;
  options.events.operatorLoggedIn(true);
  const cookie = `${cookieName}=${cookieOf(options.config)}`;
  res.set('Set-Cookie', `${cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=28800`);
  sendPage(res);
}

function sendPage(res: Response): void {
  res.type('html').set('Content-Security-Policy', "default-src 'none'");
  res.send(`<!doctype html><title>Vyry codec</title><form method="post" action="/login"><label>Operators’ password
<input type="password" name="password" autocomplete="current-password"></label> <button>Log in</button></form>`);
}

function addressOf(req: Request): string {
  return req.socket.remoteAddress ?? '';
}

interface JsonPayload {
  metadata?: Record<string, string>;
  data?: string;
}

/** Parses the JSON form of protobuf, with bytes in base64. The CLI sends `{}` for an empty list. */
function readPayloads(body: string): Payload[] {
  const { payloads = [] } = JSON.parse(body) as { payloads?: JsonPayload[] };
  return payloads.map(({ metadata = {}, data = '' }) => ({
    metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value, 'base64')])),
    data: Buffer.from(data, 'base64'),
  }));
}

function toJson({ metadata, data }: Payload): JsonPayload {
  const entries = Object.entries(metadata ?? {}).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data ?? []).toString('base64') };
}
