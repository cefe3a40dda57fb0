/** The rows of /auth: register, log in, refresh, log out. */
import type { Request } from 'express';
import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf, holderOf, sessionOf } from '../requests.ts';
import { always, type Route } from '../route.ts';
import { malformed, parse, Registration, Session, StartedRegistration, Tokens, text, User } from '../schemas.ts';
import { readSession } from '../sessions.ts';
import { readMe } from '../users/me.ts';
import { credentialRoutes } from './credential-routes.ts';
import { endSession, LogOut, listSessions, logOut, PageQuery, SessionPage } from './end.ts';
import { beginLogIn, LogInProof, NewLogIn, proveLogIn, StartedLogIn } from './log-in.ts';
import { Refresh, refreshTokens } from './refresh.ts';
import { register, ShortRegistration, verifyRegistration } from './register.ts';

const auth = '/api/v1/auth';

/** A code, and the one log-in or registration that it is for. */
const Proof = LogInProof.extend({
  loginId: text(64).optional(),
  registrationId: text(64).optional().describe('In place of loginId, with the token of the registration'),
});

/** Tokens, or a registration whose policy has more steps. */
const Verified = z.union([Tokens, Registration]).meta({ id: 'Verified' });

const logInRow = {
  method: 'post',
  guard: 'none',
  body: NewLogIn,
  status: 202,
  answer: StartedLogIn,
  other: { status: 200, answer: Tokens, isIt: (answer: unknown) => 'accessToken' in (answer as object) },
  isIdempotent: true,
  failures: [...always, 'credentials-wrong', 'directory-unavailable', 'idempotency-key-reused'],
  run: (req, deps) => beginLogIn(deps, req.body, callerOf(req)),
} satisfies Partial<Route>;

const verifyRow = {
  method: 'post',
  guard: 'none',
  body: Proof,
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
  run: verify,
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
    run: (req, deps) => register(deps, req.body, callerOf(req)),
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

async function verify(req: Request, deps: ApiDeps) {
  const { loginId, registrationId, code } = parse(Proof, req.body);
  if (loginId !== undefined && registrationId === undefined) return proveLogIn(deps, { loginId, code }, callerOf(req));
  if (registrationId === undefined) throw malformed('loginId', 'is needed');
  if (loginId !== undefined) throw malformed('registrationId', 'is not possible beside loginId');
  return verifyRegistration(deps, await holderOf(req, deps, registrationId), code);
}
