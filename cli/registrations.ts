/** `vyry registrations`: lists and inspects registrations, and retries, redirects or cancels them. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { executeUpdate } from '../adapters/temporal/client-calls.ts';
import { type PendingActivity, readPendingActivities } from '../adapters/temporal/inspect.ts';
import {
  type ListedRegistration,
  listRegistrations,
  type RegistrationFilter,
} from '../adapters/temporal/registrations.ts';
import {
  awaitedSystems,
  type RegistrationStatus,
  registrationStates,
  registrationSteps,
} from '../domain/registration.ts';
import { channels } from '../domain/verification.ts';
import { registrationWorkflowId } from '../domain/workflow-ids.ts';
import { cancel, registrationStatus, retryStep, switchChannel } from '../workflows/registration-messages.ts';
import {
  actOptions,
  type Command,
  confirm,
  type Invocation,
  oneOf,
  operatorName,
  readDuration,
  readLimit,
  table,
  UsageError,
} from './command.ts';
import { openTemporal, type TemporalAccess } from './connections.ts';

const list: Command = {
  positionals: [],
  about: 'Lists registrations that have begun their first step, newest first.',
  options: {
    state: { value: 'state', about: registrationStates.join(', ') },
    'waiting-for': { value: 'system', about: `only those waiting for ${awaitedSystems.join(', ')}` },
    step: { value: 'step', about: registrationSteps.join(', ') },
    country: { value: 'country', about: 'country of the phone number (ISO 3166), such as GB' },
    'older-than': { value: 'time', about: 'started before this time, such as 30s, 10m, 2h or 1d ago' },
    limit: { value: 'number', about: 'maximum number of registrations (20)' },
  },
  budget: 'read',
  async run({ values, env, show }) {
    const filter = readFilter(values, Date.now());
    const limit = readLimit(values.limit);
    await using temporal = openTemporal(env);
    const rows = await temporal.within(() => readRows(temporal, filter, limit));
    const head = ['registration', 'state', 'step', 'waiting for', 'since'];
    const lines = rows.map((row) => [row.id, row.state, row.step, row.waitingFor ?? '', sinceText(row.since)]);
    show({ json: rows, text: rows.length === 0 ? 'No such registrations.' : table([head, ...lines]) });
  },
};

const show: Command = {
  positionals: ['id'],
  about: 'Shows the state of a registration, its timeline, and what it is waiting for.',
  options: {},
  budget: 'read',
  async run({ positionals, env, show }) {
    const id = readId(positionals[0]);
    await using temporal = openTemporal(env);
    const seen = await look(temporal, id);
    show({ json: seen, text: pageOf(seen) });
  },
};

const retry: Command = {
  positionals: ['id'],
  about: 'Retries the dependency that a registration is waiting for now, instead of after the retry interval.',
  options: actOptions,
  async run(invocation) {
    const { id, by, temporal } = await openAct(invocation);
    await using _closing = temporal;
    await executeUpdate({ temporal: temporal.client }, registrationWorkflowId(id), retryStep, { args: [{ by }] });
    tell(invocation, id, 'Retrying now');
  },
};

const switchTo: Command = {
  positionals: ['id', 'channel'],
  about: 'Gives up a code that is waiting for its provider or was refused, and sends a new one by another channel.',
  options: actOptions,
  async run(invocation) {
    const channel = oneOf('channel', channels, invocation.positionals[1]);
    if (channel === undefined) throw new UsageError('channel is missing');
    const { id, by, temporal } = await openAct(invocation);
    await using _closing = temporal;
    await executeUpdate({ temporal: temporal.client }, registrationWorkflowId(id), switchChannel, {
      args: [{ channel, by }],
    });
    tell(invocation, id, `Sending a new code by ${channel}`);
  },
};

const stop: Command = {
  positionals: ['id'],
  about: 'Cancels a registration and undoes its changes. The user has to start again.',
  options: { ...actOptions, yes: { about: 'skip the confirmation' } },
  async run(invocation) {
    const { id, by, temporal } = await openAct(invocation);
    await using _closing = temporal;
    if (!(await confirm(`Cancel registration ${id}? Its changes are undone.`, invocation))) {
      throw new Error('Nothing was changed.');
    }
    const status = await executeUpdate({ temporal: temporal.client }, registrationWorkflowId(id), cancel, {
      args: [{ by }],
    });
    invocation.show({ json: status, text: `Registration ${id} is ${status.state}.` });
  },
};

/** The commands of `vyry registrations`. */
export const registrations: Record<string, Command> = { list, show, retry, 'switch-channel': switchTo, cancel: stop };

interface Row {
  id: string;
  state: string;
  step: string;
  waitingFor?: string;
  /** Start time of the registration, ISO 8601. */
  since: string;
}

interface Seen extends Omit<Row, 'state' | 'step'> {
  /** Execution status of the workflow in Temporal. */
  workflow: string;
  /** Absent when no worker answers. */
  status?: RegistrationStatus;
  /** State and timeline, as Markdown. */
  details?: string;
  pending: PendingActivity[];
}

function readFilter(values: Invocation['values'], now: number): RegistrationFilter {
  const { country } = values;
  if (country !== undefined && !/^[A-Z]{2}$/.test(country))
    throw new UsageError('--country must be two letters such as GB');
  const olderThan = values['older-than'];
  return {
    state: oneOf('--state', registrationStates, values.state),
    waitingFor: oneOf('--waiting-for', awaitedSystems, values['waiting-for']),
    step: oneOf('--step', registrationSteps, values.step),
    country,
    startedBefore: olderThan === undefined ? undefined : new Date(now - readDuration('--older-than', olderThan) * 1000),
  };
}

async function readRows({ client }: TemporalAccess, filter: RegistrationFilter, limit: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null | undefined; cursor !== null && rows.length < limit; ) {
    const page = await listRegistrations(client, filter, { limit: limit - rows.length, cursor });
    rows.push(...page.items.map(rowOf));
    cursor = page.nextCursor;
  }
  return rows;
}

function rowOf({ startedAt, ...row }: ListedRegistration): Row {
  return { ...row, since: startedAt.toISOString() };
}

/**
 * Parses a registration id, with or without the `registration:` prefix of the Web UI.
 *
 * @throws {UsageError} not an id
 */
function readId(given = ''): string {
  const id = idOf(given);
  if (!/^[\w-]{1,64}$/.test(id))
    throw new UsageError('<id> must be the id of a registration, as listed by vyry registrations list');
  return id;
}

function idOf(workflowId: string): string {
  return workflowId.replace(/^registration:/, '');
}

/** Opens the registration that an operator changes. @throws {Error} it does not exist or has ended */
async function openAct({ positionals, values, env }: Invocation) {
  const id = readId(positionals[0]);
  const by = operatorName(values.by);
  const temporal = openTemporal(env);
  try {
    const { status } = await describe(temporal, id);
    if (status.name !== 'RUNNING') throw new Error(`Registration ${id} has ended: vyry registrations show ${id}`);
    return { id, by, temporal };
  } catch (err) {
    await temporal[Symbol.asyncDispose]();
    throw err;
  }
}

async function describe({ client, within }: TemporalAccess, id: string) {
  try {
    return await within(() => client.workflow.getHandle(registrationWorkflowId(id)).describe());
  } catch (err) {
    if (!(err instanceof WorkflowNotFoundError)) throw err;
    throw new Error(
      `There is no registration ${id}. vyry registrations list shows registrations that have begun their first step.`,
    );
  }
}

/** State and details come from a worker. Without a worker, only the data of Temporal is shown. */
async function look(temporal: TemporalAccess, id: string): Promise<Seen> {
  const { client, within } = temporal;
  const workflowId = registrationWorkflowId(id);
  const handle = client.workflow.getHandle(workflowId);
  const described = await describe(temporal, id);
  const [status, metadata, pending] = await Promise.all([
    within(() => handle.query(registrationStatus), 5000).catch(() => undefined),
    within(() => handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata'), 5000).catch(
      () => undefined,
    ),
    within(() => readPendingActivities(client, workflowId)),
  ]);
  return {
    id,
    workflow: described.status.name,
    since: described.startTime.toISOString(),
    ...(status && { status }),
    ...(metadata?.currentDetails && { details: metadata.currentDetails }),
    pending,
  };
}

function pageOf({ id, workflow, since, status, details, pending }: Seen): string {
  const context = [
    ['registration', id],
    ['state', status?.state ?? `unknown: no registration worker answers (workflow ${workflow})`],
    ...(status?.waitingFor ? [['waiting for', status.waitingFor]] : []),
    ...(status ? [['steps', status.steps.map(stepText).join(', ')]] : []),
    ['since', sinceText(since)],
    ...(status ? [['expires', new Date(status.expiresAt).toISOString()]] : []),
    ...(status?.phone ? [['number', status.phone]] : []),
    ...(status?.email ? [['address', status.email]] : []),
    ...(status?.userId ? [['user', status.userId]] : []),
  ];
  const waits = pending.map((activity) => [
    activity.name,
    activity.state,
    String(activity.attempt),
    activity.lastFailure ?? '',
    activity.nextTryAt?.toISOString() ?? '',
  ]);
  return [
    table(context),
    ...(details ? ['', details.replaceAll('**', '')] : []),
    ...(waits.length > 0
      ? ['', table([['activity', 'state', 'attempt', 'last failure', 'next attempt'], ...waits])]
      : []),
  ].join('\n');
}

function stepText({ name, status, reason }: RegistrationStatus['steps'][number]): string {
  return reason === undefined ? `${name} ${status}` : `${name} ${status} (${reason})`;
}

function sinceText(at: string): string {
  const minutes = Math.floor((Date.now() - Date.parse(at)) / 60_000);
  const age =
    minutes < 60
      ? `${minutes} min`
      : minutes < 2880
        ? `${Math.floor(minutes / 60)} h`
        : `${Math.floor(minutes / 1440)} d`;
  return `${at.slice(0, 19)}Z (${age})`;
}

function tell({ show }: Invocation, id: string, text: string): void {
  show({ json: { id, done: true }, text: `${text}. vyry registrations show ${id} shows the result.` });
}
