/** The rows of /admin, for people who have the role. */
import { adminOf } from '../requests.ts';
import { always, type Route } from '../route.ts';
import { DisabledUser, disableUser } from './disable.ts';
import { listRegistrations, RegistrationList, RegistrationsQuery } from './registrations.ts';
import { NewRoles, readRoles, replaceRoles, UserRoles } from './roles.ts';

const user = '/api/v1/admin/users/:userId';

/** Rows of the REST table, in the order of API.md. */
export const adminRoutes: Route[] = [
  {
    method: 'get',
    path: `${user}/roles`,
    summary: 'The roles of a person',
    guard: 'admin',
    status: 200,
    answer: UserRoles,
    failures: [...always, 'not-found'],
    run: async (req, deps) => {
      await adminOf(req, deps);
      return readRoles(deps, String(req.params.userId));
    },
  },
  {
    method: 'put',
    path: `${user}/roles`,
    summary: 'Give a person these roles and no others',
    guard: 'admin',
    body: NewRoles,
    status: 200,
    answer: UserRoles,
    failures: [...always, 'not-found'],
    run: async (req, deps) => replaceRoles(deps, await adminOf(req, deps), String(req.params.userId), req.body),
  },
  {
    method: 'post',
    path: `${user}/disable`,
    summary: 'Disable an account and end its sessions',
    guard: 'admin',
    status: 200,
    answer: DisabledUser,
    failures: [...always, 'not-found'],
    run: async (req, deps) => disableUser(deps, await adminOf(req, deps), String(req.params.userId)),
  },
  {
    method: 'get',
    path: '/api/v1/admin/registrations',
    summary: 'Registrations under way and over, without anything personal',
    guard: 'admin',
    query: RegistrationsQuery,
    status: 200,
    answer: RegistrationList,
    failures: always,
    run: async (req, deps) => {
      await adminOf(req, deps);
      return listRegistrations(deps, req.query);
    },
  },
];
