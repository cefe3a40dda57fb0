/**
 * REST over Express: middleware in order, then a route for every operation of contract/, which `serve` executes, then
 * the error handler.
 */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Express, NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import type { LimitsState } from '../adapters/redis/rate-limits.ts';
import type { Operation } from '../contract/operation.ts';
import { nouns, type OperationId, operations } from '../contract/operations.ts';
import { Failure } from '../domain/failures.ts';
import { type Trace, traces } from '../platform/log.ts';
import { beginTrace, now, requestTrace, type Span } from '../platform/spans.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { served } from './handlers.ts';
import {
  addressOf,
  allowCors,
  type BodyType,
  createHttpApp,
  readBody,
  refuseUnrouted,
  requireMediaType,
  requireUnambiguous,
  sendError,
} from './http.ts';
import { limitRequest } from './limits.ts';
import { docsPage, openApiDocument } from './openapi.ts';
import { noteProblem, problemOf, type Refusal } from './problems.ts';
import { type ApiAnswer, type ApiRequest, serve } from './serve.ts';
import { startPage, startPagePolicy } from './start-page.ts';
import { readHealth, readReadiness } from './system/health.ts';
import { readWebPage, serveWebPage } from './web-page.ts';

const rows = Object.entries(operations) as [OperationId, Operation][];
const pathsWhere = (isWanted: (row: Operation) => unknown) =>
  rows.flatMap(([, row]) => (isWanted(row) ? [row.path] : []));
const callbackPaths = pathsWhere(({ isCallback }) => isCallback);
const countedPaths = pathsWhere(({ isCounted }) => isCounted);
const formPaths = pathsWhere(({ isForm }) => isForm);
const unlimitedPaths = ['/metrics', ...pathsWhere(({ isUnlimited }) => isUnlimited)];
const bodyBytesMax = 256 * 1024;
const largeRows = rows.flatMap(([, { method, path, bodyBytesMax: bytesMax }]) =>
  bytesMax === undefined ? [] : [{ method: method.toUpperCase(), path: patternOf(path), bytesMax }],
);
/**
 * A refused body up to this size is read, so that its sender gets the response; beyond it, the connection is closed.
 */
const unwantedBytesMax = 4 * 1024 * 1024;
/** The files that the page loads; no other file of the package is served. */
const swaggerUiFiles = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];
const swaggerUiFolder = dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui.css')));

/** Headers of responses that browsers show to pages of other origins. */
const exposedHeaders = [
  'X-Request-Id',
  'Retry-After',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Location',
];

/** The dependencies of probes. */
type ProbeDeps = Pick<ApiDeps, 'config' | 'events' | 'recordSpan' | 'metrics' | 'checkDependencies'>;

/** Creates the REST API: middleware in order, then the table, then not found and errors. */
export function createRestApp(deps: ApiDeps): Express {
  const app = createHttpApp(deps.config.TRUST_PROXY);
  app.use((req, res, next) => recordTelemetry(deps, req, res, next));
  app.use(
    helmet({
      contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], styleSrc: ["'self'", "'unsafe-inline'"] } },
    }),
  );
  app.use(allowCors({ origin: [...deps.config.CORS_ORIGINS], exposedHeaders, maxAge: 600 }));
  app.use('/api', (_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    next();
  });
  app.use((req, _res, next) => limitRequests(deps, req, next));
  app.use(requireUnambiguous);
  app.use(refuseLarge);
  app.use(requireMediaType(bodyTypeOf));
  app.use(readBody(bodyTypeOf, bytesMaxOf));
  for (const [id, row] of rows) serveRest(app, deps, id, row);
  const webPage = readWebPage(resolve(deps.config.WEB_FOLDER));
  const pages = [serveStart(app, deps), ...serveDocs(app, deps), ...(webPage ? serveWebPage(app, webPage) : [])];
  refuseUnrouted(app, [
    ...rows.map(([, row]) => ({ method: row.method, path: row.path, isHead: answersHead(row) })),
    ...pages.map((path) => ({ method: 'get', path, isHead: true })),
  ]);
  app.use((err: unknown, _req: Request, res: Response, _next: NextFunction) => answerProblem(deps, err, res));
  return app;
}

/** Creates the app of a process that serves no operation but probes: `/health`, `/health/ready` and `/metrics`. */
export function createProbeApp(deps: ProbeDeps): Express {
  const app = createHttpApp(deps.config.TRUST_PROXY);
  app.use((req, res, next) => recordTelemetry(deps, req, res, next));
  app.use(requireUnambiguous);
  const { readHealth: health, readReadiness: readiness } = operations;
  for (const [row, read] of [
    [health, readHealth],
    [readiness, () => readReadiness(deps)],
  ] as const) {
    app.get(row.path, async (_req, res) => {
      res.locals.route = row.path;
      sendAnswer(res, row, await read());
    });
  }
  serveMetrics(app, deps);
  refuseUnrouted(
    app,
    [health.path, readiness.path, '/metrics'].map((path) => ({ method: 'get', path, isHead: true })),
  );
  app.use((err: unknown, _req: Request, res: Response, _next: NextFunction) => answerProblem(deps, err, res));
  return app;
}

function serveRest(app: Express, deps: ApiDeps, id: OperationId, row: Operation): void {
  app[row.method](row.path, async (req, res, next) => {
    if (req.method === 'HEAD' && !answersHead(row)) return next();
    res.locals.route = row.path;
    sendAnswer(res, row, await serve(deps, served[id], requestOf(req)));
  });
}

/** Without a credential `GET` changes nothing. With one it may note the activity of a session or record an export. */
function answersHead({ method, auth }: Operation): boolean {
  return method === 'get' && auth === 'none';
}

/** The forms of a provider are signed. */
function bodyTypeOf(req: Request): BodyType {
  return formPaths.includes(req.path) ? 'application/x-www-form-urlencoded' : 'application/json';
}

/** Returns how long the body of a request may be. */
function bytesMaxOf({ method, path }: Request): number {
  return largeRows.find((row) => row.method === method && row.path.test(path))?.bytesMax ?? bodyBytesMax;
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/:\w+/g, '[^/]+')}$`);
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
    address: addressOf(req),
    origin: `${req.protocol}://${req.get('host') ?? ''}`,
    userAgent: req.get('user-agent') ?? '',
    noteLimit: (state) => showLimit(req.res, state),
    ...(acceptLanguage !== undefined && { acceptLanguage }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/**
 * Shows the limit with the fewest attempts left.
 * https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-05
 */
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

/** Serves `/`: the page of developers, or the way to the web app. Returns its path. */
function serveStart(app: Express, { config: { START_PAGE_LINKS: links } }: Pick<ApiDeps, 'config'>): string {
  const page = links.length === 0 ? undefined : startPage(links);
  app.get('/', (_req, res) => {
    if (page === undefined) return res.redirect('/app');
    res.set('Content-Security-Policy', startPagePolicy).type('html').send(page);
  });
  return '/';
}

/** Serves the pages of operators and developers, and returns their paths. */
function serveDocs(app: Express, { metrics }: Pick<ApiDeps, 'metrics'>): string[] {
  const document = openApiDocument(nouns);
  app.get('/openapi.json', (_req, res) => {
    res.json(document);
  });
  serveMetrics(app, { metrics });
  app.get('/docs', (_req, res) => {
    res.type('html').send(docsPage.html);
  });
  app.get('/docs/start.js', (_req, res) => {
    res.type('js').send(docsPage.script);
  });
  const assets = swaggerUiFiles.map((file) => {
    const path = `/docs/assets/${file}`;
    app.get(path, (_req, res) => res.sendFile(file, { root: swaggerUiFolder }));
    return path;
  });
  return ['/openapi.json', '/metrics', '/docs', '/docs/start.js', ...assets];
}

function serveMetrics(app: Express, { metrics }: Pick<ApiDeps, 'metrics'>): void {
  app.get('/metrics', async (_req, res) => {
    const { contentType, text } = await metrics();
    res.type(contentType).send(text);
  });
}

/** Gives a request its ids and trace, and records its event, metrics and span. */
function recordTelemetry(
  { events, recordSpan, config }: Pick<ApiDeps, 'events' | 'recordSpan' | 'config'>,
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
        isCounted: countedPaths.includes(route),
      }),
    );
    // without health checks and scrapes, which would be most of the spans
    if (route.startsWith('/api/') || res.statusCode >= 400) {
      recordSpan({ ...requestSpan(req, res), traceparent, parentId, beganAt });
    }
  });
  traces.run(trace, next);
}

/**
 * Named by the semantic conventions of OpenTelemetry, without input of the caller: no path, no query, no user agent.
 */
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
  return requestTrace({ ip: addressOf(req), userAgent: req.get('user-agent'), requestId, traceparent });
}

/**
 * Limits every route except those of operators, whose probes must not fail when others behind their address send many
 * requests, and those of providers, which report on many users from few addresses.
 */
async function limitRequests(deps: Pick<ApiDeps, 'requestLeases'>, req: Request, next: NextFunction): Promise<void> {
  if (!unlimitedPaths.includes(req.path)) await limitRequest(deps, callerOf(req));
  next();
}

/** Refuses a body by its `Content-Length`, because the parser would read all of it first. */
function refuseLarge(req: Request, res: Response, next: NextFunction): void {
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > unwantedBytesMax) res.setHeader('Connection', 'close');
  if (announced > bytesMaxOf(req)) throw new Failure('body-too-large');
  next();
}

function answerProblem({ events }: Pick<ApiDeps, 'events'>, err: unknown, res: Response): Promise<void> {
  const problem = problemOf(err, res.locals.requestId as string);
  res.locals.refusal = problem.refusal;
  noteProblem(events, problem, err);
  return sendError(res, problem);
}

function locationOf(answer: unknown): string {
  const { registrationId, linkId } = answer as { registrationId?: string; linkId?: string };
  if (linkId !== undefined) return `/api/v1/device-links/${linkId}`;
  return registrationId === undefined ? '/api/v1/auth/session' : `/api/v1/registrations/${registrationId}`;
}
