/**
 * A request by HTTP and its answer, before any of it is routed. There are two ways to an answer: Express (rest.ts), and the
 * short one of the hot routes (hot.ts). What is true of every request is here once, on the request and response of Node,
 * so that the ways differ in their cost only: ids and trace, metrics and span, the caller, the headers, errors.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';
import type { LimitsState } from '../adapters/redis/rate-limits.ts';
import type { Operation } from '../contract/operation.ts';
import { operations } from '../contract/operations.ts';
import { createBudget } from '../platform/budget.ts';
import { traces } from '../platform/log.ts';
import { beginTrace, now, requestTrace, type Span } from '../platform/spans.ts';
import type { ApiDeps, Caller, TrustProxy } from './deps.ts';
import { addressOf, headerOf, originOf, sendError } from './http.ts';
import { noteProblem, problemOf, type Refusal } from './problems.ts';
import type { ApiRequest } from './serve.ts';

/** The dependencies of every exchange. */
export type ExchangeDeps = Pick<ApiDeps, 'config' | 'events' | 'recordSpan'> & Pick<Way, 'trust'>;

/** One of the two ways to an answer. */
export interface Way {
  trust: TrustProxy;
  /** Called when the state of a limit has become known that the answer is to show. */
  onLimit(res: Reply): void;
}

/** What becomes known of a request while it is answered. */
interface Exchange {
  requestId?: string;
  /** The address of the client. */
  address?: string;
  /** The route, with parameter names in place of values; absent for unknown paths. */
  route?: string;
  refusal?: Refusal;
  /** The limit that the answer shows. */
  limit?: LimitsState;
}

/** A response that carries its exchange where Express keeps what belongs to a request. */
export type Reply = ServerResponse & { locals: Exchange };

/** Names and values in turns, as `writeHead` takes them. */
export type FlatHeaders = readonly string[];

const rows = Object.values<Operation>(operations);
const callbackPaths = rows.flatMap(({ path, isCallback }) => (isCallback ? [path] : []));
const countedPaths = rows.flatMap(({ path, isCounted }) => (isCounted ? [path] : []));

/** The headers of every response that protect pages; their values are the same for all. */
export const securityHeaders: FlatHeaders = headersOf(
  helmet({
    contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], styleSrc: ["'self'", "'unsafe-inline'"] } },
  }),
);

/** The header of every response of the API itself. */
export const noStore: FlatHeaders = ['Cache-Control', 'no-store'];

/** Returns the headers that a middleware sets on every response alike. */
function headersOf(middleware: ReturnType<typeof helmet>): FlatHeaders {
  const found: string[] = [];
  const collector = {
    setHeader: (name: string, value: string) => found.push(name, value),
    removeHeader: () => undefined,
  };
  middleware({} as IncomingMessage, collector as unknown as ServerResponse, () => undefined);
  return found;
}

/** Sets headers on a response that is not sent yet. */
export function setHeaders(res: ServerResponse, headers: FlatHeaders): void {
  for (let index = 0; index < headers.length; index += 2) res.setHeader(headers[index] ?? '', headers[index + 1] ?? '');
}

/** Gives a request its ids, trace and budget, answers it by `next`, and records its event, metrics and span at its end. */
export function beginExchange(
  { events, recordSpan, config, trust }: ExchangeDeps,
  req: IncomingMessage,
  res: Reply,
  next: () => void,
): void {
  const { traceparent, parentId } = beginTrace(headerOf(req, 'traceparent'), config.OTEL_TRACES_SAMPLER_ARG);
  const address = addressOf(req, trust);
  const given = { ip: address, userAgent: headerOf(req, 'user-agent'), requestId: headerOf(req, 'x-request-id') };
  const trace = requestTrace({ ...given, traceparent });
  const budget = createBudget(config.REQUEST_BUDGET_MS);
  trace.budget = budget;
  const beganAt = now();
  const exchange = res.locals;
  exchange.requestId = trace.requestId;
  exchange.address = address;
  events.requestBegun();
  res.once('close', () => {
    budget.isOver = true;
    const { route = 'unknown', refusal } = exchange;
    traces.run(trace, () =>
      events.requestEnded({
        method: req.method ?? '',
        route,
        status: res.statusCode,
        seconds: (now() - beganAt) / 1000,
        refusal,
        isRead: req.method === 'GET' || callbackPaths.includes(route),
        isCounted: countedPaths.includes(route),
      }),
    );
    // without health checks and scrapes, which would be most of the spans
    if (route.startsWith('/api/') || res.statusCode >= 400) {
      recordSpan({ ...spanOf(req, res), traceparent, parentId, beganAt });
    }
  });
  traces.run(trace, next);
}

/**
 * Named by the semantic conventions of OpenTelemetry, without input of the caller: no path, no query, no user agent.
 */
function spanOf({ method = '' }: IncomingMessage, res: Reply): Pick<Span, 'name' | 'kind' | 'attributes' | 'failure'> {
  const { route } = res.locals;
  return {
    name: route === undefined ? method : `${method} ${route}`,
    kind: 'server',
    attributes: {
      'http.request.method': method,
      'http.response.status_code': res.statusCode,
      ...(route !== undefined && { 'http.route': route }),
    },
    failure: res.statusCode >= 500 ? String(res.statusCode) : undefined,
  };
}

/** The header of a request's id in its response. */
export function requestIdHeader({ locals: { requestId = '' } }: Reply): FlatHeaders {
  return ['X-Request-Id', requestId];
}

/** Returns the request of an operation, with what a router has read of it. */
export function requestOf(
  caller: Caller,
  req: IncomingMessage,
  { params = {}, query, body }: Partial<Pick<ApiRequest, 'params' | 'query' | 'body'>> = {},
): ApiRequest {
  const signed = { path: req.url ?? '', signature: headerOf(req, 'x-twilio-signature') };
  return { params, query, body, authorization: headerOf(req, 'authorization'), caller, signed };
}

/** Returns the caller of a request. */
export function callerOf(way: Way, req: IncomingMessage, res: Reply): Caller {
  const idempotencyKey = headerOf(req, 'idempotency-key');
  const acceptLanguage = headerOf(req, 'accept-language');
  return {
    address: res.locals.address ?? '',
    origin: originOf(req, way.trust),
    userAgent: headerOf(req, 'user-agent') ?? '',
    noteLimit: (state) => noteLimit(way, res, state),
    ...(acceptLanguage !== undefined && { acceptLanguage }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** Notes the limit with the fewest attempts left. */
function noteLimit(way: Way, res: Reply, state: LimitsState): void {
  const { limit: noted } = res.locals;
  if (state.allowed && noted !== undefined && leftOf(noted) <= leftOf(state)) return;
  res.locals.limit = state;
  way.onLimit(res);
}

function leftOf({ allowed, remaining }: LimitsState): number {
  return allowed ? remaining : 0;
}

/** The headers of the limit of an answer. https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-05 */
export function limitHeaders({ locals: { limit } }: Reply): FlatHeaders {
  if (limit === undefined) return [];
  return [
    ...['RateLimit-Limit', String(limit.max)],
    ...['RateLimit-Remaining', String(leftOf(limit))],
    ...['RateLimit-Reset', String(limit.resetSeconds)],
  ];
}

/** Answers a request with what was thrown, reports a bug or an outage to operators, and notes the refusal. */
export function answerProblem(
  { events }: Pick<ApiDeps, 'events'>,
  err: unknown,
  res: Reply,
  headers: FlatHeaders = [],
): Promise<void> {
  const problem = problemOf(err, res.locals.requestId ?? '');
  res.locals.refusal = problem.refusal;
  noteProblem(events, problem, err);
  return sendError(res, problem, headers);
}
