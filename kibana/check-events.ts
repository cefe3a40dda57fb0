/** Checks a file of saved objects on real events: the fields, the queries and the results of panels. */
import { during, type Events, type FieldCapabilities, type Range } from './events.ts';
import { type Leaf, leavesOf, parseKql, queryOf } from './kql.ts';
import { layerOf, type Result, runLens, runSearch } from './run-panel.ts';
import {
  type Column,
  controlsOf,
  type Lens,
  panelsOf,
  queryTextOf,
  readSavedObjects,
  type SavedObject,
} from './saved-object.ts';

const numbers = ['long', 'short', 'integer', 'float', 'double'];
const any = ['keyword', 'ip', 'boolean', 'date', ...numbers];

/** Field types that each operation supports. */
const takes: Readonly<Record<string, readonly string[]>> = {
  terms: any,
  unique_count: any,
  date_histogram: ['date'],
  percentile: numbers,
  average: numbers,
  sum: numbers,
  min: ['date', ...numbers],
  max: ['date', ...numbers],
};

/** The input of a check. */
interface Check {
  events: Events;
  range: Range;
  fields: FieldCapabilities;
  /** Number of events that match a condition of a query, by the condition; each is searched once. */
  matches: Map<string, Promise<number>>;
}

/**
 * Returns one line for each problem; none when every panel shows some of these events and every condition of every
 * query matches some of them.
 *
 * @throws {Error} Elasticsearch is unavailable
 */
export async function eventProblems(ndjson: string, events: Events, range: Range): Promise<string[]> {
  const check: Check = { events, range, fields: await events.fields(), matches: new Map() };
  const problems: string[] = [];
  for (const object of readSavedObjects(ndjson)) {
    const found = await objectProblems(object, check);
    problems.push(...found.map((problem) => `${object.id}: ${problem}`));
  }
  return problems;
}

async function objectProblems(object: SavedObject, check: Check): Promise<string[]> {
  if (object.type === 'index-pattern') {
    return fieldProblems(String(object.attributes.timeFieldName), ['date'], check.fields);
  }
  if (object.type === 'search') return await searchProblems(object, check);
  const controls = Object.values(controlsOf(object)).map(({ explicitInput }) => explicitInput.fieldName);
  const problems = controls.flatMap((field) => fieldProblems(field, any, check.fields));
  for (const { title, embeddableConfig } of panelsOf(object)) {
    if (embeddableConfig.attributes === undefined) continue;
    const found = await lensProblems(embeddableConfig.attributes, check);
    problems.push(...found.map((problem) => `${title}: ${problem}`));
  }
  return problems;
}

async function searchProblems(search: SavedObject, check: Check): Promise<string[]> {
  const columns = search.attributes.columns as string[];
  const unknown = columns
    .filter((field) => check.fields[field] === undefined)
    .map((field) => `there is no field ${field}`);
  const { hits } = await runSearch(search, check.events, check.range);
  return [
    ...unknown,
    ...(await queryProblems(queryTextOf(search), check)),
    ...(hits === 0 ? ['it finds nothing'] : []),
  ];
}

async function lensProblems(lens: Lens, check: Check): Promise<string[]> {
  const columns = Object.entries(layerOf(lens).columns);
  const problems = columns.flatMap(([id, column]) =>
    columnProblems(column, check).map((problem) => `${id}: ${problem}`),
  );
  const queries = [
    lens.state.query.query,
    ...columns.flatMap(([, { filter, params }]) => [
      ...(filter ? [filter.query] : []),
      ...(params?.filters ?? []).map(({ input }) => input.query),
    ]),
  ];
  for (const query of new Set(queries)) problems.push(...(await queryProblems(query, check)));
  if (problems.length > 0) return problems;
  return resultProblems(await runLens(lens, check.events, check.range), columns);
}

function columnProblems(column: Column, { fields }: Check): string[] {
  const { operationType, sourceField } = column;
  if (sourceField === undefined || sourceField === '___records___') return [];
  const allowed = takes[operationType];
  if (allowed === undefined) return [`${operationType} is an unknown operation`];
  const problems = fieldProblems(sourceField, allowed, fields);
  const [type = ''] = Object.keys(fields[sourceField] ?? {});
  const isOfField = column.isBucketed || operationType === 'min' || operationType === 'max';
  if (problems.length > 0 || !isOfField || column.dataType === dataTypeOf(type)) return problems;
  return [`${sourceField} is ${dataTypeOf(type)}, not ${column.dataType}`];
}

function fieldProblems(field: string, allowed: readonly string[], fields: FieldCapabilities): string[] {
  const types = Object.entries(fields[field] ?? {});
  const [[type, capabilities] = [], ...others] = types;
  if (type === undefined || capabilities === undefined) return [`there is no field ${field}`];
  if (others.length > 0) return [`${field} has more than one type`];
  if (!allowed.includes(type)) return [`${field} is ${type}, which is not supported here`];
  return capabilities.aggregatable ? [] : [`${field} cannot be aggregated`];
}

/**
 * Checks that every condition names an existing field and matches some event, because a misspelled value matches none.
 */
async function queryProblems(text: string, check: Check): Promise<string[]> {
  const problems: string[] = [];
  for (const leaf of leavesOf(parseKql(text))) {
    if (check.fields[leaf.field] === undefined) problems.push(`there is no field ${leaf.field} in: ${text}`);
    else if ((await matchesOf(leaf, check)) === 0) problems.push(`nothing matches ${JSON.stringify(leaf)} in: ${text}`);
  }
  return problems;
}

function matchesOf(leaf: Leaf, { events, range, matches }: Check): Promise<number> {
  const key = JSON.stringify(leaf);
  const ask = async () => {
    const body = { size: 0, track_total_hits: true, query: during(range, queryOf(leaf)) };
    return (await events.search(body)).hits.total.value;
  };
  const asked = matches.get(key) ?? ask();
  matches.set(key, asked);
  return asked;
}

function resultProblems({ hits, rows }: Result, columns: [string, Column][]): string[] {
  if (hits === 0) return ['no event matches it'];
  if (rows.length === 0) return ['it shows no row'];
  const shown = columns.filter(([, { isBucketed }]) => !isBucketed).map(([id]) => id);
  return shown.filter((id) => rows.every((row) => !row[id])).map((id) => `${id} is empty in every row`);
}

function dataTypeOf(type: string): string {
  if (numbers.includes(type)) return 'number';
  return type === 'ip' || type === 'date' ? type : 'string';
}
