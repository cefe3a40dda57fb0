import type { Outputs } from './outputs.ts';

/** Creates the events of the audit log itself. */
export function createAuditLogEvents({ counter, log, record, report }: Outputs) {
  const dropped = counter('audit_dropped_total', 'Audit events dropped because the audit stream was full', []);

  return {
    auditDropped(count: number): void {
      dropped.inc(count);
      log.error({ event: 'audit.dropped', count });
    },
    auditGap(count: number): void {
      report({
        level: 'error',
        log: { event: 'audit.gap', count },
        audit: {
          action: 'audit-gap',
          status: 'failure',
          message: `${count} events were dropped while the audit stream was full`,
          reason: 'stream-full',
          details: { audit: { dropped: count } },
        },
      });
    },
    /** One event per minute over all processes. */
    auditHeartbeat(minute: number): void {
      record('audit-heartbeat', { status: 'success', message: 'The audit log works', once: `minute ${minute}` });
    },
  };
}
