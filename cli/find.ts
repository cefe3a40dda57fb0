/**
 * `vyry find`: everything about a person, by whatever an operator knows of them: a user id, user name, number, address, the id
 * of a directory entry or of a registration. Each part comes from one system. When a system is unavailable, the command names the
 * part that it cannot show, and shows the others.
 *
 * The audit log joins the names of a person with their registrations, so that the command also finds people without an account.
 */
import { readPersonEvents } from '../adapters/elastic/audit-reader.ts';
import { listRunningWorkflows, type RunningWorkflow, workflowsOf } from '../adapters/temporal/person-workflows.ts';
import type { Account } from '../domain/account.ts';
import type { AuditAction, AuditEvent } from '../domain/audit.ts';
import { namesOf } from '../domain/identity.ts';
import { registrationWorkflowId } from '../domain/workflow-ids.ts';
import { pseudonymOf } from '../platform/audit.ts';
import { readOperatorKeys } from '../platform/config/config.ts';
import { keysIn } from '../platform/keyring.ts';
import { accountViewOf, findAccountBy, printable, readUser, textOf } from './accounts.ts';
import { type Command, readDuration, table } from './command.ts';
import { openAudit, openTemporal, openUsers } from './connections.ts';
import { outageIn } from './outages.ts';

const eventsMax = 1000;
const workflowsMax = 50;

/** The actions of the audit log that are sends and their reports. */
const sendActions: readonly AuditAction[] = ['message-send', 'notification-send', 'delivery-report'];

/** What is searched. */
interface Subject {
  /** As it was typed. */
  given: string;
  /** The name in the form in which audit events name it; undefined for an id. */
  name?: string;
  registrationId?: string;
}

/** One send to the person, or the report of its delivery. */
interface Send {
  at: string;
  action: AuditAction;
  status: string;
  channel?: string;
  provider?: string;
  providerId?: string;
  reason?: string;
}

/** What was found. A part that is missing is named in `missing` with the reason. */
interface Found {
  account?: Record<string, unknown>;
  pseudonyms: string[];
  workflows?: RunningWorkflow[];
  sends?: Send[];
  missing: Record<string, string>;
}

/** The command. */
export const find: Command = {
  positionals: ['anything'],
  about: 'Shows account, sessions, devices, running workflows, recent sends and pseudonyms of a person.',
  details:
    '<anything> is a user id, a user name, a number with country code, an e-mail address, the id of a directory entry or of a registration. People without an account are found by the audit log, which needs Elasticsearch. Numbers and addresses are masked.',
  options: { since: { value: 'time', about: 'how far back the audit log is searched, such as 30m, 12h or 7d (1d)' } },
  budget: 'read',
  async run({ positionals: [given = ''], values, env, show }) {
    const seconds = readDuration('--since', values.since ?? '1d');
    const subject = readSubject(given);
    const found = await search(env, subject, new Date(Date.now() - seconds * 1000));
    const isNothing = !found.account && !found.workflows?.length && !found.sends?.length;
    if (isNothing && Object.keys(found.missing).length === 0) throw new Error(`Nothing is known of ${given}.`);
    show({ json: found, text: pageOf(found) });
  },
};

/** @throws {UsageError} the text can be none of what is found */
function readSubject(typed: string): Subject {
  const given = typed.replace(/^registration:/, '');
  const name = readUser(given, 'anything')?.value;
  return {
    given,
    ...(name === undefined ? {} : { name }),
    ...(/^[0-9a-f]{32}$/.test(given) && { registrationId: given }),
  };
}

async function search(env: Record<string, string>, subject: Subject, since: Date): Promise<Found> {
  const missing: Record<string, string> = {};
  const part = <T>(name: string, read: () => Promise<T>): Promise<T | undefined> =>
    read().catch(async (err: unknown) => {
      missing[name] = (await outageIn(err))?.text ?? (err as Error).message;
      return undefined;
    });
  const seen = await part('account', () => readAccount(env, subject));
  const names = seen === undefined ? [] : [seen.account.userId, ...namesOf(seen.account)];
  const pseudonymKeys = keysIn(readOperatorKeys(env, ['AUDIT_KEY']), 'pseudonym');
  const all = [...new Set([...names, ...(subject.name === undefined ? [] : [subject.name])])];
  const pseudonyms = all.flatMap((name) => pseudonymKeys.map((key) => pseudonymOf(name, key)));
  const events = await part('sends', () =>
    readEvents(env, subject, { userId: seen?.account.userId, pseudonyms, since }),
  );
  const workflows = await part('workflows', () => readWorkflows(env, seen?.account, registrationsIn(events, subject)));
  return {
    ...(seen && { account: seen.view }),
    pseudonyms,
    ...(workflows && { workflows }),
    ...(events && { sends: events.filter(({ action }) => sendActions.includes(action)).map(sendOf) }),
    missing,
  };
}

/** Undefined if there is no account. */
async function readAccount(
  env: Record<string, string>,
  { given }: Subject,
): Promise<{ account: Account; view: Record<string, unknown> } | undefined> {
  await using users = openUsers(env);
  const account = await findAccountBy(users, given);
  if (account === undefined) return undefined;
  const { userId } = account;
  const [sessions, set, isLinked] = await Promise.all([
    users.sessions.list(userId),
    users.devices.read(userId),
    users.accounts.hasDirectoryEntry(userId),
  ]);
  const instants = sessions.map(({ authenticatedAt }) => authenticatedAt);
  const view = {
    ...accountViewOf(account),
    ...(account.deletionAt && { deletionAt: account.deletionAt.toISOString() }),
    directory: isLinked ? 'linked' : 'not linked',
    sessions: sessions.length,
    ...(instants.length > 0 && { lastLogIn: new Date(Math.max(...instants)).toISOString() }),
    devices: (set?.devices ?? []).map(({ deviceId, name }) => `${deviceId} ${name}`).join(', ') || 'none',
  };
  return { account, view };
}

type Search = Omit<Parameters<typeof readPersonEvents>[2], 'size' | 'registrationIds'>;

/** Also the events of registrations that name the person by another of their names: a send names the number only. */
async function readEvents(env: Record<string, string>, subject: Subject, wanted: Search): Promise<AuditEvent[]> {
  await using access = openAudit(env);
  const of = (registrationIds: string[]) =>
    readPersonEvents(access.elastic, access.prefix, { ...wanted, registrationIds, size: eventsMax });
  const named = await of(registrationsIn([], subject));
  const registrationIds = registrationsIn(named, subject);
  return registrationIds.length === 0 ? named : await of(registrationIds);
}

/** The registrations of which events of the person tell. */
function registrationsIn(events: readonly AuditEvent[] = [], { registrationId }: Subject): string[] {
  const told = events.flatMap(({ vyry }) => vyry.registration?.id ?? []);
  return [...new Set([...(registrationId === undefined ? [] : [registrationId]), ...told])].slice(-workflowsMax);
}

async function readWorkflows(
  env: Record<string, string>,
  account: Account | undefined,
  registrationIds: string[],
): Promise<RunningWorkflow[]> {
  const own = account && workflowsOf(account.userId, account);
  const workflowIds = [...(own?.workflowIds ?? []), ...registrationIds.map(registrationWorkflowId)];
  if (own === undefined && workflowIds.length === 0) return [];
  await using temporal = openTemporal(env);
  const person = { userId: own?.userId ?? '', workflowIds };
  return await temporal.within(() => listRunningWorkflows(temporal.client, person, workflowsMax));
}

function sendOf({ timestamp, action, status, event, vyry: { otp, messaging } }: AuditEvent): Send {
  return {
    at: timestamp,
    action,
    status,
    ...(otp?.channel && { channel: otp.channel }),
    ...(messaging?.provider && { provider: messaging.provider }),
    ...(messaging?.id && { providerId: messaging.id }),
    ...(event.reason && { reason: event.reason }),
  };
}

function pageOf({ account, pseudonyms, workflows = [], sends = [], missing }: Found): string {
  const parts = [
    account === undefined ? 'There is no account.' : textOf(account),
    workflows.length === 0 ? 'No workflow is running.' : table([workflowHead, ...workflows.map(rowOfWorkflow)]),
    sends.length === 0 ? 'No sends.' : table([sendHead, ...sends.map(rowOfSend)]),
    `Pseudonyms in the audit log: ${pseudonyms.join(', ') || 'none'}`,
    ...Object.entries(missing).map(([name, reason]) => `${name} not shown: ${reason}`),
  ];
  return parts.join('\n\n');
}

const workflowHead = ['running', 'state', 'step', 'waiting for', 'since'];
const sendHead = ['sent', 'what', 'status', 'channel', 'provider', 'id', 'reason'];

function rowOfWorkflow({ workflowId, state = '', step = '', waitingFor = '', startedAt }: RunningWorkflow): string[] {
  return [workflowId, state, step, waitingFor, startedAt.toISOString()];
}

function rowOfSend({ at, action, status, channel = '', provider = '', providerId = '', reason = '' }: Send): string[] {
  return [at, action, status, channel, provider, providerId, reason].map(printable);
}
