/**
 * The REST table: every path with its guard, its operation and what it answers. The same rows make the Express routes
 * and the OpenAPI document.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import cors from 'cors';
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import { z } from 'zod';
import { InfobipReports } from '../adapters/http/infobip.ts';
import { Failure, type FailureCode } from '../domain/failures.ts';
import { discardBody } from '../platform/http-body.ts';
import { type Trace, traces } from '../platform/log.ts';
import { beginTrace, now, requestTrace, type Span } from '../platform/spans.ts';
import { adminRoutes } from './admin/routes.ts';
import { authRoutes } from './auth/routes.ts';
import { ReportQuery, receiveInfobipReport, receiveTwilioReport } from './delivery-reports.ts';
import type { ApiDeps, TrustProxy } from './deps.ts';
import { requireStepUp, type SignedRequest, TwilioForm } from './guards.ts';
import { Health, Readiness, readHealth, readReadiness } from './health.ts';
import { limitRequest } from './limits.ts';
import { docsPage, openApiDocument } from './openapi.ts';
import { noteProblem, problemOf, type Refusal } from './problems.ts';
import { PublicKeys, readPublicKeys } from './public-keys.ts';
import { Approval, submitApproval } from './registrations/approval.ts';
import { cancelRegistration } from './registrations/cancel.ts';
import { CaptchaProof, offerCaptcha, verifyCaptcha } from './registrations/captcha.ts';
import { CodeProof, CodeRequest, sendCode, verifyCode } from './registrations/code.ts';
import { createRegistration, NewRegistration } from './registrations/create.ts';
import { Credentials, submitCredentials } from './registrations/credentials.ts';
import { DirectoryProof, verifyDirectory } from './registrations/directory.ts';
import { readRegistration, WaitQuery } from './registrations/read.ts';
import { RegistrationStop, stopRegistrations } from './registrations/stop.ts';
import { registrationFor, requestContext, sessionOf } from './requests.ts';
import { always, type Route } from './route.ts';
import { Registration, StartedRegistration, Tokens } from './schemas.ts';
import { createRegistrationSession } from './sessions.ts';
import { SpeechQuery, speakCode } from './twilio-voice-webhook.ts';
import { userRoutes } from './users/routes.ts';

const registration = '/api/v1/registrations/:registrationId';
const stepFailures: FailureCode[] = [...always, 'registration-expired', 'registration-closed', 'step-not-available'];
const CaptchaOffer = z.object({
  provider: z.string(),
  siteKey: z.string().optional(),
  challenge: z.unknown().optional(),
});

/** The whole surface, in the order of API.md. */
export const routes: Route[] = [
  {
    method: 'post',
    path: '/api/v1/registrations',
    summary: 'Start a registration',
    guard: 'none',
    body: NewRegistration,
    status: 201,
    answer: StartedRegistration,
    isIdempotent: true,
    failures: [...always, 'idempotency-key-reused'],
    run: (req, deps) => createRegistration(deps, req.body, requestContext(req)),
  },
  {
    method: 'get',
    path: registration,
    summary: 'Where a registration stands',
    guard: 'registration',
    query: WaitQuery,
    status: 200,
    answer: Registration,
    failures: always,
    run: async (req, deps) => readRegistration(deps, await registrationFor(req, deps), req.query),
  },
  {
    method: 'put',
    path: `${registration}/directory`,
    summary: 'Prove a directory name and password',
    guard: 'registration',
    body: DirectoryProof,
    status: 200,
    answer: Registration,
    failures: [...stepFailures, 'credentials-wrong', 'rate-limited', 'directory-unavailable', 'identity-taken'],
    run: async (req, deps) => verifyDirectory(deps, await registrationFor(req, deps), req.body),
  },
  {
    method: 'get',
    path: '/api/v1/captcha',
    summary: 'What is needed to show a captcha',
    guard: 'none',
    status: 200,
    answer: CaptchaOffer,
    failures: ['rate-limited', 'unavailable'],
    run: (_req, deps) => offerCaptcha(deps),
  },
  {
    method: 'put',
    path: `${registration}/captcha`,
    summary: 'Prove a solved captcha',
    guard: 'registration',
    body: CaptchaProof,
    status: 200,
    answer: Registration,
    failures: [...stepFailures, 'captcha-malformed', 'captcha-used', 'captcha-refused', 'identity-taken'],
    run: async (req, deps) => verifyCaptcha(deps, await registrationFor(req, deps), req.body),
  },
  {
    method: 'post',
    path: `${registration}/codes`,
    summary: 'Send a code',
    guard: 'registration',
    body: CodeRequest,
    status: 202,
    answer: Registration,
    isIdempotent: true,
    failures: [
      ...stepFailures,
      'step-blocked',
      'channel-not-available',
      'channel-refused',
      'captcha-malformed',
      'captcha-used',
      'captcha-refused',
      'rate-limited',
      'idempotency-key-reused',
    ],
    run: async (req, deps) => sendCode(deps, await registrationFor(req, deps), req.body),
  },
  {
    method: 'put',
    path: `${registration}/code`,
    summary: 'Prove the code',
    guard: 'registration',
    body: CodeProof,
    status: 200,
    answer: Registration,
    failures: [...stepFailures, 'code-wrong', 'code-not-sent', 'code-expired', 'identity-taken'],
    run: async (req, deps) => verifyCode(deps, await registrationFor(req, deps), req.body),
  },
  {
    method: 'put',
    path: `${registration}/credentials`,
    summary: 'Set a password, a PIN or both',
    guard: 'registration',
    body: Credentials,
    status: 200,
    answer: Registration,
    isIdempotent: true,
    failures: [...stepFailures, 'password-weak', 'identity-taken', 'rate-limited'],
    run: async (req, deps) => submitCredentials(deps, await registrationFor(req, deps), req.body),
  },
  {
    method: 'put',
    path: `${registration}/approval`,
    summary: 'Open the lock of the account that the number, address or entry has already, by its PIN',
    guard: 'registration',
    body: Approval,
    status: 200,
    answer: Registration,
    failures: [...stepFailures, 'registration-locked', 'rate-limited', 'identity-taken'],
    run: async (req, deps) => submitApproval(deps, await registrationFor(req, deps), req.body),
  },
  {
    method: 'post',
    path: `${registration}/session`,
    summary: 'Begin the session of a completed registration',
    guard: 'registration',
    status: 201,
    answer: Tokens,
    isIdempotent: true,
    failures: [...always, 'registration-unfinished', 'session-already-taken', 'account-disabled'],
    run: async (req, deps) => createRegistrationSession(deps, await registrationFor(req, deps)),
  },
  {
    method: 'delete',
    path: registration,
    summary: 'Cancel a registration',
    guard: 'registration',
    status: 204,
    failures: [...always, 'registration-expired', 'registration-closed'],
    run: async (req, deps) => cancelRegistration(deps, await registrationFor(req, deps)),
  },
  {
    method: 'post',
    path: '/api/v1/registrations/stop',
    summary: 'Not me: end the running registrations of a number or address by the token that its owner was sent',
    guard: 'none',
    body: RegistrationStop,
    status: 204,
    failures: [...always, 'token-invalid'],
    run: (req, deps) => stopRegistrations(deps, req.body),
  },
  ...authRoutes,
  ...userRoutes,
  ...adminRoutes,
  {
    method: 'post',
    path: '/api/v1/voice/twilio',
    summary: 'What a call says once a key was pressed; signed by Twilio',
    guard: 'none',
    query: SpeechQuery,
    body: TwilioForm,
    isForm: true,
    status: 200,
    answer: z.string(),
    answerType: 'text/xml',
    failures: ['malformed', 'unauthenticated', 'not-found'],
    run: (req, deps) => speakCode(deps, signedRequestOf(req)),
  },
  {
    method: 'post',
    path: '/api/v1/delivery-reports/twilio',
    summary: 'What became of an SMS or call; signed by Twilio',
    guard: 'none',
    query: ReportQuery,
    body: TwilioForm,
    isForm: true,
    isDeliveryReport: true,
    status: 204,
    failures: ['malformed', 'unauthenticated', 'rate-limited', 'unavailable'],
    run: (req, deps) => receiveTwilioReport(deps, requestContext(req), signedRequestOf(req)),
  },
  {
    method: 'post',
    path: '/api/v1/delivery-reports/infobip',
    summary: 'What became of an SMS; by the address that Infobip was given',
    guard: 'none',
    query: ReportQuery,
    body: InfobipReports,
    isDeliveryReport: true,
    status: 204,
    failures: ['malformed', 'unauthenticated', 'rate-limited', 'unavailable'],
    run: (req, deps) => receiveInfobipReport(deps, requestContext(req), req),
  },
  {
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'The keys that access tokens are verified with (RFC 7517): none under HS256',
    guard: 'none',
    status: 200,
    answer: PublicKeys,
    cacheSeconds: 300,
    failures: ['rate-limited'],
    run: (_req, deps) => readPublicKeys(deps),
  },
  {
    method: 'get',
    path: '/health',
    summary: 'Whether the process answers',
    guard: 'none',
    status: 200,
    answer: Health,
    failures: [],
    run: () => readHealth(),
  },
  {
    method: 'get',
    path: '/health/ready',
    summary: 'Whether the dependencies answer',
    guard: 'none',
    status: 200,
    answer: Readiness,
    failures: ['unavailable'],
    run: (_req, deps) => readReadiness(deps),
  },
];

const reportPaths = routes.flatMap(({ isDeliveryReport, path }) => (isDeliveryReport ? [path] : []));
const formPaths = routes.flatMap(({ isForm, path }) => (isForm ? [path] : []));
const unlimitedPaths = ['/health', '/health/ready', '/metrics', ...reportPaths];
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
  for (const route of routes) serve(app, deps, route);
  serveDocs(app, deps);
  app.use(() => {
    throw new Failure('not-found');
  });
  app.use((err: unknown, req: Request, res: Response, _next: NextFunction) => answerProblem(deps, err, req, res));
  return app;
}

function serve(app: Express, deps: ApiDeps, route: Route): void {
  app[route.method](route.path, async (req, res) => {
    res.locals.route = route.path;
    if (needsStepUp(route, req.body)) requireStepUp(deps, await sessionOf(req, deps));
    const answer = await route.run(req, deps);
    sendAnswer(res, route, answer);
  });
}

function needsStepUp({ stepUp = [] }: Route, body: unknown): boolean {
  if (stepUp === 'always') return true;
  return typeof body === 'object' && body !== null && stepUp.some((field) => Object.hasOwn(body, field));
}

function sendAnswer(res: Response, route: Route, answer: unknown): void {
  if (route.cacheSeconds !== undefined) res.set('Cache-Control', `public, max-age=${route.cacheSeconds}`);
  if (route.fileName !== undefined) res.set('Content-Disposition', `attachment; filename="${route.fileName}"`);
  if (route.status === 201) res.location(locationOf(answer));
  res.status(route.other?.isIt(answer) ? route.other.status : route.status);
  if (route.answer === undefined) res.end();
  else if (route.answerType === undefined) res.json(answer);
  else res.type(route.answerType).send(answer);
}

function serveDocs(app: Express, deps: ApiDeps): void {
  const document = openApiDocument(routes);
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
        isRead: req.method === 'GET' || reportPaths.includes(route),
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
  if (!unlimitedPaths.includes(req.path)) await limitRequest(deps, requestContext(req));
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

function signedRequestOf(req: Request): SignedRequest {
  const { originalUrl: path, query, body } = req;
  return { path, query, body, signature: req.get('x-twilio-signature') };
}

function locationOf(answer: unknown): string {
  const { registrationId } = answer as { registrationId?: string };
  return registrationId === undefined ? '/api/v1/auth/session' : `/api/v1/registrations/${registrationId}`;
}

function trustProxyOf(proxies: readonly string[]): number | string[] | false {
  if (proxies.length === 0) return false;
  const attempts = Number(proxies[0]);
  return proxies.length === 1 && Number.isInteger(attempts) ? attempts : [...proxies];
}
