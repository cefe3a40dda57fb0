/** Puts the sample into indices of its own on an Elasticsearch that others may use too. */
import { randomBytes } from 'node:crypto';
import { auditTemplate } from '../adapters/elastic/template.ts';
import { type AuditEvent, auditIndexOf } from '../domain/audit.ts';
import { type Events, openEvents } from './events.ts';
import { sampleEvents } from './sample.ts';

/** The stored sample; disposing of it deletes its indices and its template. */
export interface SampleIndex extends AsyncDisposable {
  /** Pattern of its indices. */
  index: string;
  documents: AuditEvent[];
  events: Events;
}

/** Stores the sample by the template of the product, with unknown fields refused. @throws {Error} it could not be stored */
export async function storeSample(url: string): Promise<SampleIndex> {
  const prefix = `auth-logs-sample-${randomBytes(6).toString('hex')}`;
  const documents = sampleEvents();
  const ask = async (method: string, path: string, body?: string) => {
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body && { body }) });
    if (!answer.ok) throw new Error(`Elasticsearch answers ${answer.status}: ${(await answer.text()).slice(0, 500)}`);
    return await answer.json();
  };
  const template = `/_index_template/${prefix}`;
  // the template of the product matches these names too, with a lower priority
  await ask('PUT', template, JSON.stringify({ ...auditTemplate(prefix, undefined, 'refused'), priority: 600 }));
  const lines = documents.flatMap((event) => [
    JSON.stringify({ create: { _index: auditIndexOf(prefix, event), _id: event.event.id } }),
    JSON.stringify(event),
  ]);
  const stored = (await ask('POST', '/_bulk?refresh=true', `${lines.join('\n')}\n`)) as {
    items: { create: { error?: { reason: string } } }[];
  };
  const refused = stored.items.find(({ create }) => create.error)?.create.error;
  if (refused) throw new Error(`An event of the sample was refused: ${refused.reason}`);
  const days = [...new Set(documents.map((event) => auditIndexOf(prefix, event)))];
  return {
    index: `${prefix}-*`,
    documents,
    events: openEvents(url, `${prefix}-*`),
    async [Symbol.asyncDispose]() {
      for (const day of days) await ask('DELETE', `/${day}`);
      await ask('DELETE', template);
    },
  };
}
