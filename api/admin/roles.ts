/** `/admin/users/{id}/roles`: what a person may do. */
import type { Account } from '../../adapters/mongo/accounts.ts';
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import type { adminOperations } from '../../contract/admin.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { adminRole, rolesOf, userRolesWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { userRoleChange } from '../../workflows/user-administration.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Ops = typeof adminOperations;

/** Longest wait for a change that goes on by itself. */
const waitMs = 10_000;

/** The roles of a person. @throws {Failure} not-found */
export async function readRoles(
  deps: Pick<ApiDeps, 'accounts'>,
  { params: { userId } }: HandlerInput<Ops['readRoles']>,
): Promise<AnswerOf<Ops['readRoles']>> {
  const { roles } = await requireAccount(deps, userId);
  return { status: 200, body: { userId, roles } };
}

/**
 * Gives a person these roles and no others; what needs a role that was taken is refused from then on. Admins do not take
 * their own role: so there is always one who can give it back.
 *
 * @throws {Failure} malformed, not-found, forbidden, unavailable
 */
export async function replaceRoles(
  deps: Pick<ApiDeps, 'accounts' | 'temporal'>,
  { holder: admin, params: { userId }, body }: HandlerInput<Ops['replaceRoles']>,
): Promise<AnswerOf<Ops['replaceRoles']>> {
  const roles = rolesOf(body.roles);
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
  return { status: 200, body: { userId, roles } };
}

/** The account of a person that an admin names. @throws {Failure} not-found */
export async function requireAccount({ accounts }: Pick<ApiDeps, 'accounts'>, userId: string): Promise<Account> {
  const account = await accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  return account;
}
