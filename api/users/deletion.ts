/** `DELETE /users/me`, its cancellation, and the receipt of a deletion. */
import { executeUpdate, updateWithStart } from '../../adapters/temporal/client-calls.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { userOperations } from '../../contract/users.ts';
import { Failure } from '../../domain/failures.ts';
import { accountDeletionWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { accountDeletion, planDeletion, stopDeletion } from '../../workflows/account-deletion.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Ops = typeof userOperations;

/**
 * Schedules the deletion of the account of the calling user after the grace period. Every other session ends, and the
 * owner is notified by every channel. A repeat returns the scheduled deletion.
 *
 * @throws {Failure} not-found, unavailable
 */
export async function deleteAccount(
  deps: Pick<ApiDeps, 'accounts' | 'config' | 'temporal' | 'deletionTokens'>,
  { holder: { userId, sessionId } }: HandlerInput<Ops['deleteAccount']>,
): Promise<AnswerOf<Ops['deleteAccount']>> {
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  const requestedAt = Date.now();
  const asked = {
    deletionId: account.deletionId ?? newId(),
    userId,
    sessionId,
    requestedAt,
    effectiveAt: requestedAt + deps.config.DELETION_GRACE_SECONDS * 1000,
  };
  const start = {
    workflow: accountDeletion,
    workflowId: accountDeletionWorkflowId(asked.deletionId),
    args: [asked] as [typeof asked],
    staticSummary: 'Deletion of an account',
    typedSearchAttributes: userAttributesOf(userId),
    // it lives for weeks: recorded histories are replayed against every change
    versioningOverride: 'AUTO_UPGRADE' as const,
  };
  const { deletionId, effectiveAt } = await updateWithStart(deps, start, planDeletion, []).catch(refuseWhenOver);
  const [deletionToken = ''] = deps.deletionTokens(deletionId);
  return { status: 202, body: { deletionId, deletionToken, effectiveAt: new Date(effectiveAt).toISOString() } };
}

/**
 * Stops the deletion of the account of the calling user.
 *
 * @throws {Failure} not-found: no deletion is scheduled; unavailable
 */
export async function stopAccountDeletion(
  deps: Pick<ApiDeps, 'accounts' | 'temporal'>,
  { holder: { userId } }: HandlerInput<Ops['stopAccountDeletion']>,
): Promise<AnswerOf<Ops['stopAccountDeletion']>> {
  const { deletionId } = (await deps.accounts.read(userId)) ?? {};
  if (deletionId === undefined) throw new Failure('not-found');
  const workflowId = accountDeletionWorkflowId(deletionId);
  await executeUpdate(deps, workflowId, stopDeletion, { args: [] }).catch(refuseWhenOver);
  return { status: 204 };
}

/** Treats a deletion that has just ended as missing. @throws {Failure} not-found, and every other error */
function refuseWhenOver(err: unknown): never {
  if (err instanceof Failure && err.code === 'registration-closed') throw new Failure('not-found');
  throw err;
}

/** Returns the receipt of a deletion to the holder of its token. @throws {Failure} not-found */
export async function readDeletion(
  deps: Pick<ApiDeps, 'deletions'>,
  { holder: { deletionId } }: HandlerInput<Ops['readDeletion']>,
): Promise<AnswerOf<Ops['readDeletion']>> {
  const found = await deps.deletions.read(deletionId);
  if (found === undefined) throw new Failure('not-found');
  const { requestedAt, effectiveAt, stoppedAt, begunAt, erasedAt, erased } = found;
  const begun = begunAt === undefined ? ('planned' as const) : ('erasing' as const);
  const open = erasedAt === undefined ? begun : ('erased' as const);
  const body = {
    deletionId,
    state: stoppedAt === undefined ? open : ('stopped' as const),
    requestedAt: requestedAt.toISOString(),
    effectiveAt: effectiveAt.toISOString(),
    erasedAt: erasedAt?.toISOString() ?? null,
    erased: { ...erased, auditEvents: erased.auditEvents ?? null },
  };
  return { status: 200, body };
}
