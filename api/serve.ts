/**
 * Executes operations, for every transport in the same order:
 *
 * 1. The limit of requests by source. The transport counts it, before it reads the body.
 * 2. Authentication: the credential that the operation needs; the handler gets its holder.
 * 3. Parsing of body and query.
 * 4. Probation of the device, then step-up: a recent authentication, where the operation needs one.
 * 5. Idempotency: a repeated request gets the first answer.
 * 6. The handler, which consumes the limits of its subject.
 *
 * No step runs before those above it have passed. Where the body itself proves who is asking, steps 5 and 6 change
 * places: the handler checks the proof, and what follows runs once. So a kept answer never replaces a proof.
 */
import { z } from 'zod';
import { keyFamilies } from '../adapters/redis/keys.ts';
import { failures } from '../contract/failures.ts';
import type { AnswerOf, Auth, BodyOf, Idempotent, Operation, QueryOf, RpcOperation } from '../contract/operation.ts';
import { isSecret } from '../contract/schemas.ts';
import { Failure } from '../domain/failures.ts';
import type { AuthSession } from '../domain/session.ts';
import { withinBudget } from '../platform/budget.ts';
import { keyedHash, newId, newToken } from '../platform/crypto.ts';
import {
  authenticate,
  type Holders,
  holderOfSession,
  requireNoProbation,
  requireStepUp,
  requireToken,
} from './authenticate.ts';
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

/** What a request may change of the connection that it came by. */
export interface LiveConnection {
  readonly session: AuthSession;
  /** Continues with another token of the session. */
  renew(session: AuthSession, expiresAt: number): void;
  /** Follows these users instead of those before. */
  follow(userIds: readonly string[]): Promise<void>;
  /** Messages were removed from the inbox of its device. */
  release(messageIds: readonly string[]): void;
}

type OnceDeps = Pick<ApiDeps, 'idempotency' | 'hashKey' | 'tokens' | 'sessions' | 'wakeUps'>;

/** What every operation needs. */
export type ServeDeps = OnceDeps & Pick<ApiDeps, 'config' | 'devices'>;

const lifeSeconds = keyFamilies.idempotency.life.seconds;
/** How long a stranger's key lives without an answer, and every answer with credentials. */
const shortSeconds = 60;

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

/** Runs what follows a proof, once for an `Idempotency-Key`: a repeat gets the first answer. */
export type Once = <A>(run: (minted: Minted) => Promise<A>) => Promise<A>;

/** What a handler gets: everything has been authenticated and parsed. */
export type HandlerInput<O extends RpcOperation> = {
  holder: Holders[O['auth']];
  body: BodyOf<O>;
  query: QueryOf<O>;
  params: Record<O extends Operation ? NamesIn<O['path']> : never, string>;
  caller: Caller;
  /** For operations whose body determines the required credential. */
  authorization: string | undefined;
  /** Absent for a request that did not come by a socket. */
  connection?: LiveConnection;
} & (O['idempotent'] extends { proof: true } ? { once: Once } : { minted: Minted });

/** Executes an operation. It throws a `Failure` to refuse. */
type Handler<O extends RpcOperation, D> = (deps: D, input: HandlerInput<O>) => Promise<AnswerOf<O>>;

/** A handler for every operation of a table: a missing one does not compile. `D`: what they may use. */
export type Handlers<T extends Record<string, RpcOperation>, D = ApiDeps> = { [K in keyof T]: Handler<T[K], D> };

/** An operation with its handler, as transports loop over them. */
export interface Served<D = ApiDeps> {
  id: string;
  operation: RpcOperation;
  handler: Handler<RpcOperation, D>;
}

/** Pairs a table with its handlers. The types of each pair fit by `Handlers`; a loop cannot express that. */
export function servedBy<T extends Record<string, RpcOperation>, D = ApiDeps>(
  operations: T,
  handlers: Handlers<T, D>,
): Record<keyof T, Served<D>> {
  const pairs = Object.entries(operations).map(([id, operation]) => {
    return [id, { id, operation, handler: handlers[id] as unknown as Handler<RpcOperation, D> }];
  });
  return Object.fromEntries(pairs) as Record<keyof T, Served<D>>;
}

/**
 * Executes an operation, within the budget of its request.
 *
 * @throws {Failure} what the operation lists, idempotency-key-reused, and unavailable without an answer in time
 */
export function serve(deps: ApiDeps, served: Served, request: ApiRequest): Promise<ApiAnswer> {
  return withinBudget(deps.config.REQUEST_BUDGET_MS, () => serveHot(deps, served, request));
}

/**
 * As `serve`, for operations that are asked often and make few calls: only these end with the budget, because a timer for each
 * request costs more than the rest of it.
 */
export async function serveHot(deps: ApiDeps, served: Served, request: ApiRequest): Promise<ApiAnswer> {
  return execute(deps, served, { ...request, holder: await authenticate(deps, served.operation, request) });
}

/**
 * Executes an operation for the session of a connection, which was authenticated when it was opened and ends with the
 * session.
 *
 * @throws {Failure} what the operation lists
 */
export async function serveConnection<D extends ServeDeps>(
  deps: D,
  served: Served<D>,
  { connection, body, caller }: { connection: LiveConnection; body: unknown; caller: Caller },
): Promise<ApiAnswer> {
  const holder = holderOfSession(served.operation.auth, connection.session);
  const request = { params: {}, query: undefined, body, authorization: undefined, caller };
  const run = () => execute(deps, served, { ...request, holder, connection });
  // of the frequent ones only the calls end with the budget, as in `serveHot`
  return served.operation.isCounted ? run() : withinBudget(deps.config.REQUEST_BUDGET_MS, run);
}

/** A request of an authenticated caller. */
interface HeldRequest extends ApiRequest {
  holder: Holders[Auth];
  connection?: LiveConnection;
}

async function execute<D extends ServeDeps>(
  deps: D,
  served: Served<D>,
  { holder, connection, ...request }: HeldRequest,
): Promise<ApiAnswer> {
  const { operation, handler } = served;
  const { params, caller, authorization } = request;
  const body = operation.body && parse(operation.body, request.body);
  const query = operation.query && parse(operation.query, request.query);
  if (operation.isBarredOnProbation) await requireNoProbation(deps, holder as Holders['session']);
  if (needsStepUp(operation, body)) requireStepUp(deps, holder as Holders['session']);
  const once = onceFor(deps, served, { holder, caller, body });
  const run = (given: { minted: Minted } | { once: Once }) =>
    handler(deps, {
      ...{ holder, body, query, params, caller, authorization, ...given },
      ...(connection && { connection }),
    } as never) as Promise<ApiAnswer>;
  if (isProof(operation)) return run({ once });
  return once((minted) => run({ minted }));
}

function isProof({ idempotent }: RpcOperation): boolean {
  return typeof idempotent === 'object' && idempotent.proof === true;
}

function needsStepUp({ auth, stepUp = [] }: RpcOperation, body: unknown): boolean {
  // a stolen session of an admin must not give away the accounts of others
  if (auth === 'admin' || stepUp === 'always') return true;
  return typeof body === 'object' && body !== null && stepUp.some((field) => Object.hasOwn(body, field));
}

/** What identifies the requests that are repeats of each other. */
interface Repeated {
  /** Separates the keys of callers. */
  scope: string[];
  /** The part of the body that a repeat has in common. */
  common: unknown;
  idempotencyKey: string;
  /** How long the key is kept while there is no answer. */
  pendingSeconds: number;
}

/** Returns the function that runs a request once for its key, or at once if it has none. */
function onceFor(
  deps: OnceDeps,
  { id, operation }: Pick<Served, 'id' | 'operation'>,
  { holder, caller, body }: { holder: unknown; caller: Caller; body: unknown },
): Once {
  const { idempotencyKey } = caller;
  if (operation.idempotent === undefined || idempotencyKey === undefined) return (run) => run(mint());
  const { name = id, by, body: fields }: Idempotent = operation.idempotent === true ? {} : operation.idempotent;
  const given = (body ?? {}) as Record<string, unknown>;
  const subject =
    by === undefined ? subjectOf(operation.auth, holder, caller) : by.map((field) => String(given[field]));
  const common = Object.fromEntries(
    Object.entries(given).filter(
      ([field]) => (fields?.includes(field) ?? true) && !isSecretField(operation.body, field),
    ),
  );
  // a key that strangers can make is short-lived until there is an answer to keep
  const pendingSeconds = operation.auth === 'none' ? shortSeconds : lifeSeconds;
  return (run) => runOnce(deps, { scope: [name, ...subject], common, idempotencyKey, pendingSeconds }, run);
}

/** Not even a keyed hash of a secret is stored. */
function isSecretField(schema: z.ZodType | undefined, field: string): boolean {
  const object = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
  if (!(object instanceof z.ZodObject)) return false;
  const own = object.shape[field];
  return own !== undefined && isSecret(own);
}

function subjectOf(auth: Auth, holder: unknown, { userAgent, acceptLanguage = '' }: Caller): string[] {
  if (auth === 'registration') return [(holder as Holders['registration']).registrationId];
  if (auth === 'device') return [(holder as Holders['device']).userId, (holder as Holders['device']).deviceId];
  if (auth === 'session' || auth === 'admin') return [(holder as Holders['session']).userId];
  if (auth === 'link') return [(holder as Holders['link']).linkId];
  // the address proves nothing: a network has one, and a mobile client changes it between a request and its repeat
  return [userAgent, acceptLanguage];
}

/** Draws random values when they are read: most operations need none. */
function mint(): Minted {
  let id: string | undefined;
  let token: string | undefined;
  return {
    get id() {
      id ??= newId();
      return id;
    },
    get token() {
      token ??= newToken();
      return token;
    },
    at: Date.now(),
  };
}

/**
 * Runs a request once for its key. Its random values are stored before it runs, so that the same key and body run with
 * the same ids and get the same answer for 24 h, also after a crash. An answer with credentials is kept for a minute,
 * and no longer than its session lives. A refused request did nothing, so it releases the key.
 *
 * @throws {Failure} malformed, idempotency-key-reused, and what the handler throws
 */
async function runOnce<A>(
  deps: OnceDeps,
  { scope, common, idempotencyKey, pendingSeconds }: Repeated,
  run: (minted: Minted) => Promise<A>,
): Promise<A> {
  const { idempotency, hashKey } = deps;
  if (!/^[\x21-\x7e]{1,128}$/.test(idempotencyKey)) {
    throw malformed('Idempotency-Key', 'must be 1 to 128 visible ASCII characters');
  }
  const key = keyedHash(hashKey, ...scope, idempotencyKey);
  const bodyHash = keyedHash(hashKey, JSON.stringify(common));
  let reserved = await idempotency.reserve(key, bodyHash, mint(), pendingSeconds);
  if (!reserved.sameBody) throw new Failure('idempotency-key-reused');
  if (reserved.answer !== undefined) {
    if (await isUsable(deps, reserved.answer)) return reserved.answer as A;
    await idempotency.forget(key, reserved.use);
    reserved = await idempotency.reserve(key, bodyHash, mint(), pendingSeconds);
  }
  const { use } = reserved;
  try {
    const answer = await run(reserved.minted as Minted);
    return await idempotency.keep(key, { use, answer }, hasCredentials(answer) ? shortSeconds : lifeSeconds);
  } catch (err) {
    if (err instanceof Failure && failures[err.code].status < 500) await idempotency.release(key, use);
    throw err;
  }
}

/** Returns whether an answer contains a token of any kind. */
function hasCredentials(answer: unknown): boolean {
  return Object.keys(bodyOf(answer)).some((name) => /token$/i.test(name));
}

/** Returns whether the session whose tokens an answer contains, if any, still exists. */
async function isUsable(deps: OnceDeps, answer: unknown): Promise<boolean> {
  const { accessToken } = bodyOf(answer);
  if (accessToken === undefined) return true;
  try {
    await requireToken(deps, `Bearer ${accessToken}`);
    return true;
  } catch (err) {
    if (err instanceof Failure && err.code === 'token-invalid') return false;
    throw err;
  }
}

/** The body of an answer, or what a handler made once as part of it. */
function bodyOf(answer: unknown): Record<string, unknown> {
  const { body = answer } = (answer ?? {}) as { body?: unknown };
  return (body ?? {}) as Record<string, unknown>;
}
