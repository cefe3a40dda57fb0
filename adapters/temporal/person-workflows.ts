/**
 * The workflow executions of one user in Temporal, running and closed, with their histories.
 *
 * Consistency: the visibility store lags by about a second, and deletion is asynchronous, so lists are repeated until
 * they stay empty. Timeout: that of the caller. When Temporal is unavailable, calls throw.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { isGrpcServiceError } from '@temporalio/client';
import {
  accountDeletionWorkflowId,
  identityChangeWorkflowId,
  registrationWorkflowId,
  userAdministrationWorkflowId,
} from '../../domain/workflow-ids.ts';
import { attributeOf } from './registrations.ts';

/** The criteria that select the executions of a user. */
export interface PersonWorkflows {
  userId: string;
  /** Known workflow ids, in addition to the search attribute `VyryUser`. */
  workflowIds: readonly string[];
}

const pageSize = 100;
const lagMs = 2000;
/** gRPC status. */
const notFound = 5;

/** An execution of a user, as Temporal lists it. */
export interface ListedWorkflow {
  type: string;
  workflowId: string;
  startedAt: Date;
  /** Absent while it is running. */
  closedAt?: Date;
}

/** Returns the newest executions of a user, at most `limit`. */
export async function listPersonWorkflows(
  client: Client,
  person: PersonWorkflows,
  limit: number,
): Promise<ListedWorkflow[]> {
  return (await listExecutions(client, queryOf(person), limit)).map(listed);
}

/** A running execution, and what it waits for. */
export interface RunningWorkflow extends Omit<ListedWorkflow, 'closedAt'> {
  /** The value of `VyryState`. */
  state?: string;
  /** The value of `VyryStep`. */
  step?: string;
  /** The value of `VyryWaitingFor`. */
  waitingFor?: string;
}

/** The attributes of an execution that tell what it waits for. */
const waitAttributes = { state: 'VyryState', step: 'VyryStep', waitingFor: 'VyryWaitingFor' };

/** Returns the running executions of a user, or those with the given ids, the newest first, at most `limit`. */
export async function listRunningWorkflows(
  client: Client,
  person: PersonWorkflows,
  limit: number,
): Promise<RunningWorkflow[]> {
  const executions = await listExecutions(client, `ExecutionStatus = "Running" AND (${queryOf(person)})`, limit);
  return executions.map((execution) => {
    const found = Object.entries(waitAttributes).flatMap(([name, attribute]) => {
      const value = attributeOf(execution, attribute);
      return value === undefined ? [] : [[name, value]];
    });
    return {
      ...listed(execution),
      ...(Object.fromEntries(found) as Partial<Record<keyof typeof waitAttributes, string>>),
    };
  });
}

type Execution = Parameters<typeof attributeOf>[0];

async function listExecutions(client: Client, query: string, pageSize: number): Promise<Execution[]> {
  const { namespace } = client.options;
  return (await client.workflowService.listWorkflowExecutions({ namespace, query, pageSize })).executions;
}

function listed({ type, execution, startTime, closeTime }: Execution): ListedWorkflow {
  return {
    type: type?.name ?? '',
    workflowId: execution?.workflowId ?? '',
    startedAt: new Date(Number(startTime?.seconds ?? 0) * 1000),
    ...(closeTime && { closedAt: new Date(Number(closeTime.seconds ?? 0) * 1000) }),
  };
}

/** Returns the criteria for the executions of a user, with the workflow ids that can be derived. */
export function workflowsOf(userId: string, { registrationIds = [], deletionId }: KnownWorkflows): PersonWorkflows {
  const workflowIds = [
    userAdministrationWorkflowId(userId),
    identityChangeWorkflowId(userId),
    ...registrationIds.map(registrationWorkflowId),
    ...(deletionId === undefined ? [] : [accountDeletionWorkflowId(deletionId)]),
  ];
  return { userId, workflowIds };
}

/** The ids of workflows that an account stores. */
export interface KnownWorkflows {
  registrationIds?: readonly string[] | undefined;
  deletionId?: string | undefined;
}

/** Deletes the executions of a user, running ones included, and returns their number. Safe to repeat. */
export async function erasePersonWorkflows(client: Client, person: PersonWorkflows): Promise<number> {
  const erased = new Set<string>();
  for (let emptyLists = 0; emptyLists < 2; ) {
    const executions = await listExecutions(client, queryOf(person), pageSize);
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

/** All values are ids that Vyry generated. */
function queryOf({ userId, workflowIds }: PersonWorkflows): string {
  const quoted = (text: string) => `"${text.replaceAll(/[\\"]/g, '')}"`;
  const known = workflowIds.length === 0 ? '' : ` OR WorkflowId IN (${workflowIds.map(quoted).join(', ')})`;
  return `VyryUser = ${quoted(userId)}${known}`;
}
