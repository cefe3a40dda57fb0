/**
 * Searches in the audit log. Consistency: an event is found some seconds after it was stored. When Elasticsearch is
 * unavailable, calls throw.
 */
import { errors, type estypes } from '@elastic/elasticsearch';
import type { AuditAction, AuditEvent } from '../../domain/audit.ts';
import type { Elastic } from './connect.ts';

/** A filter for events. Without conditions it matches all events. */
export interface AuditFilter {
  action?: AuditAction | undefined;
  /** The user who acted, or on whom someone acted. */
  userId?: string | undefined;
  registrationId?: string | undefined;
  /** Lowest sequence number. */
  fromSequence?: number | undefined;
}

/** Returns the newest matching events, oldest first. */
export function readNewest(
  elastic: Elastic,
  prefix: string,
  { size, ...filter }: AuditFilter & { size: number },
): Promise<AuditEvent[]> {
  return search(elastic, prefix, { size, bool: { filter: conditionsOf(filter) } });
}

/** Whose events are read. Any of the criteria selects an event. */
interface PersonFilter {
  userId?: string | undefined;
  pseudonyms: readonly string[];
  registrationIds?: readonly string[];
  /** No earlier event. */
  since?: Date;
  size: number;
}

/** Returns the newest events of a person, including those that contain a pseudonym of the person, oldest first. */
export function readPersonEvents(
  elastic: Elastic,
  prefix: string,
  { userId, pseudonyms, registrationIds = [], since, size }: PersonFilter,
): Promise<AuditEvent[]> {
  const should = [
    ...(userId === undefined ? [] : [isUser(userId)]),
    { terms: { 'related.hash': [...pseudonyms] } },
    { terms: { 'vyry.registration.id': [...registrationIds] } },
  ];
  const filter = since === undefined ? [] : [{ range: { '@timestamp': { gte: since.toISOString() } } }];
  return search(elastic, prefix, { size, bool: { should, minimum_should_match: 1, filter } });
}

/** Returns the newest events that a query finds, oldest first. */
async function search(
  elastic: Elastic,
  prefix: string,
  { size, bool }: { size: number; bool: estypes.QueryDslBoolQuery },
): Promise<AuditEvent[]> {
  const { hits } = await elastic.search<AuditEvent>({
    index: `${prefix}-*`,
    ignore_unavailable: true,
    size,
    query: { bool },
    sort: [{ 'vyry.audit.sequence': { order: 'desc', unmapped_type: 'long' } }],
  });
  return hits.hits.flatMap(({ _source: event }) => (event === undefined ? [] : [event])).reverse();
}

/** Returns whether the index template of audit events exists. The audit role creates it. */
export async function hasAuditTemplate(elastic: Elastic, prefix: string): Promise<boolean> {
  try {
    return (await elastic.indices.getIndexTemplate({ name: `${prefix}-audit` })).index_templates.length > 0;
  } catch (err) {
    if (err instanceof errors.ResponseError && err.statusCode === 404) return false;
    throw err;
  }
}

/** Matches the user who acted, or on whom someone acted. */
function isUser(id: string) {
  return { bool: { should: [{ term: { userId: id } }, { term: { 'user.target.id': id } }] } };
}

function conditionsOf({ action, userId, registrationId, fromSequence }: AuditFilter) {
  return [
    ...(action === undefined ? [] : [{ term: { action } }]),
    ...(userId === undefined ? [] : [isUser(userId)]),
    ...(registrationId === undefined ? [] : [{ term: { 'vyry.registration.id': registrationId } }]),
    ...(fromSequence === undefined ? [] : [{ range: { 'vyry.audit.sequence': { gte: fromSequence } } }]),
  ];
}
