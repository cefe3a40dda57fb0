/** The interface of the services of the gRPC server. */
import type { sendUnaryData } from '@grpc/grpc-js';
import type { ApiDeps, Caller } from '../deps.ts';

/** A call: its caller and its id. */
export interface RpcCall {
  caller: Caller;
  requestId: string;
}

/** The answer of a call, and how it is counted. */
export interface Answered {
  /** An error, or null and the response. */
  response: [...Parameters<sendUnaryData<Record<string, unknown>>>];
  /** The HTTP status by which it is counted. */
  httpStatus: number;
  refusal?: { code: string; limit?: string; retryAfterSeconds?: number } | undefined;
}

/** An RPC of a service. */
export interface Rpc {
  /** Changes nothing, and is audited only if it is refused. */
  isRead: boolean;
  /** Executes a decoded message. */
  run(deps: ApiDeps, message: unknown, call: RpcCall): Promise<Answered>;
}

/** A service of a proto file. */
export interface Service {
  /** With its package. */
  name: string;
  file: URL;
  rpcs: Record<string, Rpc>;
  /** Returns the answer of a call that failed or whose message could not be decoded. */
  failed(deps: Pick<ApiDeps, 'events'>, thrown: unknown, call: RpcCall): Answered;
}

/** Thrown for a message that cannot be decoded. */
export class Unreadable extends Error {}
