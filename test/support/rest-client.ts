/**
 * A client of the REST API with one method for each row of contract/operations.ts. Method, path and types of a call are
 * those of its row. Tests that send what no row accepts use `call`.
 */
import type { z } from 'zod';
import type { Operation } from '../../contract/operation.ts';
import { type OperationId, operations } from '../../contract/operations.ts';
import { type Answer, type CallOptions, call } from './client.ts';

type Row<Id extends OperationId> = (typeof operations)[Id];
type Schema<O, Name extends string> = O extends { [N in Name]: infer S extends z.ZodType } ? z.input<S> : undefined;
type OptionalIfUndefined<Name extends string, T> = undefined extends T ? { [N in Name]?: T } : { [N in Name]: T };
type Names<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer More}`
    ? Name | Names<More>
    : Rest
  : never;

/** What a call sends: its path parameters by their names, and its query, body and options. */
export type InputOf<Id extends OperationId> = Record<Names<Row<Id>['path']>, string> &
  OptionalIfUndefined<'body', Schema<Row<Id>, 'body'>> & { query?: Schema<Row<Id>, 'query'> } & Omit<
    CallOptions,
    'body'
  > & {
    /** URL of another api. */
    at?: string | undefined;
  };

/** The fields of an error response, with the additional ones of some failures. */
interface Refused {
  error: string;
  error_code: string;
  request_id: string;
  details: [{ path: string; message: string }, ...{ path: string; message: string }[]];
  retry_after_seconds: number;
  attemptsLeft: number;
  nextCodeAt: string;
  limit: string;
  otherChannels: string[];
  keyIds: number[];
  missingDevices: string[];
  extraDevices: string[];
  staleDevices: string[];
  maxAgeSeconds: number;
}

type AllOf<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer All) => void ? All : never;
type Bodies<Answers> = {
  [S in keyof Answers]: Answers[S] extends z.ZodType ? z.output<Answers[S]> : never;
}[keyof Answers];

/** The response to a call. Its body has the type of every answer of the row: the test asserts which of them it is. */
export interface ReplyOf<Id extends OperationId> extends Answer {
  body: AllOf<Bodies<Row<Id>['answers']>> & Refused;
}

/** A method for each operation. */
export type RestClient = {
  [Id in OperationId]: Record<never, never> extends InputOf<Id>
    ? (input?: InputOf<Id>) => Promise<ReplyOf<Id>>
    : (input: InputOf<Id>) => Promise<ReplyOf<Id>>;
};

/** Creates a client of the api at a URL. */
export function createRestClient(url: string): RestClient {
  const methods = Object.entries<Operation>(operations).map(([id, row]) => [
    id,
    (input: CallOptions & { at?: string; query?: Record<string, string> } = {}) => {
      const { at = url, query, body, token, headers, from, ...params } = input;
      const path = row.path.replace(/:(\w+)/g, (_, name) =>
        encodeURIComponent((params as Record<string, string>)[name] ?? ''),
      );
      const search = query === undefined ? '' : `?${new URLSearchParams(query)}`;
      return call(at, row.method.toUpperCase(), path + search, {
        body,
        from,
        ...(token !== undefined && { token }),
        ...(headers && { headers }),
      });
    },
  ]);
  return Object.fromEntries(methods) as RestClient;
}
