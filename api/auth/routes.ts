/** The rows of /auth: register, log in, refresh, log out. */
import { requestContext, sessionOf } from '../requests.ts';
import { always, type Route } from '../route.ts';
import { Session, StartedRegistration, Tokens, User } from '../schemas.ts';
import { readSession } from '../sessions.ts';
import { readMe } from '../users/me.ts';
import { credentialRoutes } from './credential-routes.ts';
import { endSession, LogOut, listSessions, logOut, PageQuery, SessionPage } from './end.ts';
import { beginLogIn, NewLogIn, StartedLogIn } from './log-in.ts';
import { Refresh, refreshTokens } from './refresh.ts';
import { register, ShortRegistration } from './register.ts';
import { CodeOf, Verified, verifyCodeOf } from './verify.ts';

const auth = '/api/v1/auth';

const logInRow = {
  method: 'post',
  guard: 'none',
  body: NewLogIn,
  status: 202,
  answer: StartedLogIn,
  other: { status: 200, answer: Tokens, isIt: (answer: unknown) => 'accessToken' in (answer as object) },
  isIdempotent: true,
  failures: [...always, 'credentials-wrong', 'directory-unavailable', 'idempotency-key-reused'],
  run: (req, deps) => beginLogIn(deps, req.body, requestContext(req)),
} satisfies Partial<Route>;

const verifyRow = {
  method: 'post',
  guard: 'none',
  body: CodeOf,
  status: 200,
  answer: Verified,
  isIdempotent: true,
  failures: [
    ...always,
    'unauthenticated',
    'not-found',
    'code-wrong',
    'code-expired',
    'code-not-sent',
    'identity-taken',
    'step-not-available',
    'registration-expired',
    'registration-closed',
    'session-already-taken',
    'account-disabled',
    'idempotency-key-reused',
  ],
  run: (req, deps) => verifyCodeOf(deps, req.body, { ...requestContext(req), authorization: req.get('authorization') }),
} satisfies Partial<Route>;

/** Rows of the REST table, in the order of API.md. */
export const authRoutes: Route[] = [
  {
    method: 'post',
    path: `${auth}/register`,
    summary: 'Start a registration and have its code sent',
    guard: 'none',
    body: ShortRegistration,
    status: 201,
    answer: StartedRegistration,
    isIdempotent: true,
    failures: [...always, 'channel-not-available', 'channel-refused', 'idempotency-key-reused'],
    run: (req, deps) => register(deps, req.body, requestContext(req)),
  },
  { ...logInRow, path: `${auth}/login/init`, summary: 'Log in: have a code sent, or give the password' },
  { ...logInRow, path: `${auth}/login`, summary: 'The same as /auth/login/init' },
  { ...verifyRow, path: `${auth}/login/verify`, summary: 'Log in with the code that was sent' },
  { ...verifyRow, path: `${auth}/verify`, summary: 'The same as /auth/login/verify' },
  {
    method: 'post',
    path: `${auth}/refresh-token`,
    summary: 'New tokens for a refresh token, which is rotated',
    guard: 'none',
    body: Refresh,
    status: 200,
    answer: Tokens,
    failures: [...always, 'token-invalid'],
    run: (req, deps) => refreshTokens(deps, req.body),
  },
  {
    method: 'post',
    path: `${auth}/logout`,
    summary: 'End the session of the access token, or every session of its person',
    guard: 'session',
    body: LogOut.optional(),
    status: 204,
    failures: always,
    run: async (req, deps) => logOut(deps, await sessionOf(req, deps), req.body),
  },
  {
    method: 'get',
    path: `${auth}/session`,
    summary: 'The session of the access token',
    guard: 'session',
    status: 200,
    answer: Session,
    failures: always,
    run: async (req, deps) => readSession(deps, await sessionOf(req, deps)),
  },
  {
    method: 'get',
    path: `${auth}/me`,
    summary: 'The person of the access token, the same as /users/me',
    guard: 'session',
    status: 200,
    answer: User,
    failures: [...always, 'not-found'],
    run: async (req, deps) => readMe(deps, await sessionOf(req, deps)),
  },
  {
    method: 'get',
    path: `${auth}/sessions`,
    summary: 'The living sessions of the person',
    guard: 'session',
    query: PageQuery,
    status: 200,
    answer: SessionPage,
    failures: always,
    run: async (req, deps) => listSessions(deps, await sessionOf(req, deps), req.query),
  },
  {
    method: 'delete',
    path: `${auth}/sessions/:sessionId`,
    summary: 'End a session of the person',
    guard: 'session',
    status: 204,
    failures: [...always, 'not-found'],
    run: async (req, deps) => endSession(deps, await sessionOf(req, deps), String(req.params.sessionId)),
  },
  ...credentialRoutes,
];
