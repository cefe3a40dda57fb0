/**
 * Runs a panel on Elasticsearch as Kibana does: its Lens layer becomes nested aggregations in the order of its columns,
 * and formulas are computed on the rows.
 */
import { during, type Events, type Range } from './events.ts';
import { parseKql, type Query, queryOf } from './kql.ts';
import {
  type Column,
  dataView,
  type Formula,
  type Layer,
  type Lens,
  queryTextOf,
  type SavedObject,
} from './saved-object.ts';

/** A value of a row: a name, a number, an instant in milliseconds, or null. */
export type Cell = string | number | null;

/** One row of a panel, by column. */
export type Row = Record<string, Cell>;

/** The result of a panel. */
export interface Result {
  /** Number of matching events. */
  hits: number;
  rows: Row[];
}

type Aggregations = Record<string, Record<string, unknown>>;
type Bucket = Record<string, unknown> & { doc_count: number; key?: string | number };

/**
 * Kibana's time intervals, a fiftieth of the range, rounded: below the first number, in seconds, the second is used.
 */
const intervals = [
  [3 * 60, '1m'],
  [9 * 60, '5m'],
  [20 * 60, '10m'],
  [45 * 60, '30m'],
  [2 * 3600, '1h'],
  [6 * 3600, '3h'],
  [24 * 3600, '12h'],
  [7 * 86_400, '1d'],
  [Number.POSITIVE_INFINITY, '7d'],
] as const;

/** Runs a Lens panel; `filter` has the queries of its dashboard. @throws {Error} Elasticsearch refuses the search */
export async function runLens(lens: Lens, events: Events, range: Range, filter: Query[] = []): Promise<Result> {
  const layer = layerOf(lens);
  const ids = Object.keys(layer.columns);
  const buckets = layer.columnOrder.filter((id) => layer.columns[id]?.isBucketed);
  const metrics = ids.filter((id) => isMeasured(layer.columns[id]));
  const { hits, aggregations = {} } = await events.search({
    size: 0,
    track_total_hits: true,
    query: during(range, queryOf(parseKql(lens.state.query.query)), ...filter),
    aggs: aggregationsOf(layer, buckets, metrics, range),
  });
  const rows = rowsOf(layer, buckets, metrics, aggregations as Bucket).map((row) => withFormulas(layer, row));
  return { hits: hits.total.value, rows };
}

/** Runs a saved search: returns the newest events, by its columns. @throws {Error} Elasticsearch refuses the search */
export async function runSearch(search: SavedObject, events: Events, range: Range, size = 10): Promise<Result> {
  const columns = [dataView.timeField, ...(search.attributes.columns as string[])];
  const { hits } = await events.search({
    size,
    track_total_hits: true,
    query: during(range, queryOf(parseKql(queryTextOf(search)))),
    sort: [{ [dataView.timeField]: 'desc' }],
    // the fields API also returns `message`, which is text
    fields: columns.map((field) => (field === dataView.timeField ? { field, format: 'epoch_millis' } : { field })),
    _source: false,
  });
  const cell = (value: unknown) => (value === undefined ? null : String(value));
  const rows = hits.hits.map(({ fields = {} }) =>
    Object.fromEntries(columns.map((column) => [column, cell(fields[column]?.[0])])),
  );
  return { hits: hits.total.value, rows };
}

/** Returns the layer of a Lens panel; ours have exactly one. @throws {Error} the panel has no layer */
export function layerOf(lens: Lens): Layer {
  const [layer] = Object.values(lens.state.datasourceStates.formBased.layers);
  if (layer === undefined) throw new Error(`${lens.title} has no layer`);
  return layer;
}

/** Returns whether Elasticsearch computes a column, rather than a formula over other columns. */
function isMeasured(column: Column | undefined): boolean {
  return column !== undefined && !column.isBucketed && !['formula', 'math'].includes(column.operationType);
}

function aggregationsOf(layer: Layer, buckets: string[], metrics: string[], range: Range): Aggregations {
  const [id, ...inner] = buckets;
  const asked = (ids: string[]) => Object.fromEntries(ids.map((metric) => [metric, metricOf(layer.columns[metric])]));
  if (id === undefined) return asked(metrics);
  const column = layer.columns[id];
  const order = column?.params?.orderBy;
  const ordering = order?.type === 'column' && metrics.includes(order.columnId) ? [order.columnId] : [];
  const aggs = { ...asked(ordering), ...aggregationsOf(layer, inner, metrics, range) };
  return { [id]: { ...bucketOf(layer, column, range), aggs } };
}

function bucketOf(layer: Layer, column: Column | undefined, range: Range): Query {
  const { params = {}, sourceField: field } = column ?? {};
  if (column?.operationType === 'date_histogram') {
    const bounds = { min: Date.parse(range.from), max: Date.parse(range.to) - 1 };
    const empty = params.includeEmptyRows ? { min_doc_count: 0, extended_bounds: bounds } : { min_doc_count: 1 };
    return { date_histogram: { field, fixed_interval: intervalOf(params.interval, range), ...empty } };
  }
  if (column?.operationType === 'filters') {
    const named = (params.filters ?? []).map(({ label, input }) => [label, queryOf(parseKql(input.query))]);
    return { filters: { filters: Object.fromEntries(named) } };
  }
  return { terms: { field, size: params.size, order: orderOf(layer, params) } };
}

function orderOf(layer: Layer, { orderBy, orderDirection = 'desc' }: NonNullable<Column['params']>): Query {
  if (orderBy?.type !== 'column') return { _key: orderDirection };
  const { columnId } = orderBy;
  // a filter aggregation orders by its number of events
  return { [layer.columns[columnId]?.operationType === 'count' ? columnId : `${columnId}>value`]: orderDirection };
}

const metricAggregations: Record<string, string> = {
  unique_count: 'cardinality',
  sum: 'sum',
  min: 'min',
  max: 'max',
  average: 'avg',
};

function metricOf(column: Column | undefined): Record<string, unknown> {
  const filter = queryOf(parseKql(column?.filter?.query ?? ''));
  if (column?.operationType === 'count') return { filter };
  const field = column?.sourceField;
  const percents = [column?.params?.percentile];
  const value =
    column?.operationType === 'percentile'
      ? { percentiles: { field, percents, keyed: false } }
      : { [metricAggregations[column?.operationType ?? ''] ?? 'unknown']: { field } };
  return { filter, aggs: { value } };
}

function intervalOf(interval: string | undefined, { from, to }: Range): string {
  if (interval !== 'auto' && interval !== undefined) return interval;
  const seconds = (Date.parse(to) - Date.parse(from)) / 50_000;
  return intervals.find(([below]) => seconds < below)?.[1] ?? '7d';
}

function rowsOf(layer: Layer, buckets: string[], metrics: string[], answer: Bucket): Row[] {
  const [id, ...inner] = buckets;
  if (id === undefined) return [Object.fromEntries(metrics.map((metric) => [metric, cellOf(layer, metric, answer)]))];
  const { buckets: found } = answer[id] as { buckets: Bucket[] | Record<string, Bucket> };
  const keyed: [Cell, Bucket][] = Array.isArray(found)
    ? found.map((bucket) => [bucket.key ?? null, bucket])
    : Object.entries(found);
  return keyed.flatMap(([key, bucket]) => rowsOf(layer, inner, metrics, bucket).map((row) => ({ [id]: key, ...row })));
}

function cellOf(layer: Layer, metric: string, answer: Bucket): Cell {
  const measured = answer[metric] as { doc_count: number; value?: { value?: number; values?: { value: number }[] } };
  if (layer.columns[metric]?.operationType === 'count') return measured.doc_count;
  return measured.value?.values?.[0]?.value ?? measured.value?.value ?? null;
}

function withFormulas(layer: Layer, row: Row): Row {
  const computed: Row = { ...row };
  const formulas = Object.entries(layer.columns).filter(([, column]) => column.operationType === 'math');
  for (const [id, column] of formulas) computed[id] = compute(column.params?.tinymathAst, computed);
  for (const [id, column] of Object.entries(layer.columns)) {
    if (column.operationType === 'formula') computed[id] = computed[column.references?.[0] ?? ''] ?? null;
  }
  return computed;
}

const functions: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
};

function compute(formula: Formula | undefined, row: Row): number | null {
  if (typeof formula === 'number') return formula;
  if (formula === undefined) return null;
  if (typeof formula === 'string') return typeof row[formula] === 'number' ? row[formula] : null;
  const [a, b] = formula.args.map((argument) => compute(argument, row));
  const result = typeof a === 'number' && typeof b === 'number' ? functions[formula.name]?.(a, b) : undefined;
  return result !== undefined && Number.isFinite(result) ? result : null;
}
