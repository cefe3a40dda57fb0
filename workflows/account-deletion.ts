/**
 * Deletion of an account, in two workflows: the first knows the person, the second erases that one too.
 *
 * `accountDeletion`
 * 1. Mark the account, unless another deletion has; begin the receipt; end every session but the one that asked.
 * 2. Leave the event; tell the owner in every way there is.
 * 3. Wait. Whoever logs in may stop it until it is due: the mark is taken away, and nothing else has happened.
 * 4. Due: disable the account, end its sessions.
 * 5. Tell the owner once more, and wait for that: afterwards nobody knows where.
 * 6. Hand over to `accountErasure`.
 *
 * `accountErasure`
 * 1. Delete the person's flows in Temporal, with their histories: those under way, and the first workflow.
 * 2. Rewrite the person's audit events.
 * 3. Delete the person's keys in Redis.
 * 4. Delete account and claims in MongoDB.
 * 5. Make the receipt name nobody; leave the event.
 *
 * Each step is repeated until it is done, however long its system is away. Nothing of the second is undone.
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

/** A deletion, as the api starts it. */
export type AccountDeletionInput = DeletionInput;

/** `planned-before`: another deletion of the account was asked for before. `gone`: there is no account. */
export type DeletionOutcome = 'erasing' | 'stopped' | 'planned-before' | 'gone';

interface DeletionExecution {
  state: 'planning' | 'planned' | 'stopping' | 'over';
  /** The deletion that the account has. */
  planned: PlannedDeletion | null;
}

/** Asks for the deletion; one that was asked for before stays as it is. */
export const planDeletion = defineUpdate<PlannedDeletion>('planDeletion');
/** Stops the deletion. */
export const stopDeletion = defineUpdate<void>('stopDeletion');

const planning = proxyActivities<DeletionActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const access = proxyActivities<UserAdministrationActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
/** They go through a whole store. */
const erasing = proxyActivities<ErasureActivities>({
  startToCloseTimeout: '1h',
  heartbeatTimeout,
  retry: { ...retry, maximumInterval: '1m' },
});

/** Plans a deletion and begins it when it is due; answers what became of it. */
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

/** Erases whatever there is of the person of a deletion. Safe to run again. */
export async function accountErasure(input: ErasureInput): Promise<void> {
  await erasing.eraseWorkflows(input);
  await erasing.eraseAuditLog(input);
  await erasing.eraseKeys(input);
  await erasing.eraseAccount(input);
  await erasing.finishErasure(input);
}

/** Has the owner told, and waits for it: while a provider is away, as long as a notification does. */
async function tellOwner({ deletionId, userId }: DeletionInput, kind: NotificationKind): Promise<void> {
  const told = { userId, kind, occasion: deletionId };
  await executeChild(notification, {
    args: [told],
    workflowId: notificationWorkflowId(told),
    taskQueue: 'registration',
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `Notice: ${kind}`,
    typedSearchAttributes: userAttributesOf(userId),
  });
}
