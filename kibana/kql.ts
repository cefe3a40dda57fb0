/**
 * The part of the Kibana Query Language that the dashboards and rules use, and its translation into an
 * Elasticsearch query: `field: value`, `field: (a or b)`, `field: *`, `field >= 1`, `and`, `or`, `not`, parentheses.
 * https://www.elastic.co/docs/explore-analyze/query-filter/languages/kql
 */

/** A condition on one field. */
export type Leaf =
  | { of: 'value'; field: string; value: string }
  | { of: 'exists'; field: string }
  | { of: 'range'; field: string; bound: 'gt' | 'gte' | 'lt' | 'lte'; value: string };

/** A query as a tree; `undefined` is the empty query, which matches everything. */
export type Kql = Leaf | { of: 'and' | 'or'; parts: Kql[] } | { of: 'not'; part: Kql };

/** A part of an Elasticsearch query. */
export type Query = Record<string, unknown>;

const bounds = { '>': 'gt', '>=': 'gte', '<': 'lt', '<=': 'lte' } as const;

/**
 * Parses a query.
 *
 * @throws {SyntaxError} the query is invalid or uses another part of the language
 */
export function parseKql(text: string): Kql | undefined {
  const tokens = text.match(/>=|<=|[():<>]|"(?:[^"\\]|\\.)*"|[^\s():<>"]+|"/g) ?? [];
  if (tokens.length === 0) return undefined;
  const reader = new Reader(text, tokens);
  const kql = readOr(reader, readCondition);
  if (reader.next !== undefined) throw reader.complaint();
  return kql;
}

/** Returns the query as an Elasticsearch query. */
export function queryOf(kql: Kql | undefined): Query {
  if (kql === undefined) return { match_all: {} };
  switch (kql.of) {
    case 'and':
      return { bool: { filter: kql.parts.map(queryOf) } };
    case 'or':
      return { bool: { should: kql.parts.map(queryOf), minimum_should_match: 1 } };
    case 'not':
      return { bool: { must_not: [queryOf(kql.part)] } };
    case 'value':
      return { match: { [kql.field]: kql.value } };
    case 'exists':
      return { exists: { field: kql.field } };
    case 'range':
      return { range: { [kql.field]: { [kql.bound]: kql.value } } };
  }
}

/** Returns every condition of a query, in the order of the text. */
export function leavesOf(kql: Kql | undefined): Leaf[] {
  if (kql === undefined) return [];
  switch (kql.of) {
    case 'and':
    case 'or':
      return kql.parts.flatMap(leavesOf);
    case 'not':
      return leavesOf(kql.part);
    default:
      return [kql];
  }
}

/** Joins two queries with `and`; an empty one is left out. */
export function both(a: string, b: string): string {
  if (a === '' || b === '') return a + b;
  return `(${a}) and (${b})`;
}

class Reader {
  readonly #text: string;
  readonly #tokens: string[];

  constructor(text: string, tokens: string[]) {
    this.#text = text;
    this.#tokens = [...tokens];
  }

  get next(): string | undefined {
    return this.#tokens[0];
  }

  take(): string {
    const token = this.#tokens.shift();
    if (token === undefined) throw this.complaint();
    return token;
  }

  takeIf(token: string): boolean {
    if (this.next?.toLowerCase() !== token) return false;
    this.#tokens.shift();
    return true;
  }

  complaint(): SyntaxError {
    return new SyntaxError(`Cannot parse the query at "${this.next ?? 'its end'}": ${this.#text}`);
  }
}

type ReadPart = (reader: Reader) => Kql;

function readOr(reader: Reader, readPart: ReadPart): Kql {
  const parts = [readAnd(reader, readPart)];
  while (reader.takeIf('or')) parts.push(readAnd(reader, readPart));
  return parts.length === 1 && parts[0] ? parts[0] : { of: 'or', parts };
}

function readAnd(reader: Reader, readPart: ReadPart): Kql {
  const parts = [readNot(reader, readPart)];
  while (reader.takeIf('and')) parts.push(readNot(reader, readPart));
  return parts.length === 1 && parts[0] ? parts[0] : { of: 'and', parts };
}

function readNot(reader: Reader, readPart: ReadPart): Kql {
  if (reader.takeIf('not')) return { of: 'not', part: readNot(reader, readPart) };
  if (!reader.takeIf('(')) return readPart(reader);
  const inner = readOr(reader, readPart);
  if (!reader.takeIf(')')) throw reader.complaint();
  return inner;
}

function readCondition(reader: Reader): Kql {
  const field = readWord(reader);
  const operator = reader.take();
  if (operator in bounds) {
    return { of: 'range', field, bound: bounds[operator as keyof typeof bounds], value: readWord(reader) };
  }
  if (operator !== ':') throw reader.complaint();
  return readNot(reader, (values) => {
    const value = readWord(values);
    return value === '*' ? { of: 'exists', field } : { of: 'value', field, value };
  });
}

function readWord(reader: Reader): string {
  const word = reader.take();
  if (/^[():<>]|^"$/.test(word)) throw reader.complaint();
  return word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1') : word;
}
