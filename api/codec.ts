/**
 * The codec endpoint of the Temporal Web UI and CLI: decrypts payloads for operators. It shows personal data, so it listens
 * on loopback, or asks for the operators' password: as a bearer token (CLI), or as the cookie of its log-in page (browser).
 * https://docs.temporal.io/production-deployment/data-encryption
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { isRedisOutage } from '../adapters/redis/connect.ts';
import type { Limit, RateLimits } from '../adapters/redis/rate-limits.ts';
import type { Config } from '../platform/config.ts';
import { deriveKey, keyedHash, newId, tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events.ts';
import { BodyTooLarge, discardBody, readBody } from '../platform/http-body.ts';
import { type Logger, traces } from '../platform/log.ts';
import { requestTrace } from '../platform/spans.ts';

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
/** Wrong passwords an address may try. */
const loginLimit: Limit = { name: 'operator-login', windows: [{ max: 10, windowSeconds: 900 }] };

/**
 * Creates the endpoint.
 *
 * @throws {Error} it would listen beyond loopback without a password
 */
export function createCodecServer(options: CodecOptions): Server {
  const { CODEC_HOST: host, CODEC_PASSWORD: password } = options.config;
  if (password === undefined && !loopback.includes(host)) {
    throw new Error('Bad configuration of api:\n  CODEC_HOST beyond loopback needs CODEC_PASSWORD');
  }
  return createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (req, res) => {
    const trace = requestTrace({ ip: addressOf(req), userAgent: req.headers['user-agent'] });
    const beganAt = performance.now();
    res.once('close', () => {
      const seconds = (performance.now() - beganAt) / 1000;
      options.events.codecAnswered({ path: countedPathOf(req), status: res.statusCode, seconds });
    });
    traces.run(trace, () =>
      handle(req, res, options).catch(async (err: unknown) => {
        options.log.warn({ event: 'codec.failed', reason: (err as Error).message });
        if (!res.headersSent) await end(res, statusOf(err));
        else res.destroy();
      }),
    );
  });
}

async function handle(req: IncomingMessage, res: ServerResponse, options: CodecOptions): Promise<void> {
  allowOrigin(req, res, options.config.CODEC_ORIGINS);
  if (!isExpectedHost(req, options.config)) return end(res, 421);
  if (req.method === 'OPTIONS') return end(res, 204);
  // the Web UI adds a query to the path
  const { pathname } = new URL(req.url ?? '/', 'http://codec');
  if (req.method === 'GET' && pathname === '/') return endPage(res);
  if (req.method !== 'POST') return end(res, 404);
  if (pathname === '/login') return logIn(req, res, options);
  if (pathname !== '/decode' && pathname !== '/encode') return end(res, 404);
  // a browser asks before it sends this type across sites, so only listed origins get here
  if (!req.headers['content-type']?.startsWith('application/json')) return end(res, 415);
  if (!(await admit(req, res, options))) return;
  await convert(req, res, pathname, options);
}

function statusOf(err: unknown): number {
  if (err instanceof BodyTooLarge) return 413;
  return isRedisOutage(err) ? 503 : 400;
}

/** What a request is counted as: whatever is asked, there are few. */
function countedPathOf(req: IncomingMessage): string {
  const [path = ''] = (req.url ?? '').split('?');
  return paths.includes(path) ? path : 'unknown';
}

async function convert(
  req: IncomingMessage,
  res: ServerResponse,
  pathname: string,
  { codec, events }: CodecOptions,
): Promise<void> {
  const payloads = readPayloads(await readBody(req, bodyBytesMax));
  const answer = pathname === '/decode' ? await codec.decode(payloads) : await codec.encode(payloads);
  if (pathname === '/decode') events.payloadsDecoded(payloads.length);
  res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ payloads: answer.map(toJson) }));
}

function allowOrigin(req: IncomingMessage, res: ServerResponse, origins: readonly string[]): void {
  const { origin } = req.headers;
  res.setHeader('Vary', 'Origin');
  if (origin === undefined || !origins.includes(origin)) return;
  res.setHeader('Access-Control-Allow-Origin', origin);
  res.setHeader('Access-Control-Allow-Credentials', 'true');
  res.setHeader('Access-Control-Allow-Methods', 'POST');
  res.setHeader('Access-Control-Allow-Headers', 'content-type,x-namespace,authorization,caller-type');
}

/** Without a password only names of this machine are answered to, so that no foreign name can be rebound to it. */
function isExpectedHost(req: IncomingMessage, config: CodecOptions['config']): boolean {
  const host = (req.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return config.CODEC_PASSWORD !== undefined || loopback.includes(host);
}

/** Lets an operator pass, by bearer or cookie; answers everybody else. */
async function admit(req: IncomingMessage, res: ServerResponse, options: CodecOptions): Promise<boolean> {
  const { config } = options;
  if (config.CODEC_PASSWORD === undefined) return true;
  const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return comparePassword(bearer, req, res, options);
  const cookie = new RegExp(`(?:^|; )${cookieName}=([\\w-]+)`).exec(req.headers.cookie ?? '')?.[1];
  const isRight = cookie !== undefined && tokenHash(cookie) === tokenHash(cookieOf(config));
  if (!isRight) await end(res, 401);
  return isRight;
}

/** Compares the operators' password within the tries of an address, which are taken before; answers when it is wrong. */
async function comparePassword(
  given: string,
  req: IncomingMessage,
  res: ServerResponse,
  { config, events, rateLimits }: CodecOptions,
): Promise<boolean> {
  const tryId = newId();
  const address = addressOf(req);
  const { allowed, resetSeconds } = await rateLimits.consume(loginLimit, address, tryId, Date.now());
  if (!allowed) {
    res.setHeader('Retry-After', resetSeconds);
    await end(res, 429);
    return false;
  }
  // hashes are compared, so the time it takes tells nothing of the password
  const isRight = config.CODEC_PASSWORD !== undefined && tokenHash(given) === tokenHash(config.CODEC_PASSWORD.reveal());
  if (isRight) await rateLimits.refund(loginLimit, address, tryId);
  else {
    events.operatorLoggedIn(false);
    await end(res, 401);
  }
  return isRight;
}

function cookieOf({ PAYLOAD_KEY: key, CODEC_PASSWORD: password }: CodecOptions['config']): string {
  return keyedHash(deriveKey(key, 'operator'), password?.reveal() ?? '');
}

async function logIn(req: IncomingMessage, res: ServerResponse, options: CodecOptions): Promise<void> {
  const given = new URLSearchParams(await readBody(req, bodyBytesMax)).get('password') ?? '';
  if (!(await comparePassword(given, req, res, options))) return;
  options.events.operatorLoggedIn(true);
  const cookie = `${cookieName}=${cookieOf(options.config)}`;
  res.setHeader('Set-Cookie', `${cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=28800`);
  endPage(res);
}

function endPage(res: ServerResponse): void {
  res.setHeader('Content-Type', 'text/html; charset=utf-8').setHeader('Content-Security-Policy', "default-src 'none'");
  res.end(`<!doctype html><title>Vyry codec</title><form method="post" action="/login"><label>Operators’ password
<input type="password" name="password" autocomplete="current-password"></label> <button>Log in</button></form>`);
}

function addressOf(req: IncomingMessage): string {
  return req.socket.remoteAddress ?? '';
}

async function end(res: ServerResponse, status: number): Promise<void> {
  await discardBody(res.req);
  res.writeHead(status).end();
}

interface JsonPayload {
  metadata?: Record<string, string>;
  data?: string;
}

/** Protobuf's JSON form: bytes in base64. The CLI sends `{}` for an empty list. */
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
