/** Asks an Elasticsearch for the events of an index or a pattern. Timeout: 30 s. */
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

/** Opens the events of an index or a pattern; nothing is asked yet. The URL may hold a user and a password. */
export function openEvents(url: string, index: string): Events {
  const { origin, pathname, username, password } = new URL(url);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = {
    'content-type': 'application/json',
    ...(username !== '' && { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
  };
  const ask = async (path: string, init: RequestInit): Promise<unknown> => {
    const address = `${origin}${pathname.replace(/\/$/, '')}/${index}/${path}`;
    const answer = await fetch(address, { ...init, headers, signal: AbortSignal.timeout(30_000) });
    if (!answer.ok) throw new Error(`Elasticsearch answers ${answer.status}: ${(await answer.text()).slice(0, 500)}`);
    return await answer.json();
  };
  return {
    search: async (body) => (await ask('_search', { method: 'POST', body: JSON.stringify(body) })) as SearchAnswer,
    fields: async () => {
      const { fields } = (await ask('_field_caps?fields=*', { method: 'GET' })) as { fields: FieldCapabilities };
      return fields;
    },
  };
}

/** Events of a time that match every query. */
export function during({ from, to }: Range, ...queries: Query[]): Query {
  const range = { range: { '@timestamp': { gte: from, lt: to, format: 'strict_date_optional_time' } } };
  return { bool: { filter: [range, ...queries] } };
}
