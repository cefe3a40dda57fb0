/** Searches an Elasticsearch for the events of an index or a pattern. */
import type { Elastic } from '../adapters/elastic/connect.ts';
import type { Query } from './kql.ts';

/** The part of a search response that is used here. */
interface SearchAnswer {
  hits: { total: { value: number }; hits: { _source: Record<string, unknown>; fields?: Record<string, unknown[]> }[] };
  aggregations?: Record<string, unknown>;
}

/** Searches the events. @throws {Error} Elasticsearch is unavailable or refuses the search; the message says why */
export type Search = (body: Record<string, unknown>) => Promise<SearchAnswer>;

/** The capabilities of each field, by type; more than one type when the indices disagree. */
export type FieldCapabilities = Record<string, Record<string, { aggregatable: boolean }>>;

/** A time range: from inclusive, to exclusive, in ISO 8601. */
export interface Range {
  from: string;
  to: string;
}

/** The events of an index. */
export interface Events {
  search: Search;
  /** Returns the capabilities of all fields. @throws {Error} Elasticsearch is unavailable or refuses */
  fields(): Promise<FieldCapabilities>;
}

/** Opens the events of an index or a pattern; sends no request yet. */
export function openEvents(elastic: Elastic, index: string): Events {
  return {
    search: async (body) => (await elastic.search({ index, ...body })) as unknown as SearchAnswer,
    fields: async () => (await elastic.fieldCaps({ index, fields: '*' })).fields as FieldCapabilities,
  };
}

/** Returns a query for the events of a time range that match every query. */
export function during({ from, to }: Range, ...queries: Query[]): Query {
  const range = { range: { '@timestamp': { gte: from, lt: to, format: 'strict_date_optional_time' } } };
  return { bool: { filter: [range, ...queries] } };
}
