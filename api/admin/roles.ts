/** `/admin/users/{id}/roles`: the roles of a user. */
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import type { adminOperations } from '../../contract/admin.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { type Account, adminRole, rolesOf } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { userRolesWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { type AdministrationOutcome, userRoleChange } from '../../workflows/user-administration.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Ops = typeof adminOperations;

/** Longest wait for a change; after that it continues automatically. */
const waitMs = 10_000;

/** Returns the roles of a user. @throws {Failure} not-found */
export async function readRoles(
  deps: Pick<ApiDeps, 'accounts'>,
  { params: { userId } }: HandlerInput<Ops['readRoles']>,
): Promise<AnswerOf<Ops['readRoles']>> {
  const { roles } = await requireAccount(deps, userId);
  return { status: 200, body: { userId, roles } };
}

/**
 * Replaces the roles of a user. Operations that require a removed role are refused at once. Admins cannot remove their
 * own admin role, so that at least one admin remains.
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
    throw new Failure('forbidden', { message: 'Admins cannot remove their own admin role' });
  }
  const outcome = await executeSingleton(deps, userRoleChange, {
    workflowId: userRolesWorkflowId(newId()),
    args: [{ userId, at: Date.now(), operator: admin.userId, roles, keepsAdmin: true }],
    staticSummary: 'Change roles',
    typedSearchAttributes: userAttributesOf(userId),
    waitMs,
  });
  requireAdminLeft(outcome);
  return { status: 200, body: { userId, roles } };
}

/** Refuses a change that was undone. @throws {Failure} forbidden */
export function requireAdminLeft(outcome: AdministrationOutcome): void {
  if (outcome === 'changed') return;
  throw new Failure('forbidden', {
    message: 'This would leave no admin, so it was not done; give the role admin to another user first',
  });
}

/** Returns the account of a user. @throws {Failure} not-found */
export async function requireAccount({ accounts }: Pick<ApiDeps, 'accounts'>, userId: string): Promise<Account> {
  const account = await accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  return account;
}
