/**
 * Replays an alert over stored events: checks once a minute, as Kibana does, and returns when it would have fired.
 */
import type { Alert } from './alerts.ts';
import { during, type Range, type Search } from './events.ts';
import { parseKql, type Query, queryOf } from './kql.ts';

/** One firing: from the first check that reached the threshold to the last one in a row. */
export interface Firing {
  alert: string;
  /** Value of the field by which the alert groups; `all` without grouping. */
  group: string;
  from: string;
  to: string;
  /** Largest number of events in a window. */
  count: number;
}

const minuteMs = 60_000;
const groupsMax = 100;

interface Active {
  from: number;
  to: number;
  checks: number;
  count: number;
}

/**
 * Returns the firings of an alert between two instants (ISO 8601). The first window starts at `from`, so the first
 * check is one window later.
 *
 * @throws {Error} Elasticsearch is unavailable or refuses the rule's query
 */
export async function firings(alert: Alert, search: Search, from: string, to: string): Promise<Firing[]> {
  const active = new Map<string, Active>();
  const fired: Firing[] = [];
  const end = (group: string, { checks, count, ...when }: Active) => {
    active.delete(group);
    if (checks < (alert.checks ?? 1)) return;
    const instants = { from: new Date(when.from).toISOString(), to: new Date(when.to).toISOString() };
    fired.push({ alert: alert.name, group, ...instants, count });
  };
  for (const at of await checksWorthwhile(alert, search, { from, to })) {
    const reached = await groupsReached(alert, search, at);
    for (const [group, run] of active) if (!reached.has(group) || at - run.to > minuteMs) end(group, run);
    for (const [group, count] of reached) {
      const run = active.get(group) ?? { from: at, to: at, checks: 0, count: 0 };
      active.set(group, { ...run, to: at, checks: run.checks + 1, count: Math.max(run.count, count) });
    }
  }
  for (const [group, run] of active) end(group, run);
  return fired;
}

/**
 * Returns the checks whose window has enough events of all groups together; only there can a group reach the threshold.
 */
async function checksWorthwhile(alert: Alert, search: Search, range: Range): Promise<number[]> {
  const first = Math.ceil(Date.parse(range.from) / minuteMs) + alert.windowMinutes;
  const last = Math.floor(Date.parse(range.to) / minuteMs);
  const { aggregations = {} } = await search({
    size: 0,
    query: during(range, matching(alert)),
    aggs: { minutes: { date_histogram: { field: '@timestamp', fixed_interval: '1m', min_doc_count: 1 } } },
  });
  const { buckets } = aggregations.minutes as { buckets: { key: number; doc_count: number }[] };
  const counts = new Map(buckets.map(({ key, doc_count }) => [key / minuteMs, doc_count]));
  const inWindow = (minute: number) => {
    let sum = 0;
    for (let at = minute - alert.windowMinutes; at < minute; at++) sum += counts.get(at) ?? 0;
    return sum;
  };
  const minutes = Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => first + index);
  return minutes.filter((minute) => isReached(alert, inWindow(minute))).map((minute) => minute * minuteMs);
}

/**
 * Runs one check: returns the groups that reached the threshold in the window before an instant, with their event
 * counts.
 */
async function groupsReached(alert: Alert, search: Search, at: number): Promise<Map<string, number>> {
  const { by, distinct, windowMinutes } = alert;
  const range = { from: new Date(at - windowMinutes * minuteMs).toISOString(), to: new Date(at).toISOString() };
  const different = distinct && { aggs: { different: { cardinality: { field: distinct.field } } } };
  const { hits, aggregations = {} } = await search({
    size: 0,
    track_total_hits: true,
    query: during(range, matching(alert)),
    ...(by !== undefined && { aggs: { groups: { terms: { field: by, size: groupsMax }, ...different } } }),
  });
  if (by === undefined) {
    const total = hits.total.value;
    return new Map(isReached(alert, total) ? [['all', total]] : []);
  }
  const { buckets } = aggregations.groups as {
    buckets: { key: string; doc_count: number; different?: { value: number } }[];
  };
  const reached = buckets.filter(
    ({ doc_count, different }) => isReached(alert, doc_count) && (different?.value ?? 0) >= (distinct?.threshold ?? 0),
  );
  return new Map(reached.map(({ key, doc_count }) => [key, doc_count]));
}

function isReached({ threshold }: Alert, count: number): boolean {
  return threshold === 0 ? count === 0 : count >= threshold;
}

function matching({ where }: Alert): Query {
  return queryOf(parseKql(where));
}
