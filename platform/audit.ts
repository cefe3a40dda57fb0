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
import { agreesWithEcs, withEcsFields, withoutEcsFields } from '../domain/audit-ecs.ts';
import { isoCountryOf } from '../domain/countries.ts';
import type { Role } from './config/roles.ts';
import type { Secret } from './config/secret.ts';
import { deriveKey, keyIdOf } from './crypto.ts';
import type { KeyRing } from './keyring.ts';
import { type TracePerson, traces } from './log.ts';

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
  /** Further names of the same person, which the event joins as pseudonyms. */
  identities?: readonly string[];
  /** Pseudonyms of names of the same person. */
  pseudonyms?: readonly string[] | undefined;
  /** It is a part of an attempt that has an event of its own, so that the attempt is counted once. */
  isPart?: boolean;
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

/**
 * Creates the function that records the audit events of a process.
 *
 * @param options.now milliseconds since the Unix epoch
 */
export function createRecorder(
  service: Service,
  { id, pseudonymKey, macKey }: AuditKeys,
  append: AuditSink,
  { now = Date.now }: { now?: () => number } = {},
) {
  const { role, version, environment } = service;
  const common = {
    ecs: { version: ecsVersion },
    service: { name: 'vyry', version, environment, node: { name: `${role}@${process.pid}`, role } },
    labels: { hash_kid: id },
  };

  return function record(action: AuditAction, context: AuditContext): void {
    const { once, isMinor = false } = context;
    const event: AuditEvent = {
      ...whatHappened(action, context, new Date(now()).toISOString()),
      ...common,
      ...whereFrom(context),
      ...whom(context, pseudonymKey),
      vyry: { ...registrationOf(context), ...withCountry(context.details) },
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
export function withoutPerson(stored: AuditEvent, { userId, alias }: ErasedIdentity, macKey: Buffer): AuditEvent {
  const renamed = (id: string) => (id === userId ? alias : id);
  const event = withoutEcsFields(stored);
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
      ...(related?.user && { user: idsIn(related).map(renamed) }),
    },
  };
  const erasure = erasureMacOf(erased, macKey);
  const proven = { ...erased, vyry: { ...erased.vyry, audit: { ...erased.vyry.audit, erasure } } };
  if (stored.log === undefined) return proven;
  const { ip: _ip, ...origin } = stored.source ?? {};
  const { original: _original, ...program } = stored.user_agent ?? {};
  return withEcsFields(proven, { originOf: () => origin, programOf: () => program });
}

/** Returns the ids among the users of an event, which has their pseudonyms too. */
function idsIn({ user = [], hash = [] }: NonNullable<AuditEvent['related']>): string[] {
  return user.filter((one) => !hash.includes(one));
}

/** Covers the original HMAC. The prefix `erased` separates it from the HMAC of an event. */
function erasureMacOf(event: AuditEvent, macKey: Buffer): string {
  const { erasure: _, ...audit } = event.vyry.audit ?? {};
  return createHmac('sha256', macKey)
    .update(`erased ${canonical({ ...event, vyry: { ...event.vyry, audit } })}`)
    .digest('base64url');
}

/** Returns whether an event is as it was written, or as its erasure left it, by a key. */
export function isUnchanged(stored: AuditEvent, macKey: Buffer): boolean {
  if (!agreesWithEcs(stored)) return false;
  const event = withoutEcsFields(stored);
  const { mac, erasure } = event.vyry.audit ?? {};
  return erasure === undefined ? macOf(event, macKey) === mac : erasureMacOf(event, macKey) === erasure;
}

/** Returns the pseudonym of a normalized phone number, address or user name: 128 bits of a keyed hash, hexadecimal. */
export function pseudonymOf(identity: string, pseudonymKey: Buffer): string {
  return createHmac('sha256', pseudonymKey).update(identity).digest('hex').slice(0, 32);
}

function whatHappened(action: AuditAction, context: AuditContext, now: string) {
  const { status, message, reason, level, once, durationSeconds, metadata = {} } = context;
  const { category, type } = auditActions[action];
  const { isPart = false } = context;
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
      type: isPart ? ['info'] : type,
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

function whom({ userId, targetUserId, ...names }: AuditContext, pseudonymKey: Buffer) {
  const trace = traces.getStore();
  const actor = userId ?? trace?.userId;
  const [hash, ...others] = pseudonymsIn(names, trace?.about ?? {}, pseudonymKey);
  const hashes = hash === undefined ? [] : [hash, ...others];
  // ids and pseudonyms together, so that one search finds every event of a person
  const users = [actor, targetUserId, ...hashes].filter((id) => id !== undefined);
  return {
    ...(actor !== undefined && { userId: actor }),
    ...((hash !== undefined || targetUserId !== undefined) && {
      user: { ...(hash && { hash }), ...(targetUserId !== undefined && { target: { id: targetUserId } }) },
    }),
    related: {
      ...(trace?.ip && { ip: [trace.ip] }),
      ...(users.length > 0 && { user: users }),
      ...(hashes.length > 0 && { hash: hashes }),
    },
  };
}

/** Returns the pseudonyms of the person of an event, without repeats: first the one that the event is about. */
function pseudonymsIn(
  { identity, identities = [], pseudonyms = [] }: Pick<AuditContext, 'identity' | 'identities' | 'pseudonyms'>,
  about: TracePerson,
  key: Buffer,
): string[] {
  const own = [...(identity === undefined ? [] : [identity]), ...identities].map((name) => pseudonymOf(name, key));
  const told = about.identity === undefined ? [] : [pseudonymOf(about.identity, key)];
  const known = [...told, ...(about.pseudonyms ?? [])];
  const named = [...own, ...pseudonyms];
  // an event about somebody else than the request does not join the two
  const isSame = named.length === 0 || named.some((hash) => known.includes(hash));
  return [...new Set([...named, ...(isSame ? known : [])])];
}

/** The country of an event, which is that of the person of the request unless it names one, always by ISO 3166. */
function withCountry(details: AuditDetails = {}): AuditDetails {
  const country = details.messaging?.country ?? traces.getStore()?.about?.country;
  if (country === undefined) return details;
  return { ...details, messaging: { ...details.messaging, country: isoCountryOf(country) } };
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
