/**
 * The hot routes: operations that only read and are asked so often that the way to their answer costs more than the answer.
 * A plain request for one of them is answered here, on the request and response of Node. Whatever is unusual about a
 * request, and every other route, goes to Express. Both ways share `serveHot` and exchange.ts, and a test compares their
 * answers, so which way a request takes shows in nothing but its time.
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Operation } from '../contract/operation.ts';
import { type OperationId, operations } from '../contract/operations.ts';
import type { ApiDeps } from './deps.ts';
import {
  answerProblem,
  beginExchange,
  callerOf,
  type FlatHeaders,
  limitHeaders,
  noStore,
  type Reply,
  requestIdHeader,
  requestOf,
  securityHeaders,
  type Way,
} from './exchange.ts';
import { served } from './handlers.ts';
import { refuseAmbiguous, sendJson, varyByOrigin } from './http.ts';
import { limitRequest } from './limits/counting.ts';
import { serveHot } from './serve.ts';

/** The hot operations. Each is a `GET` of one path, without parameters, query or body, that answers 200 with JSON. */
export const hotOperations = ['readSession', 'readMe', 'readMeAlias'] as const satisfies OperationId[];

/** The headers that make a request unusual: it comes from a page of another origin, asks for a condition, or has a body. */
const unusualHeaders = ['origin', 'if-none-match', 'if-modified-since', 'content-length', 'transfer-encoding'];

/** The headers of every answer, in the order of Express. */
const constantHeaders: FlatHeaders = [...securityHeaders, ...varyByOrigin, ...noStore];

const ids = new Map<string, OperationId>(hotOperations.map((id) => [operations[id].path, id]));

/** Returns the operation that a request is answered by here; undefined for one that Express answers. */
export function hotOperationOf({ method, url, headers }: Pick<IncomingMessage, 'method' | 'url' | 'headers'>) {
  const id = method === 'GET' ? ids.get(url ?? '') : undefined;
  return id === undefined || unusualHeaders.some((name) => headers[name] !== undefined) ? undefined : id;
}

/** Answers the plain requests of hot routes, and leaves all others to `express`, whose rule of proxies is `trust`. */
export function createHotListener(
  deps: ApiDeps,
  { express, trust }: { express: RequestListener; trust: Way['trust'] },
): RequestListener {
  // the headers of a limit are part of the answer, which is sent here
  const way: Way = { trust, onLimit: () => undefined };
  const exchangeDeps = { ...deps, trust };
  return (req, res) => {
    const id = hotOperationOf(req);
    if (id === undefined) return express(req, res);
    const reply: Reply = Object.assign(res, { locals: {} });
    beginExchange(exchangeDeps, req, reply, () => void answer(deps, way, { id, req, res: reply }));
  };
}

/** Takes the steps of Express in their order. Never rejects. */
async function answer(
  deps: ApiDeps,
  way: Way,
  { id, req, res }: { id: OperationId; req: IncomingMessage; res: Reply },
): Promise<void> {
  try {
    const caller = callerOf(way, req, res);
    await limitRequest(deps, caller);
    refuseAmbiguous(req);
    const row: Operation = operations[id];
    res.locals.route = row.path;
    const { status, body } = await serveHot(deps, served[id], requestOf(caller, req));
    sendJson(res, status, body, headersOf(res));
  } catch (err) {
    await answerProblem(deps, err, res, headersOf(res));
  }
}

function headersOf(res: Reply): FlatHeaders {
  return [...requestIdHeader(res), ...constantHeaders, ...limitHeaders(res)];
}
