/** The fields of the index, as its template maps them, and the words of the queries on them. */
import { auditTemplate } from '../adapters/elastic/template.ts';
import type { AuditAction } from '../domain/audit.ts';

interface Mapping {
  type?: string;
  path?: string;
  properties?: Record<string, Mapping>;
}

const mappings = auditTemplate('auth-logs', undefined).template.mappings as Mapping;

/**
 * The type of a field in the index; of an alias, that of the field it stands for.
 *
 * @throws {RangeError} the template has no such field
 */
export function fieldType(name: string): string {
  const mapping = name.split('.').reduce<Mapping | undefined>((at, part) => at?.properties?.[part], mappings);
  if (mapping?.type === undefined) throw new RangeError(`There is no field ${name}`);
  return mapping.type === 'alias' ? fieldType(mapping.path ?? '') : mapping.type;
}

/** Events of these actions, in KQL. */
export function action(...actions: [AuditAction, ...AuditAction[]]): string {
  return actions.length === 1 ? `event.action: ${actions[0]}` : `event.action: (${actions.join(' or ')})`;
}

/** Every try to prove who one is: a name and password, a code, a PIN; of people and of operators. */
export const attempts = 'event.category: authentication and event.type: start';
/** What was refused or went wrong. */
export const failed = 'event.outcome: failure';
/** What went well. */
export const succeeded = 'event.outcome: success';
/** Requests that were answered, as far as they leave an event: all but reads that went well. */
export const answered = 'http.response.status_code: *';
/** Answers that say the caller was wrong. */
export const clientErrors = 'http.response.status_code >= 400 and http.response.status_code < 500';
/** Answers that say we, or a system we need, were wrong. */
export const serverErrors = 'http.response.status_code >= 500';
/** Tries of a name and its password. */
export const passwordTries = action('login', 'ldap-login');
/** An account that was locked, by us or by the directory. */
export const lockOuts = 'event.action: account-locked or event.reason: locked';
/** What a security team reads first. */
export const securityEvents =
  `${action('account-locked', 'access-denied', 'rate-limited', 'role-change', 'user-disable', 'session-revoke')}` +
  ` or ${action('operator-login', 'operator-act', 'payload-decode', 'audit-gap', 'device-add')}` +
  ` or ${action('prefix-paused', 'sending-stopped')}` +
  ' or event.reason: locked or (event.action: token-refresh and event.outcome: failure)';
