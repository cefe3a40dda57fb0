/**
 * Operations: the requests of clients, as data.
 *
 * Terminology
 * - operation: one row of a table. Its key in the table is the `operationId` of the OpenAPI document.
 * - auth: which credential the caller needs. The handler receives the holder of the credential.
 * - answer: a status with the schema of its body; null means no body.
 *
 * `api/serve.ts` executes a row for every transport, and `api/openapi.ts` describes it with the nouns and examples of
 * `contract/operations.ts` and `contract/examples.ts`.
 */
import type { z } from 'zod';
import type { FailureCode } from '../domain/failures.ts';

/**
 * Which credential an operation needs. `device` is a session that belongs to a device. `twilio` and `infobip` are callbacks, authenticated by signature or secret
 * address.
 */
export type Auth =
  | 'none'
  | 'registration'
  | 'session'
  | 'device'
  | 'link'
  | 'admin'
  | 'deletion'
  | 'twilio'
  | 'infobip';

/**
 * How repeated requests with an `Idempotency-Key` are recognized. A key belongs to the holder of the credential. If
 * an operation needs no credential, the key belongs to the request alone. The source address is not part of it, because
 * many people share one.
 */
export interface Idempotent {
  /** Operations with the same name accept each other's keys; the key of the row by default. */
  name?: string;
  /** Fields of the body that scope the key instead. */
  by?: readonly string[];
  /** Fields of the body that a repeat must have in common; the whole body by default. Secrets are left out. */
  body?: readonly string[];
  /** The body proves who is asking. The handler checks it on every request, also on a repeat, and continues by `once`. */
  proof?: true;
}

/** A row without its REST route, which is enough to execute it. */
export interface RpcOperation {
  /** One sentence for the OpenAPI document. */
  summary: string;
  auth: Auth;
  /**
   * Needs a recent authentication (RFC 9470): always, or for a body with one of these fields. Every operation of an admin
   * needs one without saying so.
   */
  stepUp?: 'always' | readonly string[];
  /** Refused to a device that was linked a short time ago. */
  isBarredOnProbation?: true;
  body?: z.ZodType;
  query?: z.ZodObject;
  /** By HTTP status. */
  answers: Record<number, z.ZodType | null>;
  failures: readonly FailureCode[];
  idempotent?: true | Idempotent;
  /** Not counted by the limit of requests: probes of operators and callbacks of providers. */
  isUnlimited?: true;
  /** A callback of a provider, which has its own audit event. */
  isCallback?: true;
  /**
   * Its answers are counted and not audited one by one: there are many, and their times would tell who is in touch with
   * whom. Wrong credentials and failures are audited.
   */
  isCounted?: true;
}

/** A row of a table. */
export interface Operation extends RpcOperation {
  /** What a developer needs beyond the summary: order, effects, what to do next. Markdown, for the OpenAPI document. */
  description: string;
  /** A typical body; by default one is made of `contract/examples.ts`. */
  example?: unknown;
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** In the form of Express: `/users/:userId`. */
  path: string;
  /** Longest body in bytes; 256 KiB by default. */
  bodyBytesMax?: number;
  /** Accepts a form (application/x-www-form-urlencoded) instead of JSON. */
  isForm?: true;
  /** Media type of an answer that is text instead of JSON. */
  answerType?: string;
  /** File name that browsers save the answer under. */
  fileName?: string;
  /** How long clients may cache the answer. */
  cacheSeconds?: number;
}

/** Returns whether an operation may need a recent authentication. */
export function asksStepUp({ auth, stepUp }: Pick<RpcOperation, 'auth' | 'stepUp'>): boolean {
  return auth === 'admin' || stepUp !== undefined;
}

/** Declares a row; its literal types give handlers their input and answers. */
export const operation = <const O extends Operation>(row: O): O => row;

/** Declares a row that only gRPC serves. */
export const rpcOperation = <const O extends RpcOperation>(row: O): O => row;

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

/** The parsed body of an operation. */
export type BodyOf<O extends RpcOperation> = Parsed<O['body']>;

/** The parsed query of an operation. */
export type QueryOf<O extends RpcOperation> = Parsed<O['query']>;

/** What a handler of an operation may return. */
export type AnswerOf<O extends RpcOperation> = {
  [S in keyof O['answers']]: O['answers'][S] extends z.ZodType
    ? { status: S; body: z.input<O['answers'][S]> }
    : { status: S };
}[keyof O['answers']];

/** Failures of every operation. */
export const commonFailures = ['malformed', 'rate-limited', 'unavailable'] as const satisfies FailureCode[];
