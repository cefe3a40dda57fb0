/**
 * REST over Express: middleware in order, then a route for every operation of contract/, which `serve` executes, then the
 * answer to errors.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import cors from 'cors';
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { LimitsState } from '../adapters/redis/rate-limits.ts';
import type { Operation } from '../contract/operation.ts';
import { type OperationId, operations } from '../contract/operations.ts';
import { Failure } from '../domain/failures.ts';
import { discardBody } from '../platform/http-body.ts';
import { type Trace, traces } from '../platform/log.ts';
import { beginTrace, now, requestTrace, type Span } from '../platform/spans.ts';
import type { ApiDeps, Caller, TrustProxy } from './deps.ts';
import { served } from './handlers.ts';
import { limitRequest } from './limits.ts';
import { docsPage, openApiDocument } from './openapi.ts';
import { noteProblem, problemOf, type Refusal } from './problems.ts';
import { type ApiAnswer, type ApiRequest, serve } from './serve.ts';

const rows = Object.entries(operations) as [OperationId, Operation][];
const pathsWhere = (isWanted: (row: Operation) => unknown) =>
  rows.flatMap(([, row]) => (isWanted(row) ? [row.path] : []));
const callbackPaths = pathsWhere(({ isCallback }) => isCallback);
const formPaths = pathsWhere(({ isForm }) => isForm);
const unlimitedPaths = ['/metrics', ...pathsWhere(({ isUnlimited }) => isUnlimited)];
const bodyBytesMax = 256 * 1024;
/** A body up to this is read off, so that its sender hears why it is refused; beyond, the connection is closed. */
const unwantedBytesMax = 4 * 1024 * 1024;
/** What the page loads, and nothing else of the package: no source maps, no versions. */
const swaggerUiFiles = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];
const swaggerUiFolder = dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui.css')));

/** Puts the surface together: middleware in order, then the table, then what is left over. */
export function createRestApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('trust proxy', trustProxyOf(deps.config.TRUST_PROXY));
  app.set('etag', false);
  app.use((req, res, next) => recordTelemetry(deps, req, res, next));
  app.use(
    helmet({
      contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], styleSrc: ["'self'", "'unsafe-inline'"] } },
    }),
  );
  app.use(allowCors(deps));
  app.use('/api', (_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    next();
  });
  app.use((req, _res, next) => limitRequests(deps, req, next));
  app.use(refuseLarge);
  app.use(requireMediaType);
  app.use(formPaths, express.urlencoded({ extended: false, limit: bodyBytesMax }));
  app.use(express.json({ limit: bodyBytesMax, type: 'application/json' }));
  for (const [id, row] of rows) serveRest(app, deps, id, row);
  serveDocs(app, deps);
  app.use(() => {
    throw new Failure('not-found');
  });
  app.use((err: unknown, req: Request, res: Response, _next: NextFunction) => answerProblem(deps, err, req, res));
  return app;
}

function serveRest(app: Express, deps: ApiDeps, id: OperationId, row: Operation): void {
  app[row.method](row.path, async (req, res) => {
    res.locals.route = row.path;
    sendAnswer(res, row, await serve(deps, served[id], requestOf(req)));
  });
}

function requestOf(req: Request): ApiRequest {
  return {
    params: req.params as Record<string, string>,
    query: req.query,
    body: req.body,
    authorization: req.get('authorization'),
    caller: callerOf(req),
    signed: { path: req.originalUrl, signature: req.get('x-twilio-signature') },
  };
}

function callerOf(req: Request): Caller {
  const idempotencyKey = req.get('idempotency-key');
  const acceptLanguage = req.get('accept-language');
  return {
    address: req.ip ?? '',
    userAgent: req.get('user-agent') ?? '',
    noteLimit: (state) => showLimit(req.res, state),
    ...(acceptLanguage !== undefined && { acceptLanguage }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** Shows the limit that is nearest to refusing. https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-05 */
function showLimit(res: Response | undefined, { allowed, max, remaining, resetSeconds }: LimitsState): void {
  const shown = res?.getHeader('RateLimit-Remaining');
  if (allowed && shown !== undefined && Number(shown) <= remaining) return;
  res?.set({
    'RateLimit-Limit': String(max),
    'RateLimit-Remaining': String(allowed ? remaining : 0),
    'RateLimit-Reset': String(resetSeconds),
  });
}

function sendAnswer(res: Response, row: Operation, { status, body }: ApiAnswer): void {
  if (row.cacheSeconds !== undefined) res.set('Cache-Control', `public, max-age=${row.cacheSeconds}`);
  if (row.fileName !== undefined) res.set('Content-Disposition', `attachment; filename="${row.fileName}"`);
  if (status === 201) res.location(locationOf(body));
  res.status(status);
  if (body === undefined) res.end();
  else if (row.answerType === undefined) res.json(body);
  else res.type(row.answerType).send(body);
}

function serveDocs(app: Express, deps: ApiDeps): void {
  const document = openApiDocument(operations);
  app.get('/openapi.json', (_req, res) => {
    res.json(document);
  });
  app.get('/metrics', async (_req, res) => {
    const { contentType, text } = await deps.metrics();
    res.type(contentType).send(text);
  });
  app.get('/docs', (_req, res) => {
    res.type('html').send(docsPage.html);
  });
  app.get('/docs/start.js', (_req, res) => {
    res.type('js').send(docsPage.script);
  });
  for (const file of swaggerUiFiles) {
    app.get(`/docs/assets/${file}`, (_req, res) => res.sendFile(file, { root: swaggerUiFolder }));
  }
}

/** What browsers need to ask from another origin. Whoever sends no `Origin` is none, and is spared it. */
function allowCors({ config }: ApiDeps): RequestHandler {
  const share = cors({
    origin: config.CORS_ORIGINS,
    exposedHeaders: [
      'X-Request-Id',
      'Retry-After',
      'RateLimit-Limit',
      'RateLimit-Remaining',
      'RateLimit-Reset',
      'Location',
    ],
    maxAge: 600,
  });
  return (req, res, next) => {
    if (req.headers.origin !== undefined || req.method === 'OPTIONS') return share(req, res, next);
    // what is stored of this answer is none for a browser of another origin
    res.setHeader('Vary', 'Origin');
    next();
  };
}

/** Gives a request its ids, its trace, its span and its line in log and metrics. */
function recordTelemetry(
  { events, recordSpan, config }: ApiDeps,
  req: Request,
  res: Response,
  next: NextFunction,
): void {
  const { traceparent, parentId } = beginTrace(req.get('traceparent'), config.OTEL_TRACES_SAMPLER_ARG);
  const trace = traceOf(req, traceparent);
  const beganAt = now();
  res.setHeader('X-Request-Id', trace.requestId);
  res.locals.requestId = trace.requestId;
  events.requestBegun();
  res.once('close', () => {
    const route = (res.locals.route as string | undefined) ?? 'unknown';
    const seconds = (now() - beganAt) / 1000;
    const refusal = res.locals.refusal as Refusal | undefined;
    traces.run(trace, () =>
      events.requestEnded({
        method: req.method,
        route,
        status: res.statusCode,
        seconds,
        refusal,
        isRead: req.method === 'GET' || callbackPaths.includes(route),
      }),
    );
    // of health checks and scrapes there would be more than of anything else
    if (route.startsWith('/api/') || res.statusCode >= 400) {
      recordSpan({ ...requestSpan(req, res), traceparent, parentId, beganAt });
    }
  });
  traces.run(trace, next);
}

/** As the semantic conventions of OpenTelemetry name things, without what a caller wrote: no path, no query, no agent. */
function requestSpan(req: Request, res: Response): Pick<Span, 'name' | 'kind' | 'attributes' | 'failure'> {
  const route = res.locals.route as string | undefined;
  return {
    name: route === undefined ? req.method : `${req.method} ${route}`,
    kind: 'server',
    attributes: {
      'http.request.method': req.method,
      'http.response.status_code': res.statusCode,
      ...(route !== undefined && { 'http.route': route }),
    },
    failure: res.statusCode >= 500 ? String(res.statusCode) : undefined,
  };
}

function traceOf(req: Request, traceparent: string): Trace {
  const requestId = req.get('x-request-id');
  return requestTrace({ ip: req.ip, userAgent: req.get('user-agent'), requestId, traceparent });
}

/** The rule by which `X-Forwarded-For` is believed: of an address, so many hops away. For doors beside this one. */
export function readTrustProxy(app: Express): TrustProxy {
  return app.get('trust proxy fn') as TrustProxy;
}

/**
 * Every route but those of operators, whose probes must not stop when somebody else behind their address asks much, and
 * those of providers, which tell of many people from few addresses.
 */
async function limitRequests(deps: ApiDeps, req: Request, next: NextFunction): Promise<void> {
  if (!unlimitedPaths.includes(req.path)) await limitRequest(deps, callerOf(req));
  next();
}

/** By the length that is announced, before anything is read: the parser would read all of it first. */
function refuseLarge(req: Request, res: Response, next: NextFunction): void {
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > unwantedBytesMax) res.setHeader('Connection', 'close');
  if (announced > bodyBytesMax) throw new Failure('body-too-large');
  next();
}

/**
 * A body is JSON or it is refused, whatever its route; browsers cannot send that across sites without asking. Where a
 * provider sends a form, it is signed.
 */
function requireMediaType(req: Request, _res: Response, next: NextFunction): void {
  const type = formPaths.includes(req.path) ? 'application/x-www-form-urlencoded' : 'application/json';
  const hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
  if (hasBody && !req.is(type)) throw new Failure('media-type-unsupported');
  next();
}

async function answerProblem({ events }: ApiDeps, err: unknown, req: Request, res: Response): Promise<void> {
  const problem = problemOf(err, res.locals.requestId as string);
  const { status, headers, body, refusal } = problem;
  res.locals.refusal = refusal;
  noteProblem(events, problem, err);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (res.getHeader('connection') !== 'close') await discardBody(req);
  res.status(status).set(headers).json(body);
}

function locationOf(answer: unknown): string {
  const { registrationId } = answer as { registrationId?: string };
  return registrationId === undefined ? '/api/v1/auth/session' : `/api/v1/registrations/${registrationId}`;
}

function trustProxyOf(proxies: readonly string[]): number | string[] | false {
  if (proxies.length === 0) return false;
  const hops = Number(proxies[0]);
  return proxies.length === 1 && Number.isInteger(hops) ? hops : [...proxies];
}
