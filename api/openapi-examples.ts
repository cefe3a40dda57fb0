/** Examples for the OpenAPI document, made of a schema and the examples of fields in `contract/examples.ts`. */
import { examples } from '../contract/examples.ts';

/** The part of a JSON schema that examples are made of. */
export interface Schema {
  $ref?: string;
  const?: unknown;
  enum?: unknown[];
  /** Several for a value that may be null. */
  type?: string | string[];
  format?: string;
  minimum?: number;
  items?: Schema;
  required?: string[];
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

/** Returns the schema that a `$ref` names. */
export type Resolve = (reference: string) => Schema;

const instant = '2026-11-30T12:00:00.000Z';

/** Returns an example of a schema. `name` is that of its field or parameter. */
export function exampleOf(schema: Schema, resolve: Resolve, name = ''): unknown {
  const { $ref, anyOf, oneOf, properties, items } = schema;
  if ($ref !== undefined) return exampleOf(resolve($ref), resolve, name);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum.includes(examples[name]) ? examples[name] : schema.enum[0];
  if (hasExample(schema, name)) return examples[name];
  if (properties !== undefined) return objectOf(schema, resolve);
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return exampleOf(choices[0] ?? {}, resolve, name);
  if (items !== undefined) return [exampleOf(items, resolve, name)];
  return plainOf(schema);
}

/** Returns whether the example of a name is of the type of a schema: a name may have another type elsewhere. */
function hasExample({ type }: Schema, name: string): boolean {
  const example = examples[name];
  if (example === undefined) return false;
  if (type === undefined || example === null) return true;
  const kinds = [type].flat().map((kind) => (kind === 'integer' ? 'number' : kind));
  return kinds.includes(Array.isArray(example) ? 'array' : typeof example);
}

/** Leaves out what is optional and has no example of its own: most answers do not have it. */
function objectOf({ properties = {}, required = [] }: Schema, resolve: Resolve): unknown {
  const shown = Object.entries(properties).filter(
    ([name, schema]) => required.includes(name) || name in examples || schema.properties !== undefined,
  );
  return Object.fromEntries(shown.map(([name, schema]) => [name, exampleOf(schema, resolve, name)]));
}

function plainOf({ type, format, minimum = 0 }: Schema): unknown {
  if (format === 'date-time') return instant;
  if (type === 'boolean') return false;
  if (type === 'integer' || type === 'number') return Math.max(minimum, 0);
  return type === 'object' ? {} : 'example';
}
