/**
 * Audit events of a process. Each call from `platform/events/` becomes one `AuditEvent` with its process, request and
 * trace. Phone numbers, addresses and user names are passed in plain text and recorded as pseudonyms. Other texts are
 * limited in length.
 */
import { createHash, createHmac, randomUUIDv7 } from 'node:crypto';
import {
  type AuditAction,
  type AuditDetails,
  type AuditEvent,
  type AuditStatus,
  auditActions,
  auditText,
} from '../domain/audit.ts';
import type { Role } from './config/roles.ts';
import type { Secret } from './config/secret.ts';
import { deriveKey, keyIdOf } from './crypto.ts';
import type { KeyRing } from './keyring.ts';
import { traces } from './log.ts';

/** Appends an event to the audit log. It returns immediately and never throws. */
export type AuditSink = (event: AuditEvent, options: AppendOptions) => void;

/** How an event is appended. */
export interface AppendOptions {
  /** Repeats of the event, from this or another process, are dropped. */
  isOnce: boolean;
  /** May be dropped first when space runs out, so that a flood of requests does not displace other events. */
  isMinor: boolean;
}

/** What an audit log reports about itself. */
export interface AuditLogHooks {
  /** Called with the number of events dropped because the stream or the memory was full. */
  onDropped: (count: number) => void;
  /** Called when the stream has space again, with the number of events that all processes dropped until then. */
  onGap: (count: number) => void;
  /** Called when Redis cannot be reached. The events wait. */
  onAway: (err: Error) => void;
}

/** The fields of one event, in addition to those of its process and request. */
export interface AuditContext {
  status: AuditStatus;
  message: string;
  reason?: string | undefined;
  level?: AuditEvent['level'];
  /** The deduplication key: events with the same action and key are the same event. */
  once?: string;
  isMinor?: boolean;
  userId?: string | undefined;
  /** The user on whom someone else acted. */
  targetUserId?: string;
  /** A normalized phone number, e-mail address or user name; the event contains only its pseudonym. */
  identity?: string | undefined;
  durationSeconds?: number;
  http?: { method: string; route: string; status: number };
  errorCode?: string | undefined;
  rule?: string | undefined;
  details?: AuditDetails;
  metadata?: Record<string, string | number | boolean>;
}

/** Records an audit event. */
export type Recorder = ReturnType<typeof createRecorder>;

const ecsVersion = '9.4.0';
const dataset = 'vyry.audit';
const metadataFieldsMax = 20;

/** The fields of the process that records an event. */
export interface Service {
  role: Role;
  version: string;
  environment: string;
}

/** Creates the function that records the audit events of a process. */
export function createRecorder(service: Service, { id, pseudonymKey, macKey }: AuditKeys, append: AuditSink) {
  const { role, version, environment } = service;
  const common = {
    ecs: { version: ecsVersion },
    service: { name: 'vyry', version, environment, node: { name: `${role}@${process.pid}`, role } },
    labels: { hash_kid: id },
  };

  return function record(action: AuditAction, context: AuditContext): void {
    const { once, isMinor = false } = context;
    const event: AuditEvent = {
      ...whatHappened(action, context),
      ...common,
      ...whereFrom(context),
      ...whom(context, pseudonymKey),
      vyry: { ...registrationOf(context), ...context.details },
    };
    event.vyry.audit = { ...event.vyry.audit, mac: macOf(event, macKey) };
    append(event, { isOnce: once !== undefined, isMinor });
  };
}

/**
 * Returns the HMAC-SHA-256 (RFC 2104) of an event without its `mac`, `sequence` and `chain`, base64url. The order of
 * the fields does not matter.
 */
function macOf(event: AuditEvent, macKey: Buffer): string {
  const { mac: _mac, sequence: _sequence, chain: _chain, ...audit } = event.vyry.audit ?? {};
  const vyry = { ...event.vyry, audit: Object.keys(audit).length > 0 ? audit : undefined };
  return createHmac('sha256', macKey)
    .update(canonical({ ...event, vyry }))
    .digest('base64url');
}

/** Derives the key for `macOf`. */
export function auditMacKey(key: Secret): Buffer {
  return deriveKey(key, 'audit');
}

/** The keys of a process that records events, and the id of their root. */
export interface AuditKeys {
  id: string;
  pseudonymKey: Buffer;
  macKey: Buffer;
}

/** Derives the keys of events from a root key. */
export function auditKeysFrom(root: Secret): AuditKeys {
  return { id: keyIdOf(root), pseudonymKey: deriveKey(root, 'pseudonym'), macKey: auditMacKey(root) };
}

/** Returns the keys of events of a process. */
export function auditKeysOf(keys: Pick<KeyRing, 'key' | 'keys'>): AuditKeys {
  return { id: keys.keys('audit')[0].id, pseudonymKey: keys.key('pseudonym'), macKey: keys.key('audit') };
}

/** A user whose data is erased from the audit log. */
export interface ErasedIdentity {
  userId: string;
  /** The id that replaces the user id. */
  alias: string;
}

/**
 * Returns an event without its personal data: another user id, no IP address, no user agent, no pseudonyms. The event
 * keeps its original HMAC and gets a second one over its new content (`erasure`), so that the hash chain stays
 * verifiable and only a holder of the key can rewrite an event.
 */
export function withoutPerson(event: AuditEvent, { userId, alias }: ErasedIdentity, macKey: Buffer): AuditEvent {
  const renamed = (id: string) => (id === userId ? alias : id);
  const { ip, userAgent, user, related, ...rest } = event;
  // the address and user agent of an admin who acted on the user are kept
  const isActor = event.userId === undefined || event.userId === userId;
  const target = user?.target && { target: { id: renamed(user.target.id) } };
  const erased: AuditEvent = {
    ...rest,
    ...(event.userId !== undefined && { userId: renamed(event.userId) }),
    ...(!isActor && ip !== undefined && { ip }),
    ...(!isActor && userAgent !== undefined && { userAgent }),
    ...(target && { user: target }),
    related: {
      ...(!isActor && related?.ip && { ip: related.ip }),
      ...(related?.user && { user: related.user.map(renamed) }),
    },
  };
  const erasure = erasureMacOf(erased, macKey);
  return { ...erased, vyry: { ...erased.vyry, audit: { ...erased.vyry.audit, erasure } } };
}

/** Covers the original HMAC. The prefix `erased` separates it from the HMAC of an event. */
function erasureMacOf(event: AuditEvent, macKey: Buffer): string {
  const { erasure: _, ...audit } = event.vyry.audit ?? {};
  return createHmac('sha256', macKey)
    .update(`erased ${canonical({ ...event, vyry: { ...event.vyry, audit } })}`)
    .digest('base64url');
}

function isUnchanged(event: AuditEvent, macKey: Buffer): boolean {
  const { mac, erasure } = event.vyry.audit ?? {};
  return erasure === undefined ? macOf(event, macKey) === mac : erasureMacOf(event, macKey) === erasure;
}

/** Returns the pseudonym of a normalized phone number, address or user name: 128 bits of a keyed hash, hexadecimal. */
export function pseudonymOf(identity: string, pseudonymKey: Buffer): string {
  return createHmac('sha256', pseudonymKey).update(identity).digest('hex').slice(0, 32);
}

function whatHappened(action: AuditAction, context: AuditContext) {
  const { status, message, reason, level, once, durationSeconds, metadata = {} } = context;
  const now = new Date().toISOString();
  const { category, type } = auditActions[action];
  return {
    '@timestamp': now,
    timestamp: now,
    level: level ?? (status === 'failure' ? 'warn' : 'info'),
    action,
    status,
    message: auditText(message),
    metadata: bounded(metadata),
    event: {
      id: once === undefined ? randomUUIDv7() : idOf(action, once),
      kind: 'event' as const,
      category,
      type,
      dataset,
      module: 'vyry',
      ...(reason !== undefined && { reason: auditText(reason) }),
      ...(durationSeconds !== undefined && { duration: Math.round(durationSeconds * 1e9) }),
    },
  };
}

/** The fields of the current request, or of the request that caused the activity. */
function whereFrom({ http, errorCode, rule }: AuditContext) {
  const trace = traces.getStore();
  const traceId = trace?.traceparent.split('-')[1];
  return {
    ...(trace?.ip && { ip: trace.ip }),
    ...(trace?.userAgent && { userAgent: auditText(trace.userAgent) }),
    ...(traceId && { trace: { id: traceId } }),
    ...((trace || http) && {
      http: {
        request: { ...(trace && { id: trace.requestId }), ...(http && { method: http.method }) },
        ...(http && { response: { status_code: http.status } }),
      },
    }),
    ...(http && { url: { path: http.route } }),
    ...(errorCode !== undefined && { error: { code: errorCode } }),
    ...(rule !== undefined && { rule: { name: rule } }),
  };
}

function whom({ userId, targetUserId, identity }: AuditContext, pseudonymKey: Buffer) {
  const trace = traces.getStore();
  const actor = userId ?? trace?.userId;
  const hash = identity === undefined ? undefined : pseudonymOf(identity, pseudonymKey);
  const users = [actor, targetUserId].filter((id) => id !== undefined);
  return {
    ...(actor !== undefined && { userId: actor }),
    ...((hash !== undefined || targetUserId !== undefined) && {
      user: { ...(hash && { hash }), ...(targetUserId !== undefined && { target: { id: targetUserId } }) },
    }),
    related: {
      ...(trace?.ip && { ip: [trace.ip] }),
      ...(users.length > 0 && { user: users }),
      ...(hash && { hash: [hash] }),
    },
  };
}

function registrationOf({ details }: AuditContext): AuditDetails {
  const id = traces.getStore()?.registrationId;
  return id === undefined || details?.registration !== undefined ? {} : { registration: { id } };
}

function bounded(metadata: NonNullable<AuditContext['metadata']>): AuditEvent['metadata'] {
  const entries = Object.entries(metadata).slice(0, metadataFieldsMax);
  return Object.fromEntries(
    entries.map(([name, value]) => [auditText(name), typeof value === 'string' ? auditText(value) : value]),
  );
}

function idOf(action: AuditAction, once: string): string {
  return createHash('sha256').update(`${action} ${once}`).digest('hex').slice(0, 32);
}

/** JSON with sorted keys, because a store may return the fields in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** A fault of an audit log. `missing`: the first and last sequence number of events removed after writing. */
export type AuditLogFault =
  | { fault: 'changed'; id: string; sequence: number }
  | { fault: 'missing'; from: number; to: number }
  | { fault: 'unproven'; id: string };

/** The result of `verifyAuditLog`. */
export interface AuditLogReport {
  events: number;
  /** Events dropped because the stream was full. They are no fault; `audit-gap` events report them. */
  dropped: number;
  faults: AuditLogFault[];
}

/**
 * Verifies that no event was changed or removed. It checks the HMAC of each event and the hash chain from one to the
 * next, up to the last event that the stream remembers. The oldest events may be missing because of retention.
 *
 * @param events in the order of their sequence
 * @param end the last event that the stream remembered when the check began; undefined while events wait to be stored,
 *   in
 *   which case removals at the end are not detected
 */
export async function verifyAuditLog(
  events: AsyncIterable<AuditEvent>,
  macKey: Buffer | readonly Buffer[],
  end: { sequence: number; chain: string } | undefined,
): Promise<AuditLogReport> {
  const macKeys = [macKey].flat();
  const report: AuditLogReport = { events: 0, dropped: 0, faults: [] };
  let last = { sequence: 0, chain: '' };
  const step = (sequence: number, isLinked: boolean) => {
    const gap = sequence - last.sequence - 1;
    if (isLinked) report.dropped += gap;
    // a gap before the first event is retention
    else if (report.events > 1) report.faults.push({ fault: 'missing', from: last.sequence + 1, to: sequence - 1 });
  };
  for await (const event of events) {
    const { sequence, chain, mac } = event.vyry?.audit ?? {};
    if (sequence === undefined || chain === undefined || mac === undefined) {
      report.events++;
      report.faults.push({ fault: 'unproven', id: event.event?.id });
      continue;
    }
    // written after the check began
    if (end !== undefined && sequence > end.sequence) break;
    report.events++;
    if (!macKeys.some((key) => isUnchanged(event, key)))
      report.faults.push({ fault: 'changed', id: event.event.id, sequence });
    step(sequence, chainOf(last.chain, sequence, mac) === chain);
    last = { sequence, chain };
  }
  if (end !== undefined && last.chain !== end.chain) {
    report.faults.push({ fault: 'missing', from: last.sequence + 1, to: end.sequence });
  }
  return report;
}

/** The same hash chain as in `adapters/redis/audit-append.lua`. */
function chainOf(previous: string, sequence: number, mac: string): string {
  return createHash('sha1').update(`${previous}:${sequence}:${mac}`).digest('hex');
}
