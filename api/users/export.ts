/** `GET /users/me/export`: everything that is stored of a person, for machines. */
import { z } from 'zod';
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { Session as StoredSession } from '../../adapters/redis/sessions.ts';
import { listPersonWorkflows, workflowsOf } from '../../adapters/temporal/person-workflows.ts';
import type { AuditEvent } from '../../domain/audit.ts';
import { Failure } from '../../domain/failures.ts';
import { emailKey } from '../../domain/registration.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitExport } from '../limits.ts';
import { Session, User } from '../schemas.ts';
import { sessionView } from '../sessions.ts';
import { userView } from './me.ts';

const instant = z.iso.datetime();
const Event = z.object({
  at: instant,
  action: z.string(),
  outcome: z.string(),
  reason: z.string().optional(),
  message: z.string(),
  by: z.enum(['person', 'somebody-else', 'unknown']).describe('Who acted; of others nothing more is told'),
  ip: z.string().optional(),
  userAgent: z.string().optional(),
  details: z.record(z.string(), z.unknown()),
});

/** All data of a person, and what is missing of it. */
export const Export = z
  .object({
    exportedAt: instant,
    account: User,
    credentials: z.object({ hasPassword: z.boolean(), hasPin: z.boolean(), isLinkedToDirectory: z.boolean() }),
    claims: z.array(z.object({ kind: z.enum(['username', 'phone', 'email']), value: z.string() })),
    registrationIds: z.array(z.string()),
    sessions: z.array(Session),
    flows: z.object({
      state: z.enum(['complete', 'truncated', 'away']),
      items: z.array(z.object({ type: z.string(), id: z.string(), startedAt: instant, closedAt: instant.nullable() })),
    }),
    auditEvents: z.object({
      state: z.enum(['complete', 'truncated', 'away', 'not-configured']),
      items: z.array(Event),
    }),
    notes: z.array(z.string()).describe('What is stored and not in here, and why'),
  })
  .meta({ id: 'Export' });
type Export = z.output<typeof Export>;

/** As many as Elasticsearch and Temporal give at once. */
const eventsMax = 10_000;
const flowsMax = 1000;

/** What is kept of everybody and cannot be shown. */
const notes = [
  'Password, PIN and tokens are stored as hashes, which nobody can read; sessions are listed without their tokens.',
  'Codes, limits and keys of repeated requests are stored under keyed hashes and end by themselves within days.',
  'Events of the last seconds may not be in the audit log yet; events of others on this account name nobody here.',
];

/**
 * Everything of the person that asks. What is away is left out, and said so.
 *
 * @throws {Failure} not-found, rate-limited
 */
export async function exportAccount(deps: ApiDeps, session: StoredSession, caller: Caller): Promise<Export> {
  const { userId } = session;
  await limitExport(deps, caller, deps.limitHash('name', `user ${userId}`), newId());
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  const [secrets, isLinkedToDirectory, sessions, flows, auditEvents] = await Promise.all([
    deps.accounts.readSecrets(userId),
    deps.accounts.isLinked(userId),
    deps.sessions.list(userId, Date.now()),
    readWorkflows(deps, account),
    readEvents(deps, account),
  ]);
  deps.events.dataExported({ userId, auditEvents: auditEvents.state });
  return {
    exportedAt: new Date().toISOString(),
    account: userView(account),
    credentials: {
      hasPassword: secrets?.password !== undefined,
      hasPin: secrets?.pin !== undefined,
      isLinkedToDirectory,
    },
    claims: (['username', 'phone', 'email'] as const).flatMap((kind) => {
      const value = account[kind];
      return value === undefined ? [] : [{ kind, value }];
    }),
    registrationIds: account.registrationIds,
    sessions: sessions.map(sessionView),
    flows,
    auditEvents,
    notes,
  };
}

async function readWorkflows({ temporal, events }: ApiDeps, account: Account): Promise<Export['flows']> {
  try {
    const found = await temporal.withDeadline(Date.now() + awayMs, () =>
      listPersonWorkflows(temporal, workflowsOf(account.userId, account), flowsMax),
    );
    const items = found.map(({ type, workflowId: id, startedAt, closedAt }) => ({
      type,
      id,
      startedAt: startedAt.toISOString(),
      closedAt: closedAt?.toISOString() ?? null,
    }));
    return { state: items.length < flowsMax ? 'complete' : 'truncated', items };
  } catch (err) {
    events.dependencyFailed(err);
    return { state: 'away', items: [] };
  }
}

const awayMs = 5000;

async function readEvents(
  { readPersonEvents, events }: ApiDeps,
  { userId, username, phone, email }: Account,
): Promise<Export['auditEvents']> {
  if (readPersonEvents === undefined) return { state: 'not-configured', items: [] };
  const identities = [username, phone, email, email && emailKey(email)].flatMap((known) => known ?? []);
  try {
    const found = await readPersonEvents(userId, identities, eventsMax);
    const state = found.length < eventsMax ? 'complete' : 'truncated';
    return { state, items: found.map((event) => eventView(event, userId)) };
  } catch (err) {
    events.dependencyFailed(err);
    return { state: 'away', items: [] };
  }
}

/** Of what others did, nothing that would tell who they are. */
function eventView(event: AuditEvent, userId: string): z.output<typeof Event> {
  const { timestamp: at, action, status: outcome, message, metadata, ip, userAgent } = event;
  const isOwn = event.userId === userId;
  const { audit: _seal, operator: _operator, ...vyry } = event.vyry;
  return {
    at,
    action,
    outcome,
    ...(event.event.reason !== undefined && { reason: event.event.reason }),
    message,
    by: isOwn ? 'person' : event.userId === undefined ? 'unknown' : 'somebody-else',
    ...(isOwn && ip !== undefined && { ip }),
    ...(isOwn && userAgent !== undefined && { userAgent }),
    details: { ...metadata, ...vyry },
  };
}
