/** Parsing of outside input. */
import type { z } from 'zod';
import { Failure } from '../domain/failures.ts';

/** Maximum number of details; more would only repeat the input. */
const detailsMax = 20;

/**
 * Parses a value by its schema.
 *
 * @throws {Failure} malformed, with a line for each field, up to 20
 */
export function parse<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new Failure('malformed', { details: parsed.error.issues.flatMap(detailsOf).slice(0, detailsMax) });
}

/** A `malformed` failure about one field. */
export function malformed(path: string, message: string): Failure {
  return new Failure('malformed', { details: [{ path, message }] });
}

/** Messages name fields, never their values. */
function detailsOf(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [path, key.slice(0, 100)].filter(Boolean).join('.'),
      message: 'is unknown',
    }));
  }
  return [{ path, message: issue.message }];
}
