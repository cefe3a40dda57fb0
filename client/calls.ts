/**
 * The operations of contract/ as methods: one for each row, with its input and its answer. A call that can be repeated is
 * repeated when no answer came; every other refusal is an error.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import type { z } from 'zod';
import { toBase64Url } from './bytes.ts';
import type { Closing } from './closing.ts';
import { errorOf, hasCode, VyryError } from './errors.ts';
import { fullJitterMs } from './jitter.ts';
import { type CallId, type CallRow, callRows, type Rows } from './operations.ts';

type Row<Id extends CallId> = Rows[Id];
type Names<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer More}`
    ? Name | Names<More>
    : Rest
  : never;
type BodyInput<O> = O extends { body: infer S extends z.ZodType }
  ? undefined extends z.input<S>
    ? { body?: z.input<S> }
    : { body: z.input<S> }
  : unknown;
type QueryInput<O> = O extends { query: infer S extends z.ZodType } ? { query?: z.input<S> } : unknown;
/** Registrations and links have a token of their own; a session's is that of the client. */
type TokenInput<O> = O extends { auth: 'registration' | 'link' | 'deletion' } ? { token: string } : { token?: string };

/** The input of a call: the parameters of its path by their names, its query, body and token. */
type Input<Id extends CallId> = Record<Names<Row<Id>['path']>, string> &
  BodyInput<Row<Id>> &
  QueryInput<Row<Id>> &
  TokenInput<Row<Id>>;

/** The body of a successful answer. */
type Result<Id extends CallId> = {
  [S in keyof Row<Id>['answers']]: Row<Id>['answers'][S] extends z.ZodType
    ? z.output<Row<Id>['answers'][S]>
    : undefined;
}[keyof Row<Id>['answers']];

/** A method for each operation. It throws a `VyryError` unless the operation succeeds. */
export type Calls = {
  [Id in CallId]: Record<never, never> extends Input<Id>
    ? (input?: Input<Id>) => Promise<Result<Id>>
    : (input: Input<Id>) => Promise<Result<Id>>;
};

/** What calls need. */
export interface Transport {
  /** The origin of the server, such as `https://chat.example.org`. */
  origin: string;
  fetch: typeof fetch;
  /** Returns the access token of the session. */
  accessToken(): Promise<string>;
  /** Returns another access token than the one that was refused. */
  renewedToken(refused: string): Promise<string>;
  /** Ends what waits when the client is closed. */
  closing: Closing;
}

interface AnyInput {
  body?: unknown;
  query?: Record<string, string>;
  token?: string;
}

/** A long poll takes 30 s. */
const requestTimeoutMs = 60_000;
const attemptsMax = 4;
const backoffMs = 250;
/** A server that asks for a longer wait is left to the application. */
const waitSecondsMax = 5;

/** Creates the methods. */
export function createCalls(transport: Transport): Calls {
  const methods = Object.entries(callRows).map(([id, row]) => [
    id,
    (input: AnyInput = {}) => {
      const request = requestOf(transport.origin, row, input);
      const perform = () => performWithToken(transport, row, request, input.token);
      return row.isRepeatable ? repeated(transport, perform) : perform();
    },
  ]);
  return Object.fromEntries(methods) as Calls;
}

/** Runs a call again with full jitter while no answer comes, or the server says that a dependency is unavailable. */
async function repeated<T>(transport: Transport, perform: () => Promise<T>, attempt = 1): Promise<T> {
  try {
    return await perform();
  } catch (err) {
    const waitSeconds = err instanceof VyryError ? (err.retryAfterSeconds ?? 0) : 0;
    const isPassing = hasCode(err, 'UNREACHABLE', 'UNAVAILABLE') && waitSeconds <= waitSecondsMax;
    if (!isPassing || attempt === attemptsMax) throw err;
    await transport.closing.delay(waitSeconds * 1000 + fullJitterMs(attempt, { baseMs: backoffMs }));
    return await repeated(transport, perform, attempt + 1);
  }
}

interface PreparedRequest {
  url: string;
  init: RequestInit & { headers: Record<string, string> };
}

/** The key of a repeat is that of the first attempt. */
function requestOf(origin: string, row: CallRow, { body, query, token: _, ...params }: AnyInput): PreparedRequest {
  const path = row.path.replace(/:(\w+)/g, (_, name) =>
    encodeURIComponent((params as Record<string, string>)[name] ?? ''),
  );
  const search = query === undefined ? '' : `?${new URLSearchParams(query)}`;
  const headers: Record<string, string> = {
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(row.hasKey && { 'idempotency-key': toBase64Url(randomBytes(16)) }),
  };
  return {
    url: `${origin}${path}${search}`,
    init: { method: row.method.toUpperCase(), headers, ...(body !== undefined && { body: JSON.stringify(body) }) },
  };
}

/** A session whose access token was refused gets another one, once. */
async function performWithToken(
  transport: Transport,
  row: CallRow,
  request: PreparedRequest,
  token: string | undefined,
): Promise<unknown> {
  const isOfSession = token === undefined && (row.auth === 'session' || row.auth === 'device');
  if (!isOfSession) return await perform(transport, request, token);
  const accessToken = await transport.accessToken();
  try {
    return await perform(transport, request, accessToken);
  } catch (err) {
    if (!hasCode(err, 'INVALID_TOKEN')) throw err;
    return await perform(transport, request, await transport.renewedToken(accessToken));
  }
}

/** @throws {VyryError} no answer came, or one that is no success */
async function perform(transport: Transport, request: PreparedRequest, token: string | undefined): Promise<unknown> {
  const { init, url } = request;
  const headers = token === undefined ? init.headers : { ...init.headers, authorization: `Bearer ${token}` };
  transport.closing.signal.throwIfAborted();
  const signal = AbortSignal.any([transport.closing.signal, AbortSignal.timeout(requestTimeoutMs)]);
  // a redirect could carry the token to another server
  const options: RequestInit = { ...init, headers, signal, redirect: 'error', credentials: 'omit', cache: 'no-store' };
  const unreachable = (cause: unknown): never => {
    transport.closing.signal.throwIfAborted();
    throw new VyryError('UNREACHABLE', 'The server did not answer', { cause });
  };
  const response = await transport.fetch(url, options).catch(unreachable);
  if (!response.ok) throw await errorOf(response);
  // what is no JSON comes from something between, such as the log-in page of a network
  return await response.text().then(readJson).catch(unreachable);
}

function readJson(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text);
}
