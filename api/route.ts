/** One row of the REST table. */
import type { Request } from 'express';
import type { z } from 'zod';
import type { FailureCode } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';

/** What every operation may be answered. */
export const always: FailureCode[] = ['malformed', 'rate-limited', 'unavailable'];

/** A row of the table, as the OpenAPI document reads it. */
export interface Route {
  method: 'get' | 'post' | 'put' | 'delete';
  /** Express form. */
  path: string;
  summary: string;
  guard: 'none' | 'registration' | 'session' | 'admin' | 'deletion';
  /**
   * The person must have proven who they are a short while ago (RFC 9470): always, or for a body with one of these fields.
   */
  stepUp?: 'always' | readonly string[];
  body?: z.ZodType;
  query?: z.ZodObject;
  status: number;
  answer?: z.ZodType;
  /** What some requests are answered in place of that. */
  other?: { status: number; answer: z.ZodType; isIt: (answer: unknown) => boolean };
  failures: FailureCode[];
  isIdempotent?: boolean;
  /** Takes a form (application/x-www-form-urlencoded) in place of JSON. */
  isForm?: boolean;
  /** Content type of an answer that is a text, in place of JSON. */
  answerType?: string;
  /** Called by providers: limited only when it is refused, and told by an event of its own when it is answered. */
  isDeliveryReport?: boolean;
  /** The name under which whoever asks saves the answer. */
  fileName?: string;
  /** How long whoever asks may keep the answer. */
  cacheSeconds?: number;
  run: (req: Request, deps: ApiDeps) => Promise<unknown>;
}
