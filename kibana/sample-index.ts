/** Stores the sample in indices of its own, on an Elasticsearch that others may use too. */
import { randomBytes } from 'node:crypto';
import { createAuditIndex } from '../adapters/elastic/audit-index.ts';
import type { Elastic } from '../adapters/elastic/connect.ts';
import { programOf } from '../adapters/elastic/user-agents.ts';
import { type AuditEvent, auditIndexOf } from '../domain/audit.ts';
import type { EcsTables } from '../domain/audit-ecs.ts';
import { type Events, openEvents } from './events.ts';
import { sampleEvents } from './sample.ts';
import { sampleOrigin } from './sample-day.ts';

const batchMax = 500;
const tables: EcsTables = { originOf: sampleOrigin, programOf };

/** The stored sample; disposing it deletes its indices, their template and policy. */
export interface SampleIndex extends AsyncDisposable {
  /** First part of the names of its indices. */
  prefix: string;
  documents: AuditEvent[];
  events: Events;
}

/**
 * Stores the sample as the product stores events, but refuses unknown fields.
 *
 * @throws {Error} an event was not stored
 */
export async function storeSample(elastic: Elastic): Promise<SampleIndex> {
  // not auth-logs-…, so that dashboards and the template of a product on the same server do not apply to it
  const prefix = `sample-logs-${randomBytes(6).toString('hex')}`;
  const documents = sampleEvents();
  const index = createAuditIndex(elastic, { prefix, retentionDays: 1, unknownFields: 'refused', tables });
  const { hasLifecycle } = await index.prepare();
  for (let begin = 0; begin < documents.length; begin += batchMax) {
    const stored = await index.store(documents.slice(begin, begin + batchMax));
    const lost = stored.find(({ outcome }) => outcome !== 'stored');
    if (lost) throw new Error(`An event of the sample was not stored: ${JSON.stringify(lost)}`);
  }
  await elastic.indices.refresh({ index: `${prefix}-*` });
  const days = [...new Set(documents.map((event) => auditIndexOf(prefix, event)))];
  return {
    prefix,
    documents,
    events: openEvents(elastic, `${prefix}-*`),
    async [Symbol.asyncDispose]() {
      await elastic.indices.delete({ index: days });
      await elastic.indices.deleteIndexTemplate({ name: `${prefix}-audit` });
      if (hasLifecycle) await elastic.ilm.deleteLifecycle({ name: `${prefix}-audit` });
    },
  };
}
