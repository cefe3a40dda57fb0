/**
 * The HTTP server that all fakes share. Routes are a table and answers are data, so that a fault can hold an answer or
 * drop the connection instead.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import { discardBody } from '../../platform/http.ts';

const bodyBytesMax = 1_048_576;

/** A request body over its limit. The connection is still open: discard the rest, then respond. */
class BodyTooLarge extends Error {
  constructor(bytesMax: number) {
    super(`The body is over ${bytesMax} bytes`);
    this.name = 'BodyTooLarge';
  }
}

/** A request whose body was read completely. */
export interface Call {
  method: string;
  url: URL;
  /** The named groups of the route's path. */
  params: Record<string, string>;
  headers: IncomingHttpHeaders;
  body: string;
  /** The body as it was sent. */
  bytes: Buffer;
  /** Aborts when the client disconnects or the server closes. */
  signal: AbortSignal;
}

/** The answer to a call; `'drop'` destroys the connection without an answer. */
export type Answer = { status: number; headers?: Record<string, string>; body: string } | 'drop';

/** One row of the route table; without a method it accepts all methods. */
export interface Route {
  method?: string;
  path: RegExp;
  answer(call: Call): Answer | Promise<Answer>;
}

/** Thrown to refuse a request: answered with its status and `{ "message": … }`. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Returns an answer in JSON. */
export function json(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}

/**
 * Parses the body of a call as JSON by a schema.
 *
 * @throws {Refusal} 400 that names the invalid fields
 */
export function readJson<T extends z.ZodType>(call: Call, schema: T): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(call.body);
  } catch {
    throw new Refusal(400, 'The body is not JSON');
  }
  return parse(value, schema);
}

/**
 * Parses the query of a call by a schema; an empty value counts as absent.
 *
 * @throws {Refusal} 400 that names the invalid parameters
 */
export function readQuery<T extends z.ZodType>(call: Call, schema: T): z.output<T> {
  const given = [...call.url.searchParams].filter(([, value]) => value !== '');
  const query = Object.fromEntries(given);
  if (Object.keys(query).length < given.length) throw new Refusal(400, 'A query parameter is given twice');
  return parse(query, schema);
}

/** Returns the form of a call (application/x-www-form-urlencoded); empty for another content type. */
export function readForm(call: Call): URLSearchParams {
  const isForm = call.headers['content-type']?.split(';')[0]?.trim() === 'application/x-www-form-urlencoded';
  return new URLSearchParams(isForm ? call.body : '');
}

/** Starts a server that answers by the first matching route; port 0 is a free one. With a certificate it speaks HTTPS. */
export async function startHttpServer(
  routes: readonly Route[],
  { host, port, tls }: { host: string; port: number; tls?: { cert: string; key: string } },
): Promise<{ port: number; close(): Promise<void> }> {
  const answer = (req: IncomingMessage, res: ServerResponse) => {
    void handle(routes, req, res);
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function handle(routes: readonly Route[], req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const answer = await respond(routes, req, gone.signal).catch((err: unknown) => toRefusal(err, gone.signal));
  if (answer === 'drop') {
    req.socket.destroy();
    return;
  }
  await discardBody(req);
  if (answer.status !== 204) res.setHeader('content-length', Buffer.byteLength(answer.body));
  res.writeHead(answer.status, answer.headers ?? {}).end(answer.body);
}

async function respond(routes: readonly Route[], req: IncomingMessage, signal: AbortSignal): Promise<Answer> {
  const url = new URL(req.url ?? '/', 'http://fakes.invalid');
  const method = req.method ?? 'GET';
  const atPath = routes.filter((route) => route.path.test(url.pathname));
  const route = atPath.find((candidate) => candidate.method === undefined || candidate.method === method);
  if (route === undefined && atPath.length > 0) {
    return json(405, { message: `No ${method} here` }, { allow: atPath.map((other) => other.method).join(', ') });
  }
  if (route === undefined) throw new Refusal(404, `Nothing at ${url.pathname}`);
  const params = { ...route.path.exec(url.pathname)?.groups };
  const bytes = await readBody(req, bodyBytesMax);
  return route.answer({ method, url, params, headers: req.headers, body: bytes.toString(), bytes, signal });
}

function toRefusal(err: unknown, signal: AbortSignal): Answer {
  if (err instanceof Refusal) return json(err.status, { message: err.message });
  if (err instanceof BodyTooLarge) return json(413, { message: err.message });
  if (signal.aborted) return 'drop';
  return json(500, { message: 'The fake failed', cause: String(err) });
}

function parse<T extends z.ZodType>(value: unknown, schema: T): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`);
  throw new Refusal(400, issues.join('; '));
}

/**
 * Reads a request body and keeps at most `bytesMax` bytes of it.
 *
 * @throws {BodyTooLarge} as soon as the limit is exceeded
 * @throws {Error} the sender closed the connection
 */
async function readBody(req: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // by default, leaving the loop early destroys the request and its connection, so no response could be sent
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BodyTooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
