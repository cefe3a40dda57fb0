/** `POST /admin/users/{id}/disable`: disables the account of a user. */
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import type { adminOperations } from '../../contract/admin.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { userAdministrationWorkflowId } from '../../domain/workflow-ids.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { userDisabling } from '../../workflows/user-administration.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { requireAccount, requireAdminLeft } from './roles.ts';

type Op = typeof adminOperations.disableUser;

const waitMs = 10_000;

/**
 * Disables an account and ends its sessions, as `vyry users disable` does. Safe to repeat. Admins cannot disable
 * themselves.
 *
 * @throws {Failure} not-found, forbidden, unavailable
 */
export async function disableUser(
  deps: Pick<ApiDeps, 'accounts' | 'temporal'>,
  { holder: admin, params: { userId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  await requireAccount(deps, userId);
  if (userId === admin.userId) throw new Failure('forbidden', { message: 'Admins cannot disable their own account' });
  const { sessionsEnded, outcome } = await executeSingleton(deps, userDisabling, {
    workflowId: userAdministrationWorkflowId(userId),
    args: [{ userId, at: Date.now(), operator: admin.userId, keepsAdmin: true }],
    staticSummary: 'Disable an account',
    typedSearchAttributes: userAttributesOf(userId),
    waitMs,
  });
  requireAdminLeft(outcome);
  return { status: 200, body: { userId, sessionsEnded } };
}
