/**
 * Deletion of an account in two workflows. The first has the user's id in its history; the second erases that history
 * too.
 *
 * `accountDeletion`
 * 1. Mark the account, unless another deletion has already; create the receipt; end every session except the requesting
 *    one.
 * 2. Emit the event; notify the owner by every channel.
 * 3. Wait. A logged-in user can stop the deletion until it is due: the mark is removed, and nothing else has changed.
 * 4. When due: disable the account, end its sessions.
 * 5. Notify the owner again and wait for it: after the erasure the addresses are gone.
 * 6. Start `accountErasure`.
 *
 * `accountErasure`
 * 1. Delete the user's workflow executions in Temporal with their histories, running ones and `accountDeletion`
 *    included.
 * 2. Rewrite the user's audit events.
 * 3. Delete the user's devices, messages, conversations and keys in Redis.
 * 4. Delete account and claims in MongoDB.
 * 5. Remove the user from the receipt; emit the event.
 *
 * Each step is retried until it succeeds, however long its dependency is unavailable. An erasure has no compensations.
 */
import {
  allHandlersFinished,
  ChildWorkflowCancellationType,
  condition,
  defineUpdate,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type { DeletionActivities, DeletionInput, ErasureActivities, ErasureInput } from '../activities/deletion.ts';
import type { UserAdministrationActivities } from '../activities/user-administration.ts';
import { type DeletionState, type PlannedDeletion, refuseDeletionUpdate } from '../domain/deletion.ts';
import { accountErasureWorkflowId } from '../domain/workflow-ids.ts';
import { notifyOwnerAndWait } from './notification.ts';
import { refusal, throwIfRefused } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The input of a deletion, from the api. */
export type AccountDeletionInput = DeletionInput;

/** The outcome of a deletion. `planned-before`: another deletion was already planned. `gone`: there is no account. */
export type DeletionOutcome = 'erasing' | 'stopped' | 'planned-before' | 'gone';

/** Plans the deletion and returns the planned one. A deletion that was planned earlier stays unchanged. */
export const planDeletion = defineUpdate<PlannedDeletion>('planDeletion');
/** Stops the deletion before it is due. */
export const stopDeletion = defineUpdate<void>('stopDeletion');

const planning = proxyActivities<DeletionActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const access = proxyActivities<UserAdministrationActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
/** Erasure activities search a whole store, hence the long timeout. */
const erasing = proxyActivities<ErasureActivities>({
  startToCloseTimeout: '1h',
  heartbeatTimeout,
  retry: { ...retry, maximumInterval: '1m' },
});

/** Plans a deletion and starts the erasure when it is due. Returns the outcome. */
export async function accountDeletion(input: AccountDeletionInput): Promise<DeletionOutcome> {
  const { deletionId, userId, effectiveAt } = input;
  const deletion: DeletionState = { phase: 'planning', planned: null };
  const validator = () => throwIfRefused(refuseDeletionUpdate(deletion));
  setHandler(
    planDeletion,
    async () => {
      await condition(() => deletion.phase !== 'planning');
      if (deletion.planned === null) throw refusal('not-found');
      return deletion.planned;
    },
    { validator },
  );
  setHandler(
    stopDeletion,
    async () => {
      if (deletion.phase !== 'over') deletion.phase = 'stopping';
      await condition(() => deletion.phase === 'over');
    },
    { validator },
  );
  const end = async <T>(outcome: T): Promise<T> => {
    deletion.phase = 'over';
    await condition(allHandlersFinished);
    return outcome;
  };

  deletion.planned = await planning.planDeletion(input);
  if (deletion.planned === null) return end('gone');
  if (deletion.planned.deletionId !== deletionId) return end('planned-before');
  await planning.endOtherDevices(input);
  await planning.tellDeletion(input, 'planned');
  if (deletion.phase === 'planning') deletion.phase = 'planned';
  const told = notifyOwnerAndWait({ userId, kind: 'deletion-planned', occasion: deletionId });
  await condition(() => deletion.phase === 'stopping', Math.max(1, effectiveAt - Date.now()));
  if (deletion.phase === 'stopping') {
    await planning.stopDeletion(input);
    await planning.tellDeletion(input, 'stopped');
    return end('stopped');
  }
  deletion.phase = 'over';
  await access.disableAccount({ userId, at: effectiveAt });
  await access.endSessions({ userId, at: effectiveAt });
  await told;
  await notifyOwnerAndWait({ userId, kind: 'account-deleted', occasion: deletionId });
  await planning.beginErasure({ deletionId });
  await startChild(accountErasure, {
    args: [{ deletionId }],
    workflowId: accountErasureWorkflowId(deletionId),
    taskQueue: 'registration',
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.ABANDON,
    staticSummary: 'Erasure of a deleted account',
  });
  return end('erasing');
}

/** Erases all data of the user of a deletion. Idempotent. */
export async function accountErasure(input: ErasureInput): Promise<void> {
  await erasing.eraseWorkflows(input);
  await erasing.eraseAuditLog(input);
  await erasing.eraseKeys(input);
  await erasing.eraseAccount(input);
  await erasing.finishErasure(input);
}
