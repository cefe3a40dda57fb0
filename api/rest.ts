/**
 * REST over Express: middleware in order, then a route for every operation of contract/, which `serve` executes, then
 * the error handler. The plain requests of some routes are answered before it (hot.ts).
 */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import type { Operation } from '../contract/operation.ts';
import { nouns, type OperationId, operations } from '../contract/operations.ts';
import { Failure } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';
import {
  answerProblem,
  beginExchange,
  callerOf,
  type ExchangeDeps,
  limitHeaders,
  noStore,
  requestIdHeader,
  requestOf,
  securityHeaders,
  setHeaders,
  type Way,
} from './exchange.ts';
import { served } from './handlers.ts';
import {
  allowCors,
  type BodyType,
  createHttpApp,
  readBody,
  readTrustProxy,
  refuseUnrouted,
  requireMediaType,
  requireUnambiguous,
} from './http.ts';
import { limitRequest } from './limits/counting.ts';
import { docsPage, openApiDocument } from './openapi.ts';
import { type ApiAnswer, serve } from './serve.ts';
import { startPage, startPagePolicy } from './start-page.ts';
import { readHealth, readReadiness } from './system/health.ts';
import { readWebPage, serveWebPage } from './web-page.ts';

const rows = Object.entries(operations) as [OperationId, Operation][];
const pathsWhere = (isWanted: (row: Operation) => unknown) =>
  rows.flatMap(([, row]) => (isWanted(row) ? [row.path] : []));
const formPaths = pathsWhere(({ isForm }) => isForm);
/**
 * Every route is limited except those of operators, whose probes must not fail when others behind their address send many
 * requests, and those of providers, which report on many users from few addresses.
 */
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

/** Any part of Express may send the answer, so its headers are set as soon as they are known. */
const onLimit: Way['onLimit'] = (res) => setHeaders(res, limitHeaders(res));

/** Creates the REST API: middleware in order, then the table, then not found and errors. */
export function createRestApp(deps: ApiDeps): Express {
  const app = createHttpApp(deps.config.TRUST_PROXY);
  const way = { trust: readTrustProxy(app), onLimit };
  app.use(begin({ ...deps, ...way }));
  app.use((_req, res, next) => {
    setHeaders(res, securityHeaders);
    next();
  });
  app.use(allowCors({ origin: [...deps.config.CORS_ORIGINS], exposedHeaders, maxAge: 600 }));
  app.use('/api', (_req, res, next) => {
    setHeaders(res, noStore);
    next();
  });
  app.use(async (req, res, next) => {
    if (!unlimitedPaths.includes(req.path)) await limitRequest(deps, callerOf(way, req, res));
    next();
  });
  app.use(requireUnambiguous);
  app.use(refuseLarge);
  app.use(requireMediaType(bodyTypeOf));
  app.use(readBody(bodyTypeOf, bytesMaxOf));
  for (const [id, row] of rows) serveRest(app, { ...deps, way }, id, row);
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
  app.use(begin({ ...deps, trust: readTrustProxy(app) }));
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

/** Begins the exchange of a request. */
function begin(deps: ExchangeDeps): RequestHandler {
  return (req, res, next) => {
    beginExchange(deps, req, res, () => {
      setHeaders(res, requestIdHeader(res));
      next();
    });
  };
}

function serveRest(app: Express, { way, ...deps }: ApiDeps & { way: Way }, id: OperationId, row: Operation): void {
  app[row.method](row.path, async (req, res, next) => {
    if (req.method === 'HEAD' && !answersHead(row)) return next();
    res.locals.route = row.path;
    const { params, query, body } = req as { params: Record<string, string>; query: unknown; body: unknown };
    const request = requestOf(callerOf(way, req, res), req, { params, query, body });
    sendAnswer(res, row, await serve(deps, served[id], request));
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

/** Refuses a body by its `Content-Length`, because the parser would read all of it first. */
function refuseLarge(req: Request, res: Response, next: NextFunction): void {
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > unwantedBytesMax) res.setHeader('Connection', 'close');
  if (announced > bytesMaxOf(req)) throw new Failure('body-too-large');
  next();
}

function locationOf(answer: unknown): string {
  const { registrationId, linkId } = answer as { registrationId?: string; linkId?: string };
  if (linkId !== undefined) return `/api/v1/device-links/${linkId}`;
  return registrationId === undefined ? '/api/v1/auth/session' : `/api/v1/registrations/${registrationId}`;
}
