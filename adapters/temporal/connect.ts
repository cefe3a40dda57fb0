/**
 * The client of Temporal, the only place it is known beside workers/.
 *
 * Timeout: `callMs` a call, and no more than a pause between two tries beside it. Away: calls fail after it; `isTemporalOutage`
 * tells such errors from refusals.
 * What a failed call has begun may still happen: repeat it with the same workflow or update id.
 */

import { fileURLToPath } from 'node:url';
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { Failure } from '../../domain/failures.ts';
import type { Secret } from '../../platform/config.ts';
import { type Cipher, createCipher } from '../../platform/crypto.ts';
import type { RecordSpan } from '../../platform/spans.ts';
import { createPayloadCodec } from './codec.ts';
import { traceInterceptor } from './trace.ts';

/** What every process that talks to Temporal shares: keys of the payloads and how failures are written. */
export function createDataConverter(key: Secret, older: readonly Secret[]): DataConverter {
  return {
    payloadCodecs: [createPayloadCodec(createCipher('temporal', key, older))],
    failureConverterPath: failureConverterPath(),
  };
}

/** The module that writes failures, for the bundle. */
export function failureConverterPath(): string {
  return fileURLToPath(new URL('./failure-converter.ts', import.meta.url));
}

/** Longest wait for an answer of Temporal, in milliseconds. */
export const callMs = 5000;

/** A client that connects when it is first used. */
export function connectTemporal(options: {
  address: string;
  namespace: string;
  dataConverter: DataConverter;
  traceCipher: Cipher;
  record: RecordSpan;
}): Client {
  const { address, namespace, dataConverter, traceCipher, record } = options;
  const connection = Connection.lazy({ address, connectTimeout: callMs, interceptors: [repeatCalls()] });
  const interceptors = { workflow: [traceInterceptor(traceCipher, record)] };
  return new Client({ connection, namespace, dataConverter, interceptors });
}

/** Longest pause between two tries of a call, in milliseconds; longer for a server that has too much to do. */
const pauseMs = { usual: 250, overloaded: 1000 };
/** More than fit into any deadline: it is the deadline that ends the tries. */
const maxTries = 100;

const { retryableDecider, delayFunction } = defaultGrpcRetryOptions({ maxAttempts: maxTries });

/**
 * The pause after a try of a call, in milliseconds. Those of the SDK grow to 5 s and are waited for to their end, so that a
 * call could last 5 s longer than its deadline.
 */
export function pauseAfterTry(attempt: number, status: Parameters<typeof delayFunction>[1]): number {
  const longest = status.code === resourceExhausted ? pauseMs.overloaded : pauseMs.usual;
  return Math.min(delayFunction(attempt, status), longest);
}

/** Repeats calls as the SDK does, but for its pauses. */
function repeatCalls(): ReturnType<typeof makeGrpcRetryInterceptor> {
  return makeGrpcRetryInterceptor({ retryableDecider, delayFunction: pauseAfterTry });
}

/** gRPC status. */
const resourceExhausted = 8;

/** Whoever waits for a probe is answered within 2 s. */
const probeMs = 1200;
/** So long an answer of Temporal stands for the next ones. */
const probeFreshMs = 1000;
/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const serving = 1;

/**
 * Makes a probe: it asks the health service of Temporal, once for all who ask at the same time and again a second later. That
 * Temporal is away is not remembered.
 *
 * @throws {Error} it does not answer within 1.2 s
 * @throws {Failure} unavailable: it answers that it does not serve
 */
export function createTemporalProbe(client: Client): () => Promise<void> {
  let asked: { answer: Promise<void>; until: number } | undefined;
  // the interface of a client's connection leaves both out
  const { healthService } = client.connection as Connection;
  const { client: grpc } = client.connection as unknown as { client: WithChannel };
  const isConnected = () => grpc.getChannel().getConnectivityState(false) === ready;
  const ask = async () => {
    const service = 'temporal.api.workflowservice.v1.WorkflowService';
    const { status } = await client.withDeadline(Date.now() + probeMs, () => healthService.check({ service }));
    if (status !== serving) throw new Failure('unavailable');
  };
  return () => {
    const isUnderWay = asked?.until === Number.POSITIVE_INFINITY;
    // none begins beside one that is still under way; a connection that was lost ends what was known by it
    if (asked === undefined || asked.until < performance.now() || !(isUnderWay || isConnected())) {
      const probe = { answer: ask(), until: Number.POSITIVE_INFINITY };
      asked = probe;
      probe.answer.then(
        () => {
          probe.until = performance.now() + probeFreshMs;
        },
        () => {
          asked = undefined;
        },
      );
    }
    return asked.answer;
  };
}

/** What the connection is made of. */
interface WithChannel {
  getChannel(): { getConnectivityState(tryToConnect: boolean): number };
}

/** gRPC connectivity, as @grpc/grpc-js numbers it. https://grpc.github.io/grpc/core/md_doc_connectivity-semantics-and-api.html */
const ready = 2;

/** Tells whether an error means that Temporal could not be asked in time, rather than that it said no. */
export function isTemporalOutage(err: unknown): boolean {
  for (let cause: unknown = err; cause instanceof Error; cause = cause.cause) {
    if (cause.name === 'WorkflowUpdateRPCTimeoutOrCancelledError') return true;
    if (/Failed to connect before the deadline/.test(cause.message)) return true;
    if (isTaskFailure(cause)) return true;
    // gRPC status: cancelled, deadline exceeded, resource exhausted, unavailable
    if (isGrpcServiceError(cause) && [1, 4, 8, 14].includes(cause.code)) return true;
  }
  return false;
}

/** What Temporal says of an update whose task was lost, and of one that finds that the tasks before were. */
const taskFailures = /workflow task failure|Workflow Task in failed state/;

/**
 * Tells whether an update was not taken because the worker lost the task it came with, such as one that was stopped or had
 * fallen behind: it left no trace, and may be repeated with the same id.
 */
export function isTaskFailure(err: unknown): boolean {
  const cause = err instanceof Error && !isGrpcServiceError(err) ? err.cause : err;
  return isGrpcServiceError(cause) && cause.code === 9 && taskFailures.test(cause.details);
}
