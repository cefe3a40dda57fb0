/** The fields of the index, as its template maps them, and the queries that dashboards and alerts share. */
import { auditTemplate } from '../adapters/elastic/template.ts';
import type { AuditAction } from '../domain/audit.ts';

interface Mapping {
  type?: string;
  properties?: Record<string, Mapping>;
}

const mappings = auditTemplate('auth-logs', undefined).template.mappings as Mapping;

/**
 * Returns the type of a field in the index.
 *
 * @throws {RangeError} the template has no such field
 */
export function fieldType(name: string): string {
  const mapping = name.split('.').reduce<Mapping | undefined>((at, part) => at?.properties?.[part], mappings);
  if (mapping?.type === undefined) throw new RangeError(`There is no field ${name}`);
  return mapping.type;
}

/** Returns the KQL for events of these actions. */
export function action(...actions: [AuditAction, ...AuditAction[]]): string {
  return actions.length === 1 ? `event.action: ${actions[0]}` : `event.action: (${actions.join(' or ')})`;
}

/** Authentication attempts: a name and password, a code, a PIN; of people and of operators. */
export const attempts = 'event.category: authentication and event.type: start';
/** Refusals and failures. */
export const failed = 'event.outcome: failure';
/** Successes. */
export const succeeded = 'event.outcome: success';
/** Answered requests that leave an event: all except successful reads. */
export const answered = 'http.response.status_code: *';
/** Answers with a client error (4xx). */
export const clientErrors = 'http.response.status_code >= 400 and http.response.status_code < 500';
/** Answers with a server error (5xx). */
export const serverErrors = 'http.response.status_code >= 500';
/** Attempts with a name and password. */
export const passwordTries = `${action('login', 'ldap-login')} and event.type: start`;
/** Attempts at accounts that their directory has locked. */
export const lockOuts = 'event.reason: locked';
/** Links and approvals of new devices, from the request to its end. */
export const links = action('device-link', 'approval-request', 'approval-answer');
/** New devices that a device of their account denied. */
export const deniedLinks = `${action('device-link', 'approval-answer')} and event.reason: (denied or wrong-code or reported)`;
/** New devices that a device of their account denied and reported. */
export const reportedLinks = `${action('device-link', 'approval-answer')} and event.reason: reported`;
/** Changes of devices, their keys and their push registrations. */
export const deviceActions = action(
  'device-add',
  'device-remove',
  'device-link',
  'approval-request',
  'approval-answer',
  'identity-change',
  'keys-upload',
  'keys-low',
  'push-change',
  'wake-up-send',
);
/** Connections that were refused. */
export const refusedConnections = action('socket-refuse');
/** What messages leave in the audit log. The messages themselves leave no event. */
export const messageActions = action(
  'socket-refuse',
  'message-flood',
  'inbox-full',
  'inbox-gap',
  'device-suspend',
  'device-idle',
  'user-block',
  'user-unblock',
  'identity-announce',
);
/** The events that a security team reads first. */
export const securityEvents =
  `${action('access-denied', 'rate-limited', 'role-change', 'user-disable', 'session-revoke')}` +
  ` or ${action('operator-login', 'operator-act', 'payload-decode', 'audit-gap', 'device-add')}` +
  ` or ${action('prefix-paused', 'sending-stopped', 'identity-change')} or (${reportedLinks})` +
  ` or ${action('message-flood', 'inbox-full', 'device-suspend', 'socket-refuse')}` +
  ' or event.reason: locked or (event.action: token-refresh and event.outcome: failure)';
