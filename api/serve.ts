/**
 * Executes operations, for every transport in the same order:
 *
 * 1. The limit of requests by source. The transport counts it, before it reads the body.
 * 2. Authentication: the credential that the operation needs; the handler gets its holder.
 * 3. Parsing of body and query.
 * 4. Step-up: a recent authentication, where the operation needs one.
 * 5. Idempotency: a repeated request gets the first answer.
 * 6. The handler, which consumes the limits of its subject.
 *
 * No step runs before those above it have passed.
 */
import type { AnswerOf, Auth, BodyOf, Idempotent, Operation, QueryOf, RpcOperation } from '../contract/operation.ts';
import { Failure } from '../domain/failures.ts';
import { keyedHash, newId, newToken } from '../platform/crypto.ts';
import { authenticate, type Holders, requireStepUp } from './authenticate.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { malformed, parse } from './parse.ts';

/** A request from a transport, not validated yet. */
export interface ApiRequest {
  params: Record<string, string>;
  query: unknown;
  body: unknown;
  /** The header or metadata of this name. */
  authorization: string | undefined;
  caller: Caller;
  /** What providers sign: path and query as received, and the signature. */
  signed?: { path: string; signature: string | undefined };
}

/** An answer as a transport returns it. */
export interface ApiAnswer {
  status: number;
  body?: unknown;
}

/** Random values of one request. A repeat with the same `Idempotency-Key` gets the same ones, also after a crash. */
export interface Minted {
  /** 128 bits, hexadecimal. */
  id: string;
  /** 256 bits, base64url. */
  token: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
}

type NamesIn<P> = P extends `${string}:${infer N}/${infer Rest}`
  ? N | NamesIn<Rest>
  : P extends `${string}:${infer N}`
    ? N
    : never;

/** What a handler gets: everything has been authenticated and parsed. */
export interface HandlerInput<O extends RpcOperation> {
  holder: Holders[O['auth']];
  body: BodyOf<O>;
  query: QueryOf<O>;
  params: Record<O extends Operation ? NamesIn<O['path']> : never, string>;
  caller: Caller;
  minted: Minted;
  /** For operations whose body determines the required credential. */
  authorization: string | undefined;
}

/** Executes an operation. It throws a `Failure` to refuse. */
type Handler<O extends RpcOperation> = (deps: ApiDeps, input: HandlerInput<O>) => Promise<AnswerOf<O>>;

/** A handler for every operation of a table: a missing one does not compile. */
export type Handlers<T extends Record<string, RpcOperation>> = { [K in keyof T]: Handler<T[K]> };

/** An operation with its handler, as transports loop over them. */
export interface Served {
  id: string;
  operation: RpcOperation;
  handler: Handler<RpcOperation>;
}

/** Pairs a table with its handlers. The types of each pair fit by `Handlers`; a loop cannot express that. */
export function servedBy<T extends Record<string, RpcOperation>>(
  operations: T,
  handlers: Handlers<T>,
): Record<keyof T, Served> {
  const pairs = Object.entries(operations).map(([id, operation]) => {
    return [id, { id, operation, handler: handlers[id] as unknown as Handler<RpcOperation> }];
  });
  return Object.fromEntries(pairs) as Record<keyof T, Served>;
}

/**
 * Executes an operation.
 *
 * @throws {Failure} what the operation lists, and idempotency-key-reused
 */
export async function serve(deps: ApiDeps, served: Served, request: ApiRequest): Promise<ApiAnswer> {
  const { operation, handler } = served;
  const { params, caller, authorization } = request;
  const holder = await authenticate(deps, operation, request);
  const body = operation.body && parse(operation.body, request.body);
  const query = operation.query && parse(operation.query, request.query);
  if (needsStepUp(operation, body)) requireStepUp(deps, holder as Holders['session']);
  const run = (minted: Minted) =>
    handler(deps, { holder, body, query, params, caller, minted, authorization } as never) as Promise<ApiAnswer>;
  const minted = { id: newId(), token: newToken(), at: Date.now() };
  if (operation.idempotent === undefined || caller.idempotencyKey === undefined) return run(minted);
  return once(deps, { ...keyOf(served, { holder, caller, body }), idempotencyKey: caller.idempotencyKey }, minted, run);
}

function needsStepUp({ auth, stepUp = [] }: RpcOperation, body: unknown): boolean {
  // a stolen session of an admin must not give away the accounts of others
  if (auth === 'admin' || stepUp === 'always') return true;
  return typeof body === 'object' && body !== null && stepUp.some((field) => Object.hasOwn(body, field));
}

/** The scope that separates the keys of callers, and the part of the body that a repeat has in common. */
function keyOf(
  { id, operation }: Served,
  { holder, caller, body }: { holder: unknown; caller: Caller; body: unknown },
): { scope: string[]; common: unknown } {
  const { name = id, by, body: fields }: Idempotent = operation.idempotent === true ? {} : (operation.idempotent ?? {});
  const given = (body ?? {}) as Record<string, unknown>;
  const subject =
    by === undefined ? subjectOf(operation.auth, holder, caller) : by.map((field) => String(given[field]));
  const common = fields === undefined ? given : Object.fromEntries(fields.map((field) => [field, given[field]]));
  return { scope: [name, ...subject], common };
}

function subjectOf(auth: Auth, holder: unknown, { address }: Caller): string[] {
  if (auth === 'registration') return [(holder as Holders['registration']).registrationId];
  if (auth === 'session' || auth === 'admin') return [(holder as Holders['session']).userId];
  return [address];
}

/**
 * Runs a request once for its key. Its random values are stored before it runs, so that the same key and body run with
 * the same ids and get the same answer for 24 h, also after a crash. Refusals are not stored. A refusal as malformed
 * releases the key, because nothing was done.
 *
 * @throws {Failure} malformed, idempotency-key-reused, and what the handler throws
 */
async function once(
  { idempotency, hashKey }: Pick<ApiDeps, 'idempotency' | 'hashKey'>,
  { scope, common, idempotencyKey }: { scope: string[]; common: unknown; idempotencyKey: string },
  minted: Minted,
  run: (minted: Minted) => Promise<ApiAnswer>,
): Promise<ApiAnswer> {
  if (!/^[\x21-\x7e]{1,128}$/.test(idempotencyKey)) {
    throw malformed('Idempotency-Key', 'must be 1 to 128 visible ASCII characters');
  }
  const key = keyedHash(hashKey, ...scope, idempotencyKey);
  const reserved = await idempotency.reserve(key, keyedHash(hashKey, JSON.stringify(common)), minted);
  if (!reserved.sameBody) throw new Failure('idempotency-key-reused');
  if (reserved.answer !== undefined) return reserved.answer as ApiAnswer;
  try {
    const answer = await run(reserved.minted as Minted);
    await idempotency.keep(key, answer);
    return answer;
  } catch (err) {
    if (err instanceof Failure && err.code === 'malformed') await idempotency.release(key);
    throw err;
  }
}
