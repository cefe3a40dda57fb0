/**
 * Rewrites the audit events of one user so that they no longer identify the user.
 *
 * Consistency: an event is written only if it is unchanged since it was read (optimistic concurrency control). The
 * index is refreshed before each search. When Elasticsearch is unavailable, calls throw and a part may be rewritten;
 * repeat the call.
 */
import type { AuditEvent } from '../../domain/audit.ts';
import { noteOutage } from '../../platform/outages.ts';
import { type Elastic, refusalReason } from './connect.ts';

/** The criteria that select the events of a user. */
export interface PersonTraces {
  userId: string;
  /** Pseudonyms of their user id, names, numbers and addresses. */
  pseudonyms: readonly string[];
  registrationIds?: readonly string[] | undefined;
}

const pageSize = 500;

/** Rewrites every event of a user and returns their number. Safe to repeat: rewritten events are not found again. */
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
        // rewritten events keep the registration id, which identifies nobody without the account
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
    if (failed !== undefined) throw refused(failed.index ?? {});
    rewritten += items.filter(({ index: item }) => (item?.status ?? 0) < 300).length;
  }
}

/** The error of an event that cannot be rewritten: an outage, or a bug. */
function refused({ status = 0, error }: { status?: number; error?: { type?: string } }): Error {
  const err = new Error(`Elasticsearch refuses a rewritten event: ${status}`);
  const reason = refusalReason(status, error?.type ?? '');
  return reason === undefined ? err : noteOutage(err, { dependency: 'elasticsearch', reason });
}

function ofRegistrations(registrationIds: readonly string[]) {
  return {
    bool: {
      filter: [{ terms: { 'vyry.registration.id': [...registrationIds] } }],
      must_not: [{ exists: { field: 'vyry.audit.erasure' } }],
    },
  };
}
