/**
 * Audit events of a process: what `platform/events.ts` says happened becomes one `AuditEvent` with the process, the request
 * and the trace it belongs to. Numbers, addresses and names come in clear and leave as pseudonyms; everything else is bounded.
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
import type { Role, Secret } from './config.ts';
import { deriveKey, keyIdOf } from './crypto.ts';
import { traces } from './log.ts';

/** Takes an event over, at once and without fail. */
export type AuditSink = (event: AuditEvent, options: AppendOptions) => void;

export interface AppendOptions {
  /** The same event may come again, from this or another process, and is then left out. */
  isOnce: boolean;
  /** May go first when room runs out: whoever floods us with requests does not wash out what they did before. */
  isMinor: boolean;
}

/** What an event says of itself, beside what its process and request say. */
export interface AuditContext {
  status: AuditStatus;
  message: string;
  reason?: string | undefined;
  level?: AuditEvent['level'];
  /** What makes the event one: an event with the same action and text is the same, whoever repeats it. */
  once?: string;
  isMinor?: boolean;
  userId?: string | undefined;
  /** On whom something was done by somebody else. */
  targetUserId?: string;
  /** A number, an address or a name, in its normal form; only its pseudonym goes into the event. */
  identity?: string | undefined;
  durationSeconds?: number;
  http?: { method: string; route: string; status: number };
  errorCode?: string | undefined;
  rule?: string | undefined;
  details?: AuditDetails;
  metadata?: Record<string, string | number | boolean>;
}

export type Recorder = ReturnType<typeof createRecorder>;

const ecsVersion = '9.4.0';
const dataset = 'vyry.audit';
const metadataFieldsMax = 20;

/** What an event says of the process it comes from. */
export interface Service {
  role: Role;
  version: string;
  environment: string;
}

/** Creates the function that records events of a process. */
export function createRecorder(service: Service, key: Secret, append: AuditSink) {
  const { role, version, environment } = service;
  const pseudonymKey = deriveKey(key, 'pseudonym');
  const macKey = auditMacKey(key);
  const common = {
    ecs: { version: ecsVersion },
    service: { name: 'vyry', version, environment, node: { name: `${role}@${process.pid}`, role } },
    labels: { hash_kid: keyIdOf(key) },
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

/** HMAC-SHA-256 (RFC 2104) of an event as it was before it was sealed, base64url; the order of its fields does not matter. */
export function macOf(event: AuditEvent, macKey: Buffer): string {
  const { mac: _mac, sequence: _sequence, chain: _chain, ...audit } = event.vyry.audit ?? {};
  const vyry = { ...event.vyry, audit: Object.keys(audit).length > 0 ? audit : undefined };
  return createHmac('sha256', macKey)
    .update(canonical({ ...event, vyry }))
    .digest('base64url');
}

/** The key that `macOf` takes. */
export function auditMacKey(key: Secret): Buffer {
  return deriveKey(key, 'audit');
}

/** Who is taken out of the audit log. */
export interface ErasedIdentity {
  userId: string;
  /** What stands in place of the id from then on. */
  alias: string;
}

/**
 * An event without its person: another id, no address, no program, no pseudonyms. Sealed anew by the key of the audit log, with the
 * seal that it was written with, so that chain and order still show what is missing and nobody else can rewrite one.
 */
export function withoutPerson(event: AuditEvent, { userId, alias }: ErasedIdentity, macKey: Buffer): AuditEvent {
  const renamed = (id: string) => (id === userId ? alias : id);
  const { ip, userAgent, user, related, ...rest } = event;
  // an admin who acted on the person stays
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

/** With the seal it was written with, and a word that no event begins with. */
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

/** The pseudonym of a number, an address or a name in its normal form: 128 bits of a keyed hash, hexadecimal. */
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

/** The request that runs, or that an activity follows from. */
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

/** JSON with sorted keys, so that a store may return the fields in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** What is wrong with an audit log. `missing` names the sequence numbers of a gap that was not there when it was written. */
export type AuditLogFault =
  | { fault: 'changed'; id: string; sequence: number }
  | { fault: 'missing'; from: number; to: number }
  | { fault: 'unproven'; id: string };

/** What a check of an audit log has found. */
export interface AuditLogReport {
  events: number;
  /** Events that were dropped at the bound before they were written: no fault, and told by `audit-gap`. */
  dropped: number;
  faults: AuditLogFault[];
}

/**
 * Checks that events in the order of their sequence are as they were written and that none was taken out: each against its
 * HMAC, and the chain from one to the next, up to the end that the stream remembers. The oldest may be gone by retention.
 *
 * @param end what the stream remembered as its end when the check began; none while events wait to be stored, so that
 *   only what was taken off the end goes unseen
 */
export async function verifyAuditLog(
  events: AsyncIterable<AuditEvent>,
  macKey: Buffer,
  end: { sequence: number; chain: string } | undefined,
): Promise<AuditLogReport> {
  const report: AuditLogReport = { events: 0, dropped: 0, faults: [] };
  let last = { sequence: 0, chain: '' };
  const step = (sequence: number, isLinked: boolean) => {
    const gap = sequence - last.sequence - 1;
    if (isLinked) report.dropped += gap;
    // the oldest may have been removed by retention
    else if (report.events > 1) report.faults.push({ fault: 'missing', from: last.sequence + 1, to: sequence - 1 });
  };
  for await (const event of events) {
    const { sequence, chain, mac } = event.vyry?.audit ?? {};
    if (sequence === undefined || chain === undefined || mac === undefined) {
      report.events++;
      report.faults.push({ fault: 'unproven', id: event.event?.id });
      continue;
    }
    // written since the check began
    if (end !== undefined && sequence > end.sequence) break;
    report.events++;
    if (!isUnchanged(event, macKey)) report.faults.push({ fault: 'changed', id: event.event.id, sequence });
    step(sequence, chainOf(last.chain, sequence, mac) === chain);
    last = { sequence, chain };
  }
  if (end !== undefined && last.chain !== end.chain) {
    report.faults.push({ fault: 'missing', from: last.sequence + 1, to: end.sequence });
  }
  return report;
}

/** As `adapters/redis/audit-append.lua` chains them. */
function chainOf(previous: string, sequence: number, mac: string): string {
  return createHash('sha1').update(`${previous}:${sequence}:${mac}`).digest('hex');
}
