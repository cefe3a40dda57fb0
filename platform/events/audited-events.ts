/** Connects the event functions of a process with the audit log that they append to. */
import type { Registry } from 'prom-client';
import { type AuditLogHooks, type AuditSink, auditKeysOf, createRecorder } from '../audit.ts';
import type { Role } from '../config/roles.ts';
import { version } from '../config/version.ts';
import type { KeyRing } from '../keyring.ts';
import type { Logger } from '../log.ts';
import { createEvents, type Events } from './events.ts';

/** The process whose events are recorded. */
export interface AuditedProcess {
  role: Role;
  config: { KEYS: KeyRing; NODE_ENV: string };
  log: Logger;
  registry: Registry;
}

/**
 * Creates the event functions of a process and the audit log that they append to. The audit log reports its own events
 * by the same functions.
 */
export function createAuditedEvents<L extends { append: AuditSink }>(
  { role, config, log, registry }: AuditedProcess,
  createLog: (hooks: AuditLogHooks) => L,
): { events: Events; auditLog: L } {
  const auditLog = createLog({
    onDropped: (count) => events.auditDropped(count),
    onGap: (count) => events.auditGap(count),
    onAway: (err) => log.warn({ event: 'audit.waiting', reason: err.message }),
  });
  const service = { role, version, environment: config.NODE_ENV };
  const events = createEvents(log, registry, createRecorder(service, auditKeysOf(config.KEYS), auditLog.append));
  return { events, auditLog };
}
