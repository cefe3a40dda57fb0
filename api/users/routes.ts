/** The rows of /users/me: what a person does with their own account. */
import { callerOf, sessionOf } from '../requests.ts';
import { always, type Route } from '../route.ts';
import { User } from '../schemas.ts';
import { ContactProof, proveContact, StartedChange } from './contact.ts';
import { readMe } from './me.ts';
import { changeProfile, isStartedChange, ProfileChange } from './profile.ts';

const me = '/api/v1/users/me';

/** Rows of the REST table, in the order of API.md. */
export const userRoutes: Route[] = [
  {
    method: 'get',
    path: me,
    summary: 'The person of the access token',
    guard: 'session',
    status: 200,
    answer: User,
    failures: [...always, 'not-found'],
    run: async (req, deps) => readMe(deps, await sessionOf(req, deps)),
  },
  {
    method: 'put',
    path: me,
    summary: 'Change the own account; a new number or address is proven by a code that goes there',
    guard: 'session',
    stepUp: ['phone', 'email', 'username'],
    body: ProfileChange,
    status: 200,
    answer: User,
    other: { status: 202, answer: StartedChange, isIt: isStartedChange },
    isIdempotent: true,
    failures: [...always, 'not-found', 'identity-taken', 'step-not-available', 'idempotency-key-reused'],
    run: async (req, deps) => changeProfile(deps, await sessionOf(req, deps), req.body, callerOf(req)),
  },
  {
    method: 'post',
    path: `${me}/changes/:changeId/verify`,
    summary: 'Prove the new number or address by the code that went there: from then on the account has it',
    guard: 'session',
    body: ContactProof,
    status: 200,
    answer: User,
    failures: [...always, 'not-found', 'code-wrong', 'code-expired', 'identity-taken'],
    run: async (req, deps) =>
      proveContact(deps, await sessionOf(req, deps), String(req.params.changeId), {
        body: req.body,
        caller: callerOf(req),
      }),
  },
];
