/**
 * Audit events: what security sees.
 *
 * Terminology
 * - action: what happened, by a fixed name; each has its category and type in the Elastic Common Schema (ECS 9.4).
 * - status: `success`, `failure` or `unknown`, which ECS calls `event.outcome`.
 * - reason: why, as a short fixed code that can be counted; free text is in `message` only.
 * - pseudonym: a keyed hash in place of a number, an address or a name; equal for equal people, worth nothing without the key.
 *
 * https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category
 */

interface ActionKind {
  /** `event.category`; decides which `event.type` is allowed. */
  category: readonly string[];
  type: readonly string[];
  /** One line for people who read a dashboard. */
  about: string;
}

/** Every action there is, and those whose capability comes later: their names are laid down here. */
export const auditActions = {
  'registration-start': { category: ['iam'], type: ['user', 'info'], about: 'a registration was started' },
  'registration-step': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a step of a registration was done or refused',
  },
  'registration-stop': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'the owner of a number or address ended registrations that others had begun with it',
  },
  'user-register': {
    category: ['iam'],
    type: ['user', 'creation'],
    about: 'a registration ended, with or without an account',
  },
  'user-disable': { category: ['iam'], type: ['user', 'change', 'admin'], about: 'an account was disabled' },
  'user-enable': { category: ['iam'], type: ['user', 'change', 'admin'], about: 'an account was enabled again' },
  'user-delete': { category: ['iam'], type: ['user', 'deletion'], about: 'an account was deleted' },
  'role-change': { category: ['iam'], type: ['user', 'change', 'admin'], about: 'the roles of a person changed' },
  'account-locked': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'an account was locked after too many failures',
  },
  'account-unlocked': { category: ['iam'], type: ['user', 'change'], about: 'a locked account was opened' },
  'password-change': { category: ['iam'], type: ['user', 'change'], about: 'a password was changed' },
  'password-reset': { category: ['iam'], type: ['user', 'change'], about: 'a forgotten password was replaced' },
  'recovery-start': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a new password was asked for by somebody who forgot it',
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
    about: 'the name, number, address or language of a person was changed',
  },
  'data-export': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a person had everything exported that is stored of them',
  },
  'deletion-start': {
    category: ['iam'],
    type: ['user', 'info'],
    about: 'a person asked for the deletion of their account',
  },
  'deletion-stop': { category: ['iam'], type: ['user', 'info'], about: 'a person stopped that deletion' },
  login: { category: ['authentication'], type: ['start'], about: 'somebody tried to log in' },
  'ldap-login': {
    category: ['authentication'],
    type: ['start'],
    about: 'a name and password were tried at the directory',
  },
  'captcha-verify': { category: ['authentication'], type: ['info'], about: 'a captcha was verified' },
  'otp-request': { category: ['authentication'], type: ['info'], about: 'a code was asked for' },
  'otp-verify': { category: ['authentication'], type: ['start'], about: 'a code was checked' },
  'pin-verify': { category: ['authentication'], type: ['start'], about: 'a PIN was checked' },
  'password-verify': {
    category: ['authentication'],
    type: ['start'],
    about: 'a password was given again by somebody who is logged in',
  },
  'operator-login': { category: ['authentication'], type: ['start'], about: 'an operator tried to log in' },
  'message-send': { category: ['api'], type: ['info'], about: 'a message was handed to a provider' },
  'notification-send': {
    category: ['api'],
    type: ['info'],
    about: 'a notification to an owner was handed to a provider',
  },
  'delivery-report': { category: ['api'], type: ['info'], about: 'a provider said what became of a message' },
  'session-start': { category: ['session'], type: ['start'], about: 'a session began' },
  'token-refresh': { category: ['session'], type: ['info'], about: 'a refresh token was used' },
  'session-revoke': { category: ['session'], type: ['end'], about: 'a session was ended by somebody else' },
  logout: { category: ['authentication', 'session'], type: ['end'], about: 'somebody logged out' },
  'device-link': {
    category: ['iam'],
    type: ['user', 'change'],
    about: 'a device asked to be linked, was approved or denied',
  },
  'device-add': { category: ['iam'], type: ['user', 'change'], about: 'a device was added' },
  'device-remove': { category: ['iam'], type: ['user', 'change'], about: 'a device was removed' },
  'keys-upload': { category: ['api'], type: ['change'], about: 'a device published keys' },
  'keys-fetch': { category: ['api'], type: ['access'], about: 'the keys of a device were fetched' },
  'approval-request': {
    category: ['authentication'],
    type: ['info'],
    about: 'the devices of an account were asked for approval',
  },
  'approval-answer': { category: ['authentication'], type: ['info'], about: 'a device approved or denied' },
  'operator-act': { category: ['iam'], type: ['admin', 'change'], about: 'an operator acted on a registration' },
  'payload-decode': { category: ['api'], type: ['access'], about: 'an operator had Temporal payloads decrypted' },
  'rate-limited': { category: ['api'], type: ['denied'], about: 'a limit refused a request' },
  'prefix-paused': {
    category: ['api'],
    type: ['denied'],
    about: 'a block of numbers was paused: too many codes were sent to it and none was typed',
  },
  'sending-stopped': {
    category: ['api'],
    type: ['denied'],
    about: 'no codes are sent any more: a limit over all people, or the cost of a day, was reached',
  },
  'access-denied': { category: ['api'], type: ['denied'], about: 'credentials were missing, wrong or not enough' },
  'request-error': { category: ['web'], type: ['error'], about: 'a request was refused for another reason, or failed' },
  'api-request': { category: ['web'], type: ['access'], about: 'a request that changes something was answered' },
  'dependency-away': { category: ['web'], type: ['error'], about: 'an outside system did not answer' },
  purge: { category: ['process'], type: ['info'], about: 'what had expired was removed' },
  'process-start': { category: ['process'], type: ['start'], about: 'a process of ours was ready' },
  'process-stop': { category: ['process'], type: ['end'], about: 'a process of ours was stopped' },
  'audit-heartbeat': { category: ['process'], type: ['info'], about: 'the audit log works from end to end' },
  'audit-gap': {
    category: ['process'],
    type: ['info'],
    about: 'audit events were dropped at the bound of their stream',
  },
} as const satisfies Record<string, ActionKind>;

export type AuditAction = keyof typeof auditActions;
export type AuditStatus = 'success' | 'failure' | 'unknown';

/**
 * One event as it is indexed. The nine fields of the contract stand at the top; their ECS twins (`event.action`,
 * `user.id`, `source.ip`, `user_agent.original`, `event.outcome`, `log.level`) are aliases of the index and must not
 * be written. What ECS has no field for is under `vyry`.
 */
export interface AuditEvent {
  '@timestamp': string;
  timestamp: string;
  level: 'info' | 'warn' | 'error';
  action: AuditAction;
  userId?: string;
  ip?: string;
  userAgent?: string;
  status: AuditStatus;
  message: string;
  /** Small facts that nobody charts. */
  metadata: Record<string, string | number | boolean>;
  ecs: { version: string };
  event: {
    /** Also the id of the document, so that what is sent twice is stored once. */
    id: string;
    kind: 'event';
    category: readonly string[];
    type: readonly string[];
    dataset: string;
    module: string;
    reason?: string;
    /** Nanoseconds. */
    duration?: number;
  };
  service: { name: string; version: string; environment: string; node: { name: string; role: string } };
  trace?: { id: string };
  http?: { request: { id?: string; method?: string }; response?: { status_code: number } };
  /** The route, with the names of its parameters in place of their values. */
  url?: { path: string };
  error?: { code?: string; type?: string };
  rule?: { name: string };
  user?: { hash?: string; target?: { id: string } };
  related?: { ip?: string[]; user?: string[]; hash?: string[] };
  labels: { hash_kid: string };
  vyry: AuditDetails;
}

/** What ECS has no field for. */
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

/** What shows that no event was changed, removed or added afterwards. */
export interface AuditProof {
  /** HMAC-SHA-256 of the event, base64url, by the process that wrote it. */
  mac?: string;
  /** Place in the one order of all events, from 1; given by the stream. */
  sequence?: number;
  /** Chains each event to the one before it: SHA-1 of the previous chain value, the sequence and the mac, hexadecimal. */
  chain?: string;
  /** Of an event whose person was erased: HMAC-SHA-256 of it as it is now, with the `mac` that it was written with. */
  erasure?: string;
}

/** The index of an event: one a day, by the event's own time and never by that of its sending. */
export function auditIndexOf(prefix: string, event: Pick<AuditEvent, 'timestamp'>): string {
  return `${prefix}-${event.timestamp.slice(0, 10).replaceAll('-', '.')}`;
}

/** Longest text of an event, in characters. */
export const auditTextMax = 512;

/** A text of the outside as an event may hold it: bounded, well-formed, no control or format characters. */
export function auditText(text: string): string {
  return text
    .slice(0, auditTextMax)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
