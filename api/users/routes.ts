/** The rows of /users/me: what a person does with their own account. */
import { deletionOf, requestContext, sessionOf } from '../requests.ts';
import { always, type Route } from '../route.ts';
import { User } from '../schemas.ts';
import { ContactProof, StartedChange, verifyContact } from './contact.ts';
import { Deletion, deleteAccount, PlannedDeletion, readDeletion, stopAccountDeletion } from './deletion.ts';
import { Export, exportAccount } from './export.ts';
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
    run: async (req, deps) => changeProfile(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
  {
    method: 'get',
    path: `${me}/export`,
    summary: 'Everything that is stored of the person, for machines',
    guard: 'session',
    stepUp: 'always',
    status: 200,
    answer: Export,
    fileName: 'vyry-export.json',
    failures: [...always, 'not-found'],
    run: async (req, deps) => exportAccount(deps, await sessionOf(req, deps), requestContext(req)),
  },
  {
    method: 'delete',
    path: me,
    summary: 'Have the own account deleted, after the days of grace; every other session ends',
    guard: 'session',
    stepUp: 'always',
    status: 202,
    answer: PlannedDeletion,
    failures: [...always, 'not-found'],
    run: async (req, deps) => deleteAccount(deps, await sessionOf(req, deps)),
  },
  {
    method: 'post',
    path: `${me}/deletion/cancel`,
    summary: 'Stop the deletion of the own account',
    guard: 'session',
    status: 204,
    failures: [...always, 'not-found'],
    run: async (req, deps) => stopAccountDeletion(deps, await sessionOf(req, deps)),
  },
  {
    method: 'get',
    path: '/api/v1/deletions/:deletionId',
    summary: 'The receipt of a deletion: where it stands, and how much was erased',
    guard: 'deletion',
    status: 200,
    answer: Deletion,
    failures: [...always, 'not-found'],
    run: async (req, deps) => readDeletion(deps, deletionOf(req, deps)),
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
      verifyContact(deps, await sessionOf(req, deps), String(req.params.changeId), {
        body: req.body,
        caller: requestContext(req),
      }),
  },
];
