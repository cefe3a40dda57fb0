/**
 * Registrations as Temporal lists them, by search attributes: what operators filter and page through.
 *
 * Consistency: eventual; Temporal lists what changed with a delay of about a second. Timeout: the caller's. Away: throws.
 */
import type { Client } from '@temporalio/client';
import { type RegistrationStatus, stepNames } from '../../domain/registration.ts';
import { channels } from '../../domain/verification.ts';

/** What a registration may be. */
export const registrationStates = [
  'pending',
  'waiting',
  'completed',
  'rejected',
  'expired',
  'cancelled',
] as const satisfies RegistrationStatus['state'][];
/** Where a registration may stand. */
export const registrationSteps = [...stepNames, 'approval', 'finish'] as const;
/** What a registration may wait for. */
export const awaitedSystems = ['directory', 'database', ...channels] as const;

/** Which registrations; all of it holds. */
export interface RegistrationFilter {
  state?: (typeof registrationStates)[number] | undefined;
  step?: (typeof registrationSteps)[number] | undefined;
  waitingFor?: (typeof awaitedSystems)[number] | undefined;
  /** ISO 3166, two capital letters. */
  country?: string | undefined;
  startedBefore?: Date | undefined;
}

/** A registration in a list. */
export interface ListedRegistration {
  id: string;
  state: string;
  step: string;
  waitingFor?: string;
  startedAt: Date;
}

/** As many as Temporal gives at once. */
const pageMax = 1000;

/** One page of registrations, those under way first, then the newest first. A cursor must be one that was answered. */
export async function listRegistrations(
  client: Client,
  filter: RegistrationFilter,
  { limit, cursor = '' }: { limit: number; cursor?: string | undefined },
): Promise<{ items: ListedRegistration[]; nextCursor: string | null }> {
  const { executions, nextPageToken } = await client.workflowService.listWorkflowExecutions({
    namespace: client.options.namespace,
    query: queryOf(filter),
    pageSize: Math.min(limit, pageMax),
    nextPageToken: Buffer.from(cursor, 'base64url'),
  });
  const next = Buffer.from(nextPageToken ?? []).toString('base64url');
  return { items: executions.map(listed), nextCursor: next === '' ? null : next };
}

/** Every value is one of ours: nothing typed reaches the query as it is. */
function queryOf({ state, step, waitingFor, country, startedBefore }: RegistrationFilter): string {
  const wanted: [string, string | undefined][] = [
    ['VyryState', state],
    ['VyryWaitingFor', waitingFor],
    ['VyryStep', step],
    ['VyryCountry', country],
  ];
  const conditions = wanted.flatMap(([name, value]) => (value === undefined ? [] : [`${name} = "${value}"`]));
  const before = startedBefore === undefined ? [] : [`StartTime < "${startedBefore.toISOString()}"`];
  return ['WorkflowType = "registration"', ...conditions, ...before].join(' AND ');
}

type Execution = Awaited<ReturnType<Client['workflowService']['listWorkflowExecutions']>>['executions'][number];

function listed({ execution, startTime, searchAttributes }: Execution): ListedRegistration {
  const attribute = (name: string): string | undefined => {
    const data = searchAttributes?.indexedFields?.[name]?.data;
    const value: unknown = data ? JSON.parse(Buffer.from(data).toString()) : undefined;
    return (Array.isArray(value) ? value : [value])[0] as string | undefined;
  };
  const waitingFor = attribute('VyryWaitingFor');
  return {
    id: String(execution?.workflowId).replace(/^registration:/, ''),
    state: attribute('VyryState') ?? 'unknown',
    step: attribute('VyryStep') ?? 'unknown',
    ...(waitingFor && { waitingFor }),
    startedAt: new Date(Number(startTime?.seconds) * 1000 + Math.floor(Number(startTime?.nanos ?? 0) / 1e6)),
  };
}
