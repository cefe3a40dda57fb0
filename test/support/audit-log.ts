/** The audit log of a system, from the stream in Redis to the events in Elasticsearch. */
import { readAuditLog } from '../../adapters/elastic/audit-index.ts';
import { connectElastic } from '../../adapters/elastic/connect.ts';
import { auditKeys } from '../../adapters/redis/audit.ts';
import { readAuditHead } from '../../adapters/redis/audit-stream.ts';
import type { AuditEvent } from '../../domain/audit.ts';
import type { System } from '../../engines/system.ts';
import { auditMacKey } from '../../platform/audit.ts';
import { verifyAuditLog } from '../../platform/audit-verification.ts';
import { Secret } from '../../platform/config/secret.ts';
import type { Stores } from './stores.ts';
import { until } from './until.ts';

/** Opens the audit log of a system with Elasticsearch; the connection is closed with the system. */
export function openAuditLog(system: System, { redis }: Pick<Stores, 'redis'>) {
  const elastic = connectElastic({ url: system.ready.elasticsearchUrl ?? '' });
  system.folder.onClose(() => elastic.close());
  const prefix = system.processes.env('audit').AUDIT_INDEX ?? 'auth-logs';
  const index = `${prefix}-*`;
  const waiting = async () => redis.xlen(auditKeys.stream);
  return {
    elastic,
    prefix,
    /** Number of events that wait in the stream. */
    waiting,
    /** Resolves when the stream is empty and the stored events are searchable. */
    async shipped(): Promise<void> {
      await until(async () => (await waiting()) === 0);
      await elastic.indices.refresh({ index });
    },
    /** Returns the searchable events that a query finds, in the order of the log. */
    async eventsOf(query: string): Promise<AuditEvent[]> {
      const { hits } = await elastic.search<AuditEvent>({ index, q: query, size: 1000, sort: 'vyry.audit.sequence' });
      return hits.hits.flatMap(({ _source }) => (_source ? [_source] : []));
    },
    /** Returns how many searchable events a query finds. */
    countOf: async (query: string): Promise<number> => (await elastic.count({ index, q: query })).count,
    /** Checks the whole log against its head. */
    async checkAll() {
      const macKey = auditMacKey(new Secret(system.secrets.AUDIT_KEY));
      return verifyAuditLog(readAuditLog(elastic, prefix), { macKeys: [macKey], end: await readAuditHead(redis) });
    },
  };
}

/** Returns the value of a metric of an api without labels; NaN if it has none. */
export async function metricOf(apiUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${apiUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}
