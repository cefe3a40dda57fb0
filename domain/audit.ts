/**
 * Audit events.
 *
 * Terminology
 * - action: what happened, by a fixed name. Each action has a category and type of the Elastic Common Schema (ECS 9.4).
 * - status: `success`, `failure` or `unknown`; ECS `event.outcome`.
 * - reason: why, as a short fixed code that can be aggregated. Free text is in `message` only.
 * - pseudonym: a keyed hash that replaces a number, address or name. Equal values have equal pseudonyms, which cannot
 *   be resolved without the key.
 *
 * https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category
 */

interface ActionKind {
  /** `event.category`; it determines which `event.type` values are allowed. */
  category: readonly string[];
  type: readonly string[];
  /** One-line description for dashboards. */
  about: string;
}

/** All audit actions. */
export const auditActions = {
  'registration-start': { category: ['iam'], type: ['user', 'info'], about: 'a registration was started' },
  'registration-step': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a step of a registration was completed or refused',
  },
  'registration-stop': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'the owner of a number or address ended registrations that others had started with it',
  },
  'user-register': {
    category: ['iam'],
    type: ['user', 'creation'],
    about: 'a registration ended, with or without an account',
  },
  'user-disable': { category: ['iam'], type: ['user', 'change', 'admin'], about: 'an account was disabled' },
  'user-enable': { category: ['iam'], type: ['user', 'change', 'admin'], about: 'an account was enabled again' },
  'user-delete': { category: ['iam'], type: ['user', 'deletion'], about: 'an account was deleted' },
  'role-change': { category: ['iam'], type: ['user', 'change', 'admin'], about: 'the roles of a user were changed' },
  'password-change': { category: ['iam'], type: ['user', 'change'], about: 'a password was changed' },
  'password-reset': { category: ['iam'], type: ['user', 'change'], about: 'a forgotten password was replaced' },
  'recovery-start': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a recovery of a forgotten password was requested',
  },
  'recovery-stop': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'the owner of an account stopped a recovery of its password',
  },
  'pin-change': { category: ['iam'], type: ['user', 'change'], about: 'a PIN was set or changed' },
  'profile-change': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'the name, number, address or language of a user was changed',
  },
  'data-export': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a user exported their data',
  },
  'deletion-start': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a user requested the deletion of their account',
  },
  'deletion-stop': { category: ['iam'], type: ['user', 'info'], about: 'a user stopped that deletion' },
  login: { category: ['authentication'], type: ['start'], about: 'a log-in was attempted' },
  'ldap-login': {
    category: ['authentication'],
    type: ['start'],
    about: 'a user name and password were checked against the directory',
  },
  'captcha-verify': { category: ['authentication'], type: ['info'], about: 'a captcha was verified' },
  'otp-request': { category: ['authentication'], type: ['info'], about: 'a code was requested' },
  'otp-verify': { category: ['authentication'], type: ['start'], about: 'a code was checked' },
  'pin-verify': { category: ['authentication'], type: ['start'], about: 'a PIN was checked' },
  'password-verify': {
    category: ['authentication'],
    type: ['start'],
    about: 'a logged-in user confirmed their password',
  },
  'operator-login': { category: ['authentication'], type: ['start'], about: 'an operator log-in was attempted' },
  'message-send': { category: ['api'], type: ['info'], about: 'a message was handed to a provider' },
  'notification-send': {
    category: ['api'],
    type: ['info'],
    about: 'a notification to an owner was handed to a provider',
  },
  'push-change': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'the push registration of a device was set or removed',
  },
  'wake-up-send': { category: ['api'], type: ['info'], about: 'a wake-up could not be sent to a device' },
  'delivery-report': { category: ['api'], type: ['info'], about: 'a provider sent a delivery report' },
  'session-start': { category: ['session'], type: ['start'], about: 'a session started' },
  'token-refresh': { category: ['session'], type: ['info'], about: 'a refresh token was used' },
  'session-revoke': { category: ['session'], type: ['end'], about: 'a session was revoked' },
  logout: { category: ['authentication', 'session'], type: ['end'], about: 'a user logged out' },
  'device-link': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'a device asked to be linked, was approved or denied',
  },
  'device-add': { category: ['iam'], type: ['user', 'change'], about: 'a device was added' },
  'device-remove': { category: ['iam'], type: ['user', 'change'], about: 'a device was removed' },
  'identity-change': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'the identity key of an account was changed: its contacts see another one',
  },
  'identity-announce': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'the contacts of a user were told that the identity key changed',
  },
  'device-suspend': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'a device gets no messages until it connects',
  },
  'device-idle': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a user was warned of a linked device that is not used',
  },
  'user-block': { category: ['iam'], type: ['user', 'change'], about: 'a user blocked another one' },
  'user-unblock': { category: ['iam'], type: ['user', 'change'], about: 'a user unblocked another one' },
  'message-flood': { category: ['api'], type: ['denied'], about: 'many messages of a device were refused' },
  'inbox-full': { category: ['api'], type: ['denied'], about: 'senders are refused, because an inbox is full' },
  'inbox-gap': {
    category: ['api'],
    type: ['info'],
    about: 'a device was told that messages for it expired or did not fit',
  },
  'socket-refuse': {
    category: ['network'],
    type: ['connection', 'denied'],
    about: 'a connection of Socket.IO was refused',
  },
  'keys-upload': { category: ['api'], type: ['change'], about: 'a device published keys' },
  'keys-fetch': { category: ['api'], type: ['access'], about: 'the keys of a device were fetched' },
  'keys-low': { category: ['api'], type: ['info'], about: 'a device has few one-time keys left, or none' },
  'approval-request': {
    category: ['authentication'],
    type: ['info'],
    about: 'the devices of an account were asked for approval',
  },
  'approval-answer': { category: ['authentication'], type: ['info'], about: 'a device approved or denied a request' },
  'operator-act': {
    category: ['iam'],
    type: ['admin', 'change'],
    about: 'an operator acted on a registration or a device',
  },
  'payload-decode': { category: ['api'], type: ['access'], about: 'Temporal payloads were decrypted for an operator' },
  'rate-limited': { category: ['api'], type: ['denied'], about: 'a limit refused a request' },
  'prefix-paused': {
    category: ['api'],
    type: ['denied'],
    about: 'a prefix of numbers was paused: too many codes were sent to it and none was typed',
  },
  'sending-stopped': {
    category: ['api'],
    type: ['denied'],
    about: 'sending of codes was stopped: a global limit or the cost limit of the day was reached',
  },
  'access-denied': { category: ['api'], type: ['denied'], about: 'credentials were missing, wrong or insufficient' },
  'request-error': { category: ['web'], type: ['error'], about: 'a request was refused for another reason, or failed' },
  'api-request': { category: ['web'], type: ['access'], about: 'a request that changes something was answered' },
  'dependency-away': { category: ['web'], type: ['error'], about: 'a dependency was unavailable' },
  purge: { category: ['process'], type: ['info'], about: 'expired data was removed' },
  'process-start': { category: ['process'], type: ['start'], about: 'a process of Vyry was ready' },
  'process-stop': { category: ['process'], type: ['end'], about: 'a process of Vyry was stopped' },
  'audit-heartbeat': { category: ['process'], type: ['info'], about: 'the audit log works end to end' },
  'audit-gap': {
    category: ['process'],
    type: ['info'],
    about: 'audit events were dropped because their stream was full',
  },
} as const satisfies Record<string, ActionKind>;

/** The name of an audit action. */
export type AuditAction = keyof typeof auditActions;
/** The outcome of an audit event. */
export type AuditStatus = 'success' | 'failure' | 'unknown';

/**
 * An audit event as indexed. The nine fields of the contract come first. The role `audit` adds their ECS equivalents
 * (`audit-ecs.ts`). Fields that ECS does not define are under `vyry`.
 */
export interface AuditEvent extends Partial<Pick<EcsFields, 'log' | 'source' | 'user_agent'>> {
  '@timestamp': string;
  timestamp: string;
  level: 'info' | 'warn' | 'error';
  action: AuditAction;
  userId?: string;
  ip?: string;
  userAgent?: string;
  status: AuditStatus;
  message: string;
  /** Additional fields that no dashboard aggregates. */
  metadata: Record<string, string | number | boolean>;
  ecs: { version: string };
  event: {
    /** Also the document id, so that an event sent twice is stored once. */
    id: string;
    kind: 'event';
    category: readonly string[];
    type: readonly string[];
    dataset: string;
    module: string;
    reason?: string;
    /** Nanoseconds. */
    duration?: number;
  } & Partial<EcsFields['event']>;
  service: { name: string; version: string; environment: string; node: { name: string; role: string } };
  trace?: { id: string };
  http?: { request: { id?: string; method?: string }; response?: { status_code: number } };
  /** The route pattern: parameter names in place of values. */
  url?: { path: string };
  error?: { code?: string; type?: string };
  rule?: { name: string };
  user?: { hash?: string; target?: { id: string } } & Partial<NonNullable<EcsFields['user']>>;
  related?: { ip?: string[]; user?: string[]; hash?: string[] };
  labels: { hash_kid: string };
  vyry: AuditDetails;
}

/** Where an address is: `source.geo` and `source.as` of ECS. */
export interface AddressOrigin {
  geo?: {
    /** ISO 3166-1 alpha-2. */
    country_iso_code?: string;
    country_name?: string;
    city_name?: string;
    /** Degrees, WGS 84. */
    location?: { lat: number; lon: number };
  };
  as?: { number: number; organization?: { name: string } };
}

/** The program behind a user agent: `user_agent` of ECS, without the text itself. */
export interface Program {
  name?: string;
  version?: string;
  os?: { name?: string; version?: string };
  device?: { name: string };
}

/** The fields of ECS that are added to an event. */
interface EcsFields {
  log: { level: AuditEvent['level'] };
  event: { action: AuditEvent['action']; outcome: AuditEvent['status'] };
  user?: { id: string };
  source?: { ip: string } & AddressOrigin;
  user_agent?: { original: string } & Program;
}

/** Fields that ECS does not define. */
export interface AuditDetails {
  registration?: { id: string; step?: string; state?: string };
  otp?: { channel?: string; purpose?: string; send?: number; attempts_left?: number };
  messaging?: { provider?: string; id?: string; country?: string };
  rate_limit?: { retry_after_seconds?: number };
  dependency?: { name: string };
  operator?: { name: string; act: string };
  session?: { hash: string };
  audit?: AuditProof & { dropped?: number };
}

/** Integrity proof: detects events that were changed, removed or added later. */
export interface AuditProof {
  /** HMAC-SHA-256 of the event, base64url, by the process that wrote it. */
  mac?: string;
  /** Position in the total order of events, from 1, assigned by the stream. */
  sequence?: number;
  /** Hash chain: SHA-1 of the previous chain value, the sequence and the mac, hexadecimal. */
  chain?: string;
  /** Set when the user was erased: HMAC-SHA-256 of the rewritten event, including its original `mac`. */
  erasure?: string;
}

/** Returns the index of an event: one per day, by the event's timestamp, not by the time of indexing. */
export function auditIndexOf(prefix: string, event: Pick<AuditEvent, 'timestamp'>): string {
  return `${prefix}-${event.timestamp.slice(0, 10).replaceAll('-', '.')}`;
}

/** Maximum length of a text in an event, in characters. */
export const auditTextMax = 512;

/** Returns an external text sanitized for an event: truncated, well-formed, without control and format characters. */
export function auditText(text: string): string {
  return text
    .slice(0, auditTextMax)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
