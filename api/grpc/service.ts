/** What the services of the gRPC door have in common, as the door runs them. */
import type { sendUnaryData } from '@grpc/grpc-js';
import type { ApiDeps, Caller } from '../deps.ts';

/** One call: who asks, and by which id. */
export interface RpcCall {
  caller: Caller;
  requestId: string;
}

/** What a call is answered, and how it is counted. */
export interface Answered {
  /** A fault, or null and the response. */
  response: [...Parameters<sendUnaryData<Record<string, unknown>>>];
  /** The HTTP status by which it is counted. */
  httpStatus: number;
  refusal?: { code: string; limit?: string; retryAfterSeconds?: number } | undefined;
}

/** A rpc of a service. */
export interface Rpc {
  /** Changes nothing: told only when it is refused. */
  isRead: boolean;
  /** Answers a message that could be read. */
  run(deps: ApiDeps, message: unknown, call: RpcCall): Promise<Answered>;
}

/** A service of the contract in a proto file. */
export interface Service {
  /** With its package. */
  name: string;
  file: URL;
  rpcs: Record<string, Rpc>;
  /** The answer when a call failed, or when its message could not be read. */
  failed(deps: ApiDeps, thrown: unknown, call: RpcCall): Answered;
}

/** Thrown for a message that cannot be read. */
export class Unreadable extends Error {}
