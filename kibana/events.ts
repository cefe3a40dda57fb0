/** Asks an Elasticsearch for the events of an index or a pattern. */
import type { Elastic } from '../adapters/elastic/connect.ts';
import type { Query } from './kql.ts';

/** What is read of the answer to a search. */
export interface SearchAnswer {
  hits: { total: { value: number }; hits: { _source: Record<string, unknown>; fields?: Record<string, unknown[]> }[] };
  aggregations?: Record<string, unknown>;
}

/** Searches the events. @throws {Error} Elasticsearch is away or refuses the search; says why */
export type Search = (body: Record<string, unknown>) => Promise<SearchAnswer>;

/** What an index says of a field, by type: more than one when its indices disagree. */
export type FieldCapabilities = Record<string, Record<string, { aggregatable: boolean }>>;

/** A stretch of time: from inclusive, to exclusive, as ISO 8601. */
export interface Range {
  from: string;
  to: string;
}

/** The events of an index. */
export interface Events {
  search: Search;
  /** @throws {Error} Elasticsearch is away or refuses */
  fields(): Promise<FieldCapabilities>;
}

/** Opens the events of an index or a pattern; nothing is asked yet. */
export function openEvents(elastic: Elastic, index: string): Events {
  return {
    search: async (body) => (await elastic.search({ index, ...body })) as unknown as SearchAnswer,
    fields: async () => (await elastic.fieldCaps({ index, fields: '*' })).fields as FieldCapabilities,
  };
}

/** Events of a time that match every query. */
export function during({ from, to }: Range, ...queries: Query[]): Query {
  const range = { range: { '@timestamp': { gte: from, lt: to, format: 'strict_date_optional_time' } } };
  return { bool: { filter: [range, ...queries] } };
}
