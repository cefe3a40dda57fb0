/** What the Express apps of the REST API and of the codec endpoint share. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { parse as parseForm } from 'node:querystring';
import cors, { type CorsOptions } from 'cors';
import express, { type Application, type Express, type Request, type RequestHandler } from 'express';
import { clientAddressOf } from '../adapters/ip-addresses.ts';
import { Failure } from '../domain/failures.ts';
import { ambiguityIn, discardBody, isUtf8Escaped, useOriginForm } from '../platform/http.ts';
import type { TrustProxy } from './deps.ts';
import { malformed } from './parse.ts';

/** Timeouts of a request, in milliseconds. */
const serverOptions = { requestTimeout: 30_000, headersTimeout: 10_000 };

/** The media types of bodies, each with its parser of text. */
const parsers = {
  'application/json': readJson,
  'application/x-www-form-urlencoded': readForm,
} as const;

/** A media type of bodies. */
export type BodyType = keyof typeof parsers;

/**
 * Creates an app without the headers that reveal or cache anything. Paths are compared exactly, so that a rule of a
 * proxy about a path applies to all that the app answers. `proxies` is `TRUST_PROXY`.
 */
export function createHttpApp(proxies: readonly string[]): Express {
  const app = express();
  app.enable('case sensitive routing').enable('strict routing');
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('etag', false);
  app.set('trust proxy', trustedProxies(proxies));
  return app;
}

/**
 * Creates the server of an app, or of what answers before it. Requests for an upgrade are answered as if they were none (RFC 9110 section 7.8), unless
 * `isUpgrade` says otherwise.
 */
export function createHttpServer(
  app: RequestListener,
  isUpgrade: (req: IncomingMessage) => boolean = () => false,
): Server {
  return createServer({ ...serverOptions, shouldUpgradeCallback: isUpgrade }, (req, res) => {
    // before Express, which keeps what it has read of the target
    useOriginForm(req);
    app(req, res);
  });
}

/** Returns the rule by which `X-Forwarded-For` is trusted, for other transports. */
export function readTrustProxy(app: Application): TrustProxy {
  return app.get('trust proxy fn') as TrustProxy;
}

/** Returns a header of a request by its name in lower case. */
export function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  // Node makes a list of `set-cookie` only, which no request has
  return headers[name] as string | undefined;
}

/** Returns the address of the client, by `TRUST_PROXY`. */
export function addressOf(req: IncomingMessage, trust: TrustProxy): string {
  return clientAddressOf({ peer: req.socket.remoteAddress, forwarded: headerOf(req, 'x-forwarded-for'), trust });
}

/** Returns the origin that a request was sent to, by `TRUST_PROXY`: a trusted proxy says by which protocol. */
export function originOf(req: IncomingMessage, trust: TrustProxy): string {
  const isTrusted = trust(req.socket.remoteAddress ?? '', 0);
  const [protocol = ''] = (isTrusted && headerOf(req, 'x-forwarded-proto')?.split(',')) || ['http'];
  return `${protocol.trim()}://${req.headers.host ?? ''}`;
}

/** Refuses a request that a proxy may have read differently. @throws {Failure} malformed */
export function refuseAmbiguous(req: IncomingMessage): void {
  const ambiguity = ambiguityIn(req);
  if (ambiguity !== undefined) throw malformed(ambiguity, 'must be given once and in its plain form');
}

/** `refuseAmbiguous` for Express. @throws {Failure} malformed */
export const requireUnambiguous: RequestHandler = (req, _res, next) => {
  refuseAmbiguous(req);
  next();
};

/**
 * Answers the other methods of known paths with 405 and `Allow` (RFC 9110 section 15.5.6), and other paths with 404. It
 * comes after all routes. A route is skipped for `HEAD` by `isHead`, unless it answers it as `GET`.
 *
 * @throws {Failure} method-not-allowed, not-found
 */
export function refuseUnrouted(
  app: Express,
  routes: readonly { method: string; path: string; isHead: boolean }[],
): void {
  for (const { method, path, isHead } of routes) {
    app.all(path, (_req, res, next) => {
      const others = (res.locals.allowed as string[] | undefined) ?? [];
      res.locals.allowed = [...others, method.toUpperCase(), ...(isHead ? ['HEAD'] : [])];
      next();
    });
  }
  app.use((_req, res) => {
    const allowed = res.locals.allowed as string[] | undefined;
    if (allowed === undefined) throw new Failure('not-found');
    res.setHeader('Allow', [...new Set(allowed)].join(', '));
    throw new Failure('method-not-allowed');
  });
}

/**
 * Requires a media type of a body, in UTF-8 (RFC 8259 section 8.1). Browsers send JSON across origins only after a
 * preflight.
 *
 * @throws {Failure} media-type-unsupported; malformed for another charset
 */
export function requireMediaType(typeOf: (req: Request) => BodyType): RequestHandler {
  return (req, _res, next) => {
    if (!hasBody(req)) return next();
    if (!req.is(typeOf(req))) throw new Failure('media-type-unsupported');
    if (!isUtf8(req.get('content-type') ?? '')) throw malformed('Content-Type', 'must have the charset UTF-8');
    next();
  };
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Returns whether a media type has no other charset than UTF-8; it is the default (RFC 8259 section 8.1). */
function isUtf8(type: string): boolean {
  const charsets = [...type.matchAll(/;\s*charset\s*=\s*("?)([^";\s]*)\1/gi)];
  return charsets.every(([, , charset = '']) => charset.toLowerCase() === 'utf-8');
}

/**
 * Reads the body as the media type that `requireMediaType` has required; an empty one is like none. Bytes that are not
 * UTF-8 are refused and not replaced, because two different secrets would become equal.
 *
 * @throws {Failure} malformed, body-too-large
 */
export function readBody(typeOf: (req: Request) => BodyType, bytesMaxOf: (req: Request) => number): RequestHandler[] {
  const readers = new Map<number, RequestHandler>();
  const readerOf = (limit: number) => readers.get(limit) ?? express.raw({ type: () => true, limit });
  const readRaw: RequestHandler = (req, res, next) => {
    const limit = bytesMaxOf(req);
    const reader = readerOf(limit);
    readers.set(limit, reader);
    reader(req, res, next);
  };
  const parseText: RequestHandler = (req, _res, next) => {
    req.body = readBytes(req.body, typeOf(req));
    next();
  };
  return [readRaw, parseText];
}

function readBytes(bytes: unknown, type: BodyType): unknown {
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    // JSON.parse refuses a byte order mark; a form would keep it in its first name
    if (text.startsWith('\ufeff')) throw new SyntaxError('byte order mark');
    return parsers[type](text);
  } catch {
    throw new Failure('malformed');
  }
}

/**
 * Parsers disagree about which of two values of one name counts (RFC 8259 section 4), so neither does.
 *
 * @throws {SyntaxError} it is no JSON, or an object has a name twice
 */
function readJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const written = [...text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"\s*(:?)/g)].filter(([, colon]) => colon === ':').length;
  if (written !== countNames(value)) throw new SyntaxError('a name twice');
  return value;
}

/** Without recursion, because a body may nest deeper than the stack. */
function countNames(value: unknown): number {
  let count = 0;
  const open = [value];
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    if (typeof part !== 'object' || part === null) continue;
    const values = Object.values(part);
    if (!Array.isArray(part)) count += values.length;
    // one by one, because an array may have more items than a call takes arguments
    for (const item of values) open.push(item);
  }
  return count;
}

/** @throws {SyntaxError} an escape is not UTF-8 */
function readForm(text: string): unknown {
  if (!isUtf8Escaped(text)) throw new SyntaxError('escape');
  return { ...parseForm(text, '&', '=', { maxKeys: 0 }) };
}

/** The header of a response without CORS: a cache must not return it to a browser of another origin. */
export const varyByOrigin = ['Vary', 'Origin'] as const;

/** Allows browsers to call from other origins. A request without `Origin` is not a cross-origin request. */
export function allowCors(options: CorsOptions): RequestHandler {
  const share = cors(options);
  return (req, res, next) => {
    if (req.headers.origin !== undefined || req.method === 'OPTIONS') return share(req, res, next);
    res.setHeader(...varyByOrigin);
    next();
  };
}

/** Sends JSON with headers, names and values in turns. A text goes out in one piece with the head of the response. */
export function sendJson(res: ServerResponse, status: number, body: unknown, headers: readonly string[] = []): void {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  res.writeHead(status, [...headers, 'Content-Type', 'application/json; charset=utf-8', 'Content-Length', length]);
  res.end(text);
}

/** Sends an error after discarding the rest of the body, so that the sender gets the response. */
export async function sendError(
  res: ServerResponse,
  { status, headers = {}, body }: { status: number; headers?: Record<string, string>; body?: unknown },
  more: readonly string[] = [],
): Promise<void> {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (res.getHeader('connection') !== 'close') await discardBody(res.req);
  const all = [...more, ...Object.entries(headers).flat()];
  if (body === undefined) res.writeHead(status, all).end();
  else sendJson(res, status, body, all);
}

function trustedProxies(proxies: readonly string[]): number | string[] | false {
  if (proxies.length === 0) return false;
  const first = Number(proxies[0]);
  return proxies.length === 1 && Number.isInteger(first) ? first : [...proxies];
}
