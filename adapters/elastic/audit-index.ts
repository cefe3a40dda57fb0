/**
 * The store of audit events: one index per day, `<prefix>-YYYY.MM.DD`, by the time of the event.
 *
 * Consistency: the id of a document is the id of its event and only `create` is used, so storing is safe to repeat.
 * When Elasticsearch is unavailable, `store` throws and a part may be stored; store the same events again.
 */
import { errors, type estypes } from '@elastic/elasticsearch';
import { type AuditEvent, auditIndexOf } from '../../domain/audit.ts';
import { type EcsTables, withEcsFields } from '../../domain/audit-ecs.ts';
import { type Elastic, refusalReason } from './connect.ts';
import { auditPolicy, auditTemplate, type UnknownFields } from './template.ts';

/** The result for one event. */
export type Stored =
  | { outcome: 'stored' | 'duplicate' }
  /** Temporary: retry it. */
  | { outcome: 'busy'; reason: string }
  /** Permanent: the index refuses it. */
  | { outcome: 'refused'; reason: string };

/** The options of `createAuditIndex`. */
export interface AuditIndexOptions {
  prefix: string;
  retentionDays: number;
  unknownFields?: UnknownFields;
  /** The tables of places, networks and programs. Without them events get none of the fields that follow from these. */
  tables?: EcsTables;
}

/** The store of audit events. */
export type AuditIndex = ReturnType<typeof createAuditIndex>;

const noTables: EcsTables = { originOf: () => undefined, programOf: () => ({}) };

/** Creates the store of audit events. */
export function createAuditIndex(
  elastic: Elastic,
  { prefix, retentionDays, unknownFields, tables = noTables }: AuditIndexOptions,
) {
  const name = `${prefix}-audit`;
  return {
    /**
     * Creates or updates the lifecycle policy and the index template. Safe to repeat. Call it before the first event is
     * stored; otherwise the server guesses the types of fields.
     *
     * @returns whether the server deletes old indices
     */
    async prepare(): Promise<{ hasLifecycle: boolean }> {
      const hasLifecycle = await managesLifecycle(elastic);
      if (hasLifecycle) await elastic.ilm.putLifecycle({ name, policy: auditPolicy(retentionDays) } as never);
      const template = auditTemplate(prefix, hasLifecycle ? name : undefined, unknownFields);
      await elastic.indices.putIndexTemplate({ name, ...template } as never);
      return { hasLifecycle };
    },

    /**
     * Stores events with their fields of ECS, and returns their results in order.
     *
     * @throws {Error} no response, or the whole request was refused
     */
    async store(events: readonly AuditEvent[]): Promise<Stored[]> {
      const operations = events.flatMap((event) => [
        { create: { _index: auditIndexOf(prefix, event), _id: event.event.id } },
        withEcsFields(event, tables),
      ]);
      const { items } = await elastic.bulk({ operations });
      return items.map((item) => storedOf(item.create ?? {}));
    },

    /** Deletes the indices that are older than the retention, by their exact names. @returns their names */
    async removeOld(now: number): Promise<string[]> {
      const oldest = now - retentionDays * 86_400_000;
      const names = Object.keys(await elastic.indices.get({ index: `${prefix}-*`, features: 'settings' as never }));
      const old = names.filter((index) => isOlder(index, prefix, oldest));
      for (const index of old) await elastic.indices.delete({ index, ignore_unavailable: true });
      return old;
    },
  };
}

/** Returns whether the server refused a request as too large. Fewer events may succeed. */
export function isTooLarge(err: unknown): boolean {
  return err instanceof errors.ResponseError && err.statusCode === 413;
}

/** Returns whether the server has index lifecycle management. The smallest distribution has none: 400, 404 or 405. */
async function managesLifecycle(elastic: Elastic): Promise<boolean> {
  try {
    return (await elastic.ilm.getStatus()).operation_mode !== undefined;
  } catch (err) {
    if (err instanceof errors.ResponseError && [400, 404, 405].includes(err.statusCode ?? 0)) return false;
    throw err;
  }
}

/**
 * What Elasticsearch or an operator can mend is temporary: also an index that is missing, which is made again, and one that
 * is closed, although the answer is a 400. Other 4xx are permanent.
 */
function storedOf({
  status = 0,
  error,
}: {
  status?: number;
  error?: { type?: string; reason?: string | null };
}): Stored {
  if (status === 409) return { outcome: 'duplicate' };
  if (status < 300 && status > 0) return { outcome: 'stored' };
  const type = error?.type ?? 'unknown';
  const isAboutNow = status === 404 || refusalReason(status, type) !== undefined;
  return { outcome: isAboutNow ? 'busy' : 'refused', reason: `${status} ${type}` };
}

function isOlder(index: string, prefix: string, oldest: number): boolean {
  const [, year, month, day] = /^-(\d{4})\.(\d{2})\.(\d{2})$/.exec(index.slice(prefix.length)) ?? [];
  return day !== undefined && Date.UTC(Number(year), Number(month) - 1, Number(day) + 1) <= oldest;
}

const pageMax = 1000;

/** Returns the highest sequence number that is stored; 0 without events. @throws {Error} as the client */
export async function readLastSequence(elastic: Elastic, prefix: string): Promise<number> {
  const { hits } = await elastic.search<AuditEvent>({
    index: `${prefix}-*`,
    size: 1,
    sort: [{ 'vyry.audit.sequence': { order: 'desc', unmapped_type: 'long', missing: '_last' } }],
  });
  return hits.hits[0]?._source?.vyry.audit?.sequence ?? 0;
}

/** Returns every stored event in order of its sequence. It reads page by page. @throws {Error} as the client */
export async function* readAuditLog(elastic: Elastic, prefix: string): AsyncGenerator<AuditEvent> {
  for (let after: estypes.SortResults | undefined; ; ) {
    const { hits } = await elastic.search<AuditEvent>({
      index: `${prefix}-*`,
      size: pageMax,
      // by id as well: two events with the same number must not hide each other at the end of a page
      sort: [
        { 'vyry.audit.sequence': { order: 'asc', unmapped_type: 'long' } },
        { 'event.id': { order: 'asc', unmapped_type: 'keyword' } },
      ],
      ...(after !== undefined && { search_after: after }),
    });
    for (const { _source: event } of hits.hits) if (event !== undefined) yield event;
    after = hits.hits.at(-1)?.sort;
    if (after === undefined || hits.hits.length < pageMax) return;
  }
}
