/** Audit events for tests: complete, with the fields that a test does not care about. */
import { randomUUID } from 'node:crypto';
import { type AuditEvent, auditActions } from '../../domain/audit.ts';

/** A log-in that succeeded just now, or what is given. */
export function auditEvent(given: Partial<AuditEvent> = {}): AuditEvent {
  const timestamp = given.timestamp ?? new Date().toISOString();
  const action = given.action ?? 'login';
  const { category, type } = auditActions[action];
  return {
    '@timestamp': timestamp,
    timestamp,
    level: 'info',
    action,
    status: 'success',
    message: 'Somebody logged in',
    metadata: {},
    ecs: { version: '9.4.0' },
    event: { id: randomUUID(), kind: 'event', category, type, dataset: 'vyry.audit', module: 'vyry' },
    service: { name: 'vyry', version: '0', environment: 'development', node: { name: 'api@1', role: 'api' } },
    labels: { hash_kid: '00000000' },
    vyry: {},
    ...given,
  };
}
