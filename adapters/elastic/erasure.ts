/**
 * The audit events of one person, rewritten so that they say nobody's name.
 *
 * Consistency: an event is written only as it was read, so that of parallel writers none is undone; searches see a refreshed
 * index. Away: throws, and a part is rewritten; do it again.
 */
import type { AuditEvent } from '../../domain/audit.ts';
import type { Elastic } from './connect.ts';

/** By what events of a person are found. */
export interface PersonTraces {
  userId: string;
  /** Of their names, numbers and addresses. */
  pseudonyms: readonly string[];
  registrationIds?: readonly string[] | undefined;
}

const pageSize = 500;

/** Rewrites every event of a person; answers how many. Safe to repeat: what was rewritten is not found again. */
export async function rewriteEvents(
  elastic: Elastic,
  prefix: string,
  { userId, pseudonyms, registrationIds = [] }: PersonTraces,
  rewrite: (event: AuditEvent) => AuditEvent,
): Promise<number> {
  const index = `${prefix}-*`;
  const query = {
    bool: {
      should: [
        { term: { userId } },
        { term: { 'user.target.id': userId } },
        { term: { 'related.user': userId } },
        { terms: { 'related.hash': [...pseudonyms] } },
        // those that were rewritten keep the id of the registration, which says nothing without the account
        ofRegistrations(registrationIds),
      ],
    },
  };
  for (let rewritten = 0; ; ) {
    await elastic.indices.refresh({ index, ignore_unavailable: true });
    const { hits } = await elastic.search<AuditEvent>({
      index,
      ignore_unavailable: true,
      size: pageSize,
      seq_no_primary_term: true,
      query,
    });
    const found = hits.hits.flatMap(({ _source: event, ...hit }) => (event === undefined ? [] : [{ event, hit }]));
    if (found.length === 0) return rewritten;
    const { items } = await elastic.bulk({
      operations: found.flatMap(({ event, hit }) => [
        {
          index: {
            _index: hit._index,
            _id: hit._id ?? '',
            if_seq_no: hit._seq_no ?? 0,
            if_primary_term: hit._primary_term ?? 0,
          },
        },
        rewrite(event),
      ]),
    });
    const failed = items.find(({ index: item }) => (item?.status ?? 0) >= 300 && item?.status !== 409);
    if (failed !== undefined) throw new Error(`Elasticsearch refuses a rewritten event: ${failed.index?.status}`);
    rewritten += items.filter(({ index: item }) => (item?.status ?? 0) < 300).length;
  }
}

function ofRegistrations(registrationIds: readonly string[]) {
  return {
    bool: {
      filter: [{ terms: { 'vyry.registration.id': [...registrationIds] } }],
      must_not: [{ exists: { field: 'vyry.audit.erasure' } }],
    },
  };
}
