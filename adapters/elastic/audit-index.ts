/**
 * Where audit events are kept: one index a day, `<prefix>-YYYY.MM.DD`, by the event's own time.
 *
 * Consistency: the id of a document is the id of its event and only `create` is used, so storing is safe to repeat.
 * Away: `store` throws, and nothing or a part is stored; store the same events again.
 */
import { errors } from '@elastic/elasticsearch';
import { type AuditEvent, auditIndexOf } from '../../domain/audit.ts';
import type { Elastic } from './connect.ts';
import { auditPolicy, auditTemplate, type UnknownFields } from './template.ts';

/** What became of each event, in their order. */
export type Stored =
  | { outcome: 'stored' | 'duplicate' }
  /** Not now: to be tried again. */
  | { outcome: 'busy'; reason: string }
  /** Never: the index does not take it. */
  | { outcome: 'refused'; reason: string };

export interface AuditIndexOptions {
  prefix: string;
  retentionDays: number;
  unknownFields?: UnknownFields;
}

export type AuditIndex = ReturnType<typeof createAuditIndex>;

/** Creates the store of audit events. */
export function createAuditIndex(elastic: Elastic, { prefix, retentionDays, unknownFields }: AuditIndexOptions) {
  const name = `${prefix}-audit`;
  return {
    /**
     * Puts lifecycle policy and template; safe to repeat. To be done before the first event, or the server guesses types.
     *
     * @returns whether the server deletes old indices itself
     */
    async prepare(): Promise<{ hasLifecycle: boolean }> {
      const hasLifecycle = await managesLifecycle(elastic);
      if (hasLifecycle) await elastic.ilm.putLifecycle({ name, policy: auditPolicy(retentionDays) } as never);
      const template = auditTemplate(prefix, hasLifecycle ? name : undefined, unknownFields);
      await elastic.indices.putIndexTemplate({ name, ...template } as never);
      return { hasLifecycle };
    },

    /** Stores events. @throws {Error} the server does not answer, or refuses the request as a whole */
    async store(events: readonly AuditEvent[]): Promise<Stored[]> {
      const operations = events.flatMap((event) => [
        { create: { _index: auditIndexOf(prefix, event), _id: event.event.id } },
        event,
      ]);
      const { items } = await elastic.bulk({ operations });
      return items.map((item) => storedOf(item.create ?? {}));
    },

    /** Deletes the indices whose day is older than the retention, by their exact names. @returns those names */
    async removeOld(now: number): Promise<string[]> {
      const oldest = now - retentionDays * 86_400_000;
      const names = Object.keys(await elastic.indices.get({ index: `${prefix}-*`, features: 'settings' as never }));
      const old = names.filter((index) => isOlder(index, prefix, oldest));
      for (const index of old) await elastic.indices.delete({ index, ignore_unavailable: true });
      return old;
    },
  };
}

/** Tells whether a request as a whole was too much for the server: fewer events may pass. */
export function isTooLarge(err: unknown): boolean {
  return err instanceof errors.ResponseError && err.statusCode === 413;
}

/** The smallest distribution has no lifecycle management, and says so in several ways. */
async function managesLifecycle(elastic: Elastic): Promise<boolean> {
  try {
    return (await elastic.ilm.getStatus()).operation_mode !== undefined;
  } catch (err) {
    if (err instanceof errors.ResponseError && [400, 404, 405].includes(err.statusCode ?? 0)) return false;
    throw err;
  }
}

/** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk: 429 and 5xx are about now, 4xx about the document. */
function storedOf({
  status = 0,
  error,
}: {
  status?: number;
  error?: { type?: string; reason?: string | null };
}): Stored {
  if (status === 409) return { outcome: 'duplicate' };
  if (status < 300 && status > 0) return { outcome: 'stored' };
  const reason = `${status} ${error?.type ?? 'unknown'}`;
  const isAboutNow = status === 429 || status >= 500 || status === 401 || status === 403 || status === 404;
  return { outcome: isAboutNow ? 'busy' : 'refused', reason };
}

function isOlder(index: string, prefix: string, oldest: number): boolean {
  const [, year, month, day] = /^-(\d{4})\.(\d{2})\.(\d{2})$/.exec(index.slice(prefix.length)) ?? [];
  return day !== undefined && Date.UTC(Number(year), Number(month) - 1, Number(day) + 1) <= oldest;
}

const pageMax = 1000;

/** Every stored event in the order of the audit log. Reads page by page, so that memory stays flat. @throws {Error} as the client */
export async function* readAuditLog(elastic: Elastic, prefix: string): AsyncGenerator<AuditEvent> {
  for (let after: number | undefined; ; ) {
    const { hits } = await elastic.search<AuditEvent>({
      index: `${prefix}-*`,
      size: pageMax,
      sort: [{ 'vyry.audit.sequence': { order: 'asc', unmapped_type: 'long' } }],
      ...(after !== undefined && { search_after: [after] }),
    });
    for (const { _source: event } of hits.hits) if (event !== undefined) yield event;
    after = hits.hits.at(-1)?.sort?.[0] as number | undefined;
    if (after === undefined || hits.hits.length < pageMax) return;
  }
}
