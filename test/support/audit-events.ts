/** Audit events without a Redis. */
import { createHash } from 'node:crypto';
import type { AuditEvent } from '../../domain/audit.ts';
import { type AuditKeys, createRecorder } from '../../platform/audit.ts';

const minuteMs = 60_000;

/** A log of events, one a minute, as Redis numbers and chains them. */
export function chainedEvents(keys: AuditKeys, count: number, begin = Date.UTC(2026, 2, 1)): AuditEvent[] {
  const events: AuditEvent[] = [];
  const service = { role: 'api', version: '0', environment: 'development' } as const;
  const record = createRecorder(service, keys, (event) => events.push(event), {
    now: () => begin + events.length * minuteMs,
  });
  for (let number = 1; number <= count; number++) {
    record('login', { status: 'success', message: `${number}`, userId: 'ada', identity: 'ada' });
  }
  let chain = '';
  return events.map((event, at) => {
    const sequence = at + 1;
    chain = createHash('sha1').update(`${chain}:${sequence}:${event.vyry.audit?.mac}`).digest('hex');
    return { ...event, vyry: { ...event.vyry, audit: { ...event.vyry.audit, sequence, chain } } };
  });
}
