/** `/admin/users/{id}/roles`: what a person may do. */
import { z } from 'zod';
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { Session } from '../../adapters/redis/sessions.ts';
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import { adminRole, isRole, rolesOf, userRolesWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { userRoleChange } from '../../workflows/user-administration.ts';
import type { ApiDeps } from '../deps.ts';
import { parse } from '../schemas.ts';

/** The roles that a person shall have. */
export const NewRoles = z.strictObject({
  roles: z
    .array(z.string())
    .max(20, 'must be at most 20')
    .refine((names) => names.every(isRole), 'must each be up to 32 lower-case letters, digits and dashes')
    .describe('All of them; `user`, which everybody has, may be left out'),
});

/** The roles of a person. */
export const UserRoles = z.object({ userId: z.string(), roles: z.array(z.string()) }).meta({ id: 'UserRoles' });

/** Longest wait for a change that goes on by itself. */
const waitMs = 10_000;

/** The roles of a person. @throws {Failure} not-found */
export async function readRoles(deps: ApiDeps, userId: string): Promise<z.output<typeof UserRoles>> {
  const { roles } = await requireAccount(deps, userId);
  return { userId, roles };
}

/**
 * Gives a person these roles and no others; what needs a role that was taken is refused from then on. Admins do not take
 * their own role: so there is always one who can give it back.
 *
 * @throws {Failure} malformed, not-found, forbidden, unavailable
 */
export async function replaceRoles(
  deps: ApiDeps,
  admin: Session,
  userId: string,
  body: unknown,
): Promise<z.output<typeof UserRoles>> {
  const roles = rolesOf(parse(NewRoles, body).roles);
  await requireAccount(deps, userId);
  if (userId === admin.userId && !roles.includes(adminRole)) {
    throw new Failure('forbidden', { message: 'Another admin has to take this role from you' });
  }
  await executeSingleton(deps, userRoleChange, {
    workflowId: userRolesWorkflowId(newId()),
    args: [{ userId, at: Date.now(), operator: admin.userId, roles }],
    staticSummary: 'Change roles',
    typedSearchAttributes: userAttributesOf(userId),
    waitMs,
  });
  return { userId, roles };
}

/** The account of a person that an admin names. @throws {Failure} not-found */
export async function requireAccount({ accounts }: Pick<ApiDeps, 'accounts'>, userId: string): Promise<Account> {
  const account = await accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  return account;
}
