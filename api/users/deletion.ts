/** `DELETE /users/me`, how it is stopped, and its receipt. */
import { z } from 'zod';
import type { Session } from '../../adapters/redis/sessions.ts';
import { executeUpdate, updateWithStart } from '../../adapters/temporal/client-calls.ts';
import { accountDeletionWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { accountDeletion, planDeletion, stopDeletion } from '../../workflows/account-deletion.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';

/** A deletion that was asked for, and the token that its receipt is read with. */
export const PlannedDeletion = z
  .object({ deletionId: z.string(), deletionToken: z.string(), effectiveAt: z.iso.datetime() })
  .meta({ id: 'PlannedDeletion' });

/** What is known of a deletion: no name, also while it is under way. */
export const Deletion = z
  .object({
    deletionId: z.string(),
    state: z.enum(['planned', 'stopped', 'erasing', 'erased']),
    requestedAt: z.iso.datetime(),
    effectiveAt: z.iso.datetime(),
    erasedAt: z.iso.datetime().nullable(),
    erased: z.object({
      workflows: z.int().describe('Executions in Temporal'),
      auditEvents: z.int().nullable().describe('Rewritten; null where the audit log is not reached'),
      keys: z.int().describe('Keys in Redis'),
      claims: z.int().describe('Claims of names, numbers and addresses in MongoDB'),
    }),
  })
  .meta({ id: 'Deletion' });

/**
 * Has the own account deleted after the days of grace. Every other session ends, and the owner is told in every way there
 * is. A repeat answers the deletion that is planned already.
 *
 * @throws {Failure} not-found, unavailable
 */
export async function deleteAccount(
  deps: ApiDeps,
  { userId, sessionId }: Session,
): Promise<z.output<typeof PlannedDeletion>> {
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
  };
  const { deletionId, effectiveAt } = await updateWithStart(deps, start, planDeletion, []).catch(refuseWhenOver);
  return {
    deletionId,
    deletionToken: deps.deletionToken(deletionId),
    effectiveAt: new Date(effectiveAt).toISOString(),
  };
}

/** Stops the deletion of the own account. @throws {Failure} not-found: none is planned; unavailable */
export async function stopAccountDeletion(deps: ApiDeps, { userId }: Session): Promise<void> {
  const { deletionId } = (await deps.accounts.read(userId)) ?? {};
  if (deletionId === undefined) throw new Failure('not-found');
  const workflowId = accountDeletionWorkflowId(deletionId);
  await executeUpdate(deps, workflowId, stopDeletion, { args: [] }).catch(refuseWhenOver);
}

/** A deletion that ended in this moment is none. @throws {Failure} not-found, and what was thrown */
function refuseWhenOver(err: unknown): never {
  if (err instanceof Failure && err.code === 'registration-closed') throw new Failure('not-found');
  throw err;
}

/** Where a deletion stands, for who has its token. @throws {Failure} not-found */
export async function readDeletion(deps: ApiDeps, deletionId: string): Promise<z.output<typeof Deletion>> {
  const found = await deps.deletions.read(deletionId);
  if (found === undefined) throw new Failure('not-found');
  const { requestedAt, effectiveAt, stoppedAt, begunAt, erasedAt, erased } = found;
  const begun = begunAt === undefined ? 'planned' : 'erasing';
  const open = erasedAt === undefined ? begun : 'erased';
  return {
    deletionId,
    state: stoppedAt === undefined ? open : 'stopped',
    requestedAt: requestedAt.toISOString(),
    effectiveAt: effectiveAt.toISOString(),
    erasedAt: erasedAt?.toISOString() ?? null,
    erased: { ...erased, auditEvents: erased.auditEvents ?? null },
  };
}
