/** What operators read of the audit log. Consistency: an event is found some seconds after it was stored. Away: throws. */
import { errors } from '@elastic/elasticsearch';
import type { AuditAction, AuditEvent } from '../../domain/audit.ts';
import type { Elastic } from './connect.ts';

/** Which events are wanted; all of them without any. */
export interface AuditFilter {
  action?: AuditAction | undefined;
  /** Who acted, or on whom. */
  userId?: string | undefined;
  registrationId?: string | undefined;
  /** Events from this place of the audit log on. */
  fromSequence?: number | undefined;
}

/** The newest events that fit, oldest first. */
export async function readNewest(
  elastic: Elastic,
  prefix: string,
  { size, ...filter }: AuditFilter & { size: number },
): Promise<AuditEvent[]> {
  const { hits } = await elastic.search<AuditEvent>({
    index: `${prefix}-*`,
    ignore_unavailable: true,
    size,
    query: { bool: { filter: conditionsOf(filter) } },
    sort: [{ 'vyry.audit.sequence': { order: 'desc', unmapped_type: 'long' } }],
  });
  return hits.hits.flatMap(({ _source: event }) => (event === undefined ? [] : [event])).reverse();
}

/** The newest events of a person, and those that name them by a pseudonym, oldest first. */
export async function readPersonEvents(
  elastic: Elastic,
  prefix: string,
  { userId, pseudonyms, size }: { userId: string; pseudonyms: readonly string[]; size: number },
): Promise<AuditEvent[]> {
  const { hits } = await elastic.search<AuditEvent>({
    index: `${prefix}-*`,
    ignore_unavailable: true,
    size,
    query: { bool: { should: [isUser(userId), { terms: { 'related.hash': [...pseudonyms] } }] } },
    sort: [{ 'vyry.audit.sequence': { order: 'desc', unmapped_type: 'long' } }],
  });
  return hits.hits.flatMap(({ _source: event }) => (event === undefined ? [] : [event])).reverse();
}

/** Tells whether the template of audit events is there, which the audit role puts. */
export async function hasAuditTemplate(elastic: Elastic, prefix: string): Promise<boolean> {
  try {
    return (await elastic.indices.getIndexTemplate({ name: `${prefix}-audit` })).index_templates.length > 0;
  } catch (err) {
    if (err instanceof errors.ResponseError && err.statusCode === 404) return false;
    throw err;
  }
}

/** Who acted, or on whom. */
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
