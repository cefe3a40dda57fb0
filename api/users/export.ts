/** `GET /users/me/export`: all stored data of a user, in a machine-readable format. */

import { listPersonWorkflows, workflowsOf } from '../../adapters/temporal/person-workflows.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { Export, userOperations } from '../../contract/users.ts';
import type { Account } from '../../domain/account.ts';
import type { AuditEvent } from '../../domain/audit.ts';
import { deviceIn } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { emailKey } from '../../domain/identity.ts';
import { callTime } from '../../platform/budget.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import { type DeviceViewDeps, deviceViews } from '../device-views.ts';
import { accountKeyOf, type LimitDeps } from '../limits/counting.ts';
import { limitExport } from '../limits/persons.ts';
import type { HandlerInput } from '../serve.ts';
import { sessionView, userView } from '../views.ts';

type Op = typeof userOperations.exportAccount;
type WorkflowDeps = Pick<ApiDeps, 'temporal' | 'events'>;
type EventDeps = Pick<ApiDeps, 'readPersonEvents' | 'events'>;
type MessageDeps = Pick<ApiDeps, 'inboxes' | 'conversations'>;
type Deps = LimitDeps &
  WorkflowDeps &
  EventDeps &
  DeviceViewDeps &
  MessageDeps &
  Pick<ApiDeps, 'accounts' | 'sessions'>;

/** Maximum number of events: one page of Elasticsearch. */
const eventsMax = 10_000;
/** Maximum number of executions: one page of Temporal. */
const workflowsMax = 1000;
/** Timeout of Temporal. */
const workflowsMs = 5000;

/** Data that is stored of every user and cannot be exported. */
const notes = [
  'Password, PIN and tokens are stored as hashes, which cannot be reversed; sessions are listed without their tokens.',
  'Of the public keys of devices only the identity key is listed; the others are random numbers.',
  'Of messages only their number is listed: their content is encrypted for the devices, which have the keys.',
  'Codes, limits and idempotency keys are stored under keyed hashes and expire automatically within days.',
  'Events of the last seconds may not be in the audit log yet; events of others on this account do not name them.',
];

/**
 * Exports all data of the calling user. Data of an unavailable dependency is left out and marked as `away`.
 *
 * @throws {Failure} not-found, rate-limited
 */
export async function exportAccount(deps: Deps, { holder, caller }: HandlerInput<Op>): Promise<AnswerOf<Op>> {
  const { userId } = holder;
  await limitExport(deps, caller, accountKeyOf(deps, userId), newId());
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  const [secrets, isLinkedToDirectory, sessions, devices, messaging, workflows, auditEvents] = await Promise.all([
    deps.accounts.readSecrets(userId),
    deps.accounts.hasDirectoryEntry(userId),
    deps.sessions.list(userId),
    readDevices(deps, userId, holder.deviceId),
    readMessaging(deps, userId),
    readWorkflows(deps, account),
    readEvents(deps, account),
  ]);
  deps.events.dataExported({ userId, auditEvents: auditEvents.state });
  const body = {
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
    devices,
    ...messaging,
    workflows,
    auditEvents,
    notes,
  };
  return { status: 200, body };
}

async function readDevices(
  deps: DeviceViewDeps,
  userId: string,
  currentId: string | undefined,
): Promise<Export['devices']> {
  const [set, views] = await Promise.all([deps.devices.read(userId), deviceViews(deps, userId, currentId)]);
  const items = views.flatMap((view) => {
    const { registrationId, capabilities } = deviceIn(set, view.deviceId) ?? {};
    return registrationId === undefined || capabilities === undefined
      ? []
      : [{ ...view, registrationId, capabilities }];
  });
  return { identityKey: set?.identityKey ?? null, items };
}

async function readMessaging(
  { inboxes, conversations }: MessageDeps,
  userId: string,
): Promise<Pick<Export, 'messages' | 'conversations'>> {
  const [states, sides] = await Promise.all([inboxes.readStates(userId), conversations.list(userId)]);
  return {
    messages: states.map(({ deviceId, count, bytes }) => ({ deviceId, count, bytes })),
    conversations: sides.map(({ peerId, state, hasReceipts: receipts, changedAt }) => ({
      userId: peerId,
      state,
      receipts,
      changedAt: changedAt.toISOString(),
    })),
  };
}

async function readWorkflows({ temporal, events }: WorkflowDeps, account: Account): Promise<Export['workflows']> {
  try {
    const found = await temporal.withDeadline(Date.now() + callTime(workflowsMs), () =>
      listPersonWorkflows(temporal, workflowsOf(account.userId, account), workflowsMax),
    );
    const items = found.map(({ type, workflowId: id, startedAt, closedAt }) => ({
      type,
      id,
      startedAt: startedAt.toISOString(),
      closedAt: closedAt?.toISOString() ?? null,
    }));
    return { state: items.length < workflowsMax ? 'complete' : 'truncated', items };
  } catch (err) {
    events.dependencyFailed(err);
    return { state: 'unavailable', items: [] };
  }
}

async function readEvents(
  { readPersonEvents, events }: EventDeps,
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
    return { state: 'unavailable', items: [] };
  }
}

/** An event without anything that would identify another person. */
function eventView(event: AuditEvent, userId: string): Export['auditEvents']['items'][number] {
  const { timestamp: at, action, status: outcome, message, metadata, ip, userAgent } = event;
  const isOwn = event.userId === userId;
  const { audit: _proof, operator: _operator, ...vyry } = event.vyry;
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
