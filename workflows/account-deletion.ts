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
 * 3. Delete the user's keys in Redis.
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
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type { DeletionActivities, DeletionInput, ErasureActivities, ErasureInput } from '../activities/deletion.ts';
import type { UserAdministrationActivities } from '../activities/user-administration.ts';
import { accountErasureWorkflowId } from '../domain/account.ts';
import type { PlannedDeletion } from '../domain/deletion.ts';
import { type NotificationKind, notificationWorkflowId } from '../domain/notifications.ts';
import { notification } from './notification.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userAttributesOf } from './search-attributes.ts';

/** The input of a deletion, from the api. */
export type AccountDeletionInput = DeletionInput;

/** The outcome of a deletion. `planned-before`: another deletion was already planned. `gone`: there is no account. */
export type DeletionOutcome = 'erasing' | 'stopped' | 'planned-before' | 'gone';

interface DeletionExecution {
  state: 'planning' | 'planned' | 'stopping' | 'over';
  /** The deletion that the account is marked with. */
  planned: PlannedDeletion | null;
}

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
  const execution: DeletionExecution = { state: 'planning', planned: null };
  const isOpen = () => {
    if (execution.state === 'over') throw refusal('not-found');
  };
  setHandler(
    planDeletion,
    async () => {
      await condition(() => execution.state !== 'planning');
      if (execution.planned === null) throw refusal('not-found');
      return execution.planned;
    },
    { validator: isOpen },
  );
  setHandler(
    stopDeletion,
    async () => {
      if (execution.state !== 'over') execution.state = 'stopping';
      await condition(() => execution.state === 'over');
    },
    { validator: isOpen },
  );
  const end = async <T>(outcome: T): Promise<T> => {
    execution.state = 'over';
    await condition(allHandlersFinished);
    return outcome;
  };

  execution.planned = await planning.planDeletion(input);
  if (execution.planned === null) return end('gone');
  if (execution.planned.deletionId !== deletionId) return end('planned-before');
  await planning.endOtherDevices(input);
  await planning.tellDeletion(input, 'planned');
  if (execution.state === 'planning') execution.state = 'planned';
  const told = tellOwner(input, 'deletion-planned');
  await condition(() => execution.state === 'stopping', Math.max(1, effectiveAt - Date.now()));
  if (execution.state === 'stopping') {
    await planning.stopDeletion(input);
    await planning.tellDeletion(input, 'stopped');
    return end('stopped');
  }
  execution.state = 'over';
  await access.disableAccount({ userId, at: effectiveAt });
  await access.endSessions({ userId, at: effectiveAt });
  await told;
  await tellOwner(input, 'account-deleted');
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

/** Notifies the owner and waits until the notification ends, also while a provider is unavailable. */
async function tellOwner({ deletionId, userId }: DeletionInput, kind: NotificationKind): Promise<void> {
  const told = { userId, kind, occasion: deletionId };
  await executeChild(notification, {
    args: [told],
    workflowId: notificationWorkflowId(told),
    taskQueue: 'registration',
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `Notification: ${kind}`,
    typedSearchAttributes: userAttributesOf(userId),
  });
}
