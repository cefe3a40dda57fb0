/** Complete audit events for tests, with defaults for the fields that a test does not set. */
import { randomUUID } from 'node:crypto';
import { type AuditEvent, auditActions } from '../../domain/audit.ts';

/** Returns a successful log-in of this moment, overridden by the given fields. */
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
