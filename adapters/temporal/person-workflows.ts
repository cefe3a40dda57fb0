/**
 * What Temporal holds of one person: executions, under way and closed, with their histories.
 *
 * Consistency: lists of Temporal lag behind by about a second, and deleting is not done when it is answered; so they are
 * asked until they stay empty. Timeout: the caller's. Away: throws.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { isGrpcServiceError } from '@temporalio/client';
import {
  accountDeletionWorkflowId,
  identityChangeWorkflowId,
  userAdministrationWorkflowId,
} from '../../domain/account.ts';
import { registrationWorkflowId } from '../../domain/registration.ts';

/** By what executions of a person are found. */
export interface PersonWorkflows {
  userId: string;
  /** Ids of workflows that are known. */
  workflowIds: readonly string[];
}

const pageSize = 100;
const lagMs = 2000;
/** gRPC status. */
const notFound = 5;

/** An execution of a person, as Temporal lists it. */
export interface ListedWorkflow {
  type: string;
  workflowId: string;
  startedAt: Date;
  /** Absent while it is under way. */
  closedAt?: Date;
}

/** The newest executions of a person, up to a number. */
export async function listPersonWorkflows(
  client: Client,
  person: PersonWorkflows,
  limit: number,
): Promise<ListedWorkflow[]> {
  const { executions } = await client.workflowService.listWorkflowExecutions({
    namespace: client.options.namespace,
    query: queryOf(person),
    pageSize: limit,
  });
  return executions.map(({ type, execution, startTime, closeTime }) => ({
    type: type?.name ?? '',
    workflowId: execution?.workflowId ?? '',
    startedAt: new Date(Number(startTime?.seconds ?? 0) * 1000),
    ...(closeTime && { closedAt: new Date(Number(closeTime.seconds ?? 0) * 1000) }),
  }));
}

/** What is known by its id, whoever started it. */
export function workflowsOf(userId: string, { registrationIds = [], deletionId }: KnownWorkflows): PersonWorkflows {
  const workflowIds = [
    userAdministrationWorkflowId(userId),
    identityChangeWorkflowId(userId),
    ...registrationIds.map(registrationWorkflowId),
    ...(deletionId === undefined ? [] : [accountDeletionWorkflowId(deletionId)]),
  ];
  return { userId, workflowIds };
}

/** What an account says of its flows. */
export interface KnownWorkflows {
  registrationIds?: readonly string[] | undefined;
  deletionId?: string | undefined;
}

/**
 * Deletes the executions of a person; what is under way ends without a word. Answers how many there were. Safe to repeat.
 */
export async function erasePersonWorkflows(client: Client, person: PersonWorkflows): Promise<number> {
  const erased = new Set<string>();
  for (let emptyLists = 0; emptyLists < 2; ) {
    const { executions } = await client.workflowService.listWorkflowExecutions({
      namespace: client.options.namespace,
      query: queryOf(person),
      pageSize,
    });
    for (const { execution } of executions) {
      await deleteExecution(client, execution);
      erased.add(execution?.runId ?? '');
    }
    emptyLists = executions.length === 0 ? emptyLists + 1 : 0;
    await pause(lagMs);
  }
  return erased.size;
}

async function deleteExecution(client: Client, execution: { workflowId?: string | null } | null | undefined) {
  try {
    await client.workflowService.deleteWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: execution ?? null,
    });
  } catch (err) {
    if (!isGrpcServiceError(err) || err.code !== notFound) throw err;
  }
}

/** Every value is an id of ours. */
function queryOf({ userId, workflowIds }: PersonWorkflows): string {
  const quoted = (text: string) => `"${text.replaceAll(/[\\"]/g, '')}"`;
  return `VyryUser = ${quoted(userId)} OR WorkflowId IN (${workflowIds.map(quoted).join(', ')})`;
}
