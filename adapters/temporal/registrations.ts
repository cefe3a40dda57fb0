/**
 * Lists of registrations for operators, filtered by search attributes in Temporal.
 *
 * Consistency: eventual; the visibility store lags by about a second. Timeout: that of the caller. When Temporal is
 * unavailable, calls throw.
 */
import type { Client } from '@temporalio/client';
import type { awaitedSystems, registrationStates, registrationSteps } from '../../domain/registration.ts';

/** A filter for registrations. All conditions must match. */
export interface RegistrationFilter {
  state?: (typeof registrationStates)[number] | undefined;
  step?: (typeof registrationSteps)[number] | undefined;
  waitingFor?: (typeof awaitedSystems)[number] | undefined;
  /** ISO 3166 country, two capital letters. */
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

/** Largest page that Temporal returns. */
const pageMax = 1000;

/** Returns one page of registrations: running ones first, then newest first. `cursor` is the `nextCursor` of a page. */
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

/** All values are validated before: no raw user input reaches the query. */
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

/** Returns the first value of a search attribute of an execution; undefined if it has none. */
export function attributeOf({ searchAttributes }: Execution, name: string): string | undefined {
  const data = searchAttributes?.indexedFields?.[name]?.data;
  const value: unknown = data ? JSON.parse(Buffer.from(data).toString()) : undefined;
  return (Array.isArray(value) ? value : [value])[0] as string | undefined;
}

function listed(found: Execution): ListedRegistration {
  const { execution, startTime } = found;
  const attribute = (name: string) => attributeOf(found, name);
  const waitingFor = attribute('VyryWaitingFor');
  return {
    id: String(execution?.workflowId).replace(/^registration:/, ''),
    state: attribute('VyryState') ?? 'unknown',
    step: attribute('VyryStep') ?? 'unknown',
    ...(waitingFor && { waitingFor }),
    startedAt: new Date(Number(startTime?.seconds) * 1000 + Math.floor(Number(startTime?.nanos ?? 0) / 1e6)),
  };
}
