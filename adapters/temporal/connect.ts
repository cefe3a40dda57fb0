/**
 * The Temporal client. Only this folder and workers/ use the SDK.
 *
 * Timeout: `callMs` per call, plus at most one pause between two attempts. While Temporal is unavailable, calls fail
 * after that; `isTemporalOutage` distinguishes such errors from refusals. The effect of a failed call may still happen:
 * repeat it with the same workflow or update id.
 */

import { fileURLToPath } from 'node:url';
import { experimental } from '@grpc/grpc-js';
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import type { DataConverter, PayloadCodec } from '@temporalio/common';
import { Failure } from '../../domain/failures.ts';
import { callTime } from '../../platform/budget.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { notedOutage, noteOutage, type Outage } from '../../platform/outages.ts';
import type { RecordSpan } from '../../platform/spans.ts';
import { readTls } from '../../platform/tls.ts';
import type { TemporalPlace, TemporalTls } from './place.ts';
import { traceInterceptor } from './trace.ts';

/** Creates the data converter of every process that uses Temporal: payload encryption and failure conversion. */
export function createDataConverter(codec: PayloadCodec): DataConverter {
  return {
    payloadCodecs: [codec],
    failureConverterPath: failureConverterPath(),
  };
}

/** Returns the path of the failure converter module, for the workflow bundle. */
export function failureConverterPath(): string {
  return fileURLToPath(new URL('./failure-converter.ts', import.meta.url));
}

/** Timeout of a call to Temporal, in milliseconds. */
const callMs = 5000;

/** Creates a client that connects on first use. */
export function connectTemporal(
  options: TemporalPlace & { dataConverter: DataConverter; traceCipher: Cipher; record: RecordSpan },
): Client {
  const { address, namespace, tls, apiKey, dataConverter, traceCipher, record } = options;
  const connection = Connection.lazy({
    address,
    // a command opens its connection within its budget, which must not end before the error that names Temporal
    connectTimeout: callTime(callMs),
    interceptors: [repeatCalls()],
    ...(tls && secureOptionsOf(tls)),
  });
  const ensureConnected = connection.ensureConnected.bind(connection);
  // gRPC raises an error without a status when there is no connection in time
  connection.ensureConnected = () =>
    ensureConnected().catch((err: unknown) => {
      throw noteOutage(err, { dependency: 'temporal', reason: 'no-answer' });
    });
  // asked for each call
  if (apiKey) connection.setApiKey(() => apiKey.reveal());
  const interceptors = { workflow: [traceInterceptor(traceCipher, record)] };
  return new Client({ connection, namespace, dataConverter, interceptors });
}

type CertificateProvider = Parameters<typeof experimental.createCertificateProviderChannelCredentials>[0];

/**
 * Returns the options of connections with TLS. grpc-js asks for the certificates when it connects: they are read then, so that
 * renewed ones are used from the next connection on.
 */
function secureOptionsOf({ serverName, ...files }: TemporalTls) {
  const provider: CertificateProvider = {
    addCaCertificateListener: (tell) =>
      tell({
        get caCertificate() {
          return Buffer.from(readTls(files).ca);
        },
      }),
    addIdentityCertificateListener: (tell) =>
      tell({
        get certificate() {
          return Buffer.from(readTls(files).cert ?? '');
        },
        get privateKey() {
          return Buffer.from(readTls(files).key ?? '');
        },
      }),
    removeCaCertificateListener: () => undefined,
    removeIdentityCertificateListener: () => undefined,
  };
  return {
    credentials: experimental.createCertificateProviderChannelCredentials(provider, files.cert ? provider : null),
    ...(serverName !== undefined && {
      channelArgs: { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName },
    }),
  };
}

/** Longest pause between two attempts of a call, in milliseconds; longer if the server is overloaded. */
const pauseMs = { usual: 250, overloaded: 1000 };
/** More attempts than fit into any deadline, so that the deadline ends the retries. */
const maxTries = 100;

const { retryableDecider, delayFunction } = defaultGrpcRetryOptions({ maxAttempts: maxTries });

/**
 * Returns the pause after an attempt of a call, in milliseconds. The pauses of the SDK grow to 5 s and are not cut at
 * the deadline, so that a call could last 5 s longer than its deadline.
 */
export function pauseAfterTry(attempt: number, status: Parameters<typeof delayFunction>[1]): number {
  const longest = status.code === resourceExhausted ? pauseMs.overloaded : pauseMs.usual;
  return Math.min(delayFunction(attempt, status), longest);
}

/** Retries calls as the SDK does, but with shorter pauses. */
function repeatCalls(): ReturnType<typeof makeGrpcRetryInterceptor> {
  return makeGrpcRetryInterceptor({ retryableDecider, delayFunction: pauseAfterTry });
}

/** gRPC status. */
const resourceExhausted = 8;

/** Deadline of a probe, so that health endpoints respond within 2 s. */
const probeMs = 1200;
/** How long a successful probe is reused. */
const probeFreshMs = 1000;
/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const serving = 1;

/**
 * Asks the Temporal health service once.
 *
 * @throws {Error} no answer in time
 * @throws {Failure} unavailable: the service reports that it is not serving
 */
export async function askServing(client: Client, timeoutMs: number): Promise<void> {
  // the types of a client's connection do not have it
  const { healthService } = client.connection as Connection;
  const service = 'temporal.api.workflowservice.v1.WorkflowService';
  const { status } = await client.withDeadline(Date.now() + timeoutMs, () => healthService.check({ service }));
  if (status !== serving) throw new Failure('unavailable');
}

/**
 * Creates a probe of the Temporal health service. Concurrent callers share one request, and a success is reused for a
 * second. Failures are not cached.
 *
 * @throws {Error} no answer within 1.2 s
 * @throws {Failure} unavailable: the service reports that it is not serving
 */
export function createTemporalProbe(client: Client): () => Promise<void> {
  let asked: { answer: Promise<void>; until: number } | undefined;
  // the types of a client's connection do not have it
  const { client: grpc } = client.connection as unknown as { client: WithChannel };
  const isConnected = () => grpc.getChannel().getConnectivityState(false) === ready;
  const ask = () => askServing(client, probeMs);
  return () => {
    const isUnderWay = asked?.until === Number.POSITIVE_INFINITY;
    // a running probe is shared; a lost connection invalidates the cached result
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

/** The part of the gRPC client that has the channel. */
interface WithChannel {
  getChannel(): { getConnectivityState(tryToConnect: boolean): number };
}

/**
 * Connectivity state READY in @grpc/grpc-js.
 * https://grpc.github.io/grpc/core/md_doc_connectivity-semantics-and-api.html
 */
const ready = 2;

/** Returns the outage of Temporal that an error is; undefined if it is another error. */
export function temporalOutageOf(err: unknown): Outage | undefined {
  const reason = reasonOf(err);
  if (reason !== undefined) return { dependency: 'temporal', reason };
  const noted = notedOutage(err);
  return noted?.dependency === 'temporal' ? noted : undefined;
}

/** Returns whether an error means that Temporal is unavailable or too slow, as opposed to a refusal. */
export function isTemporalOutage(err: unknown): boolean {
  return temporalOutageOf(err) !== undefined;
}

/** Why Temporal does not work, by the gRPC status of its client: cancelled, deadline exceeded, resource exhausted, unavailable. */
const reasons: ReadonlyMap<number, string> = new Map([
  [1, 'no-answer'],
  [4, 'timeout'],
  [8, 'overloaded'],
  [14, 'no-answer'],
]);

function reasonOf(err: unknown): string | undefined {
  for (let cause: unknown = err; cause instanceof Error; cause = cause.cause) {
    if (cause.name === 'WorkflowUpdateRPCTimeoutOrCancelledError') return 'timeout';
    if (isTaskFailure(cause)) return 'worker-restarted';
    const reason = isGrpcServiceError(cause) ? reasons.get(cause.code) : undefined;
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Error messages of Temporal for an update whose workflow task failed, and for one after failed workflow tasks. */
const taskFailures = /workflow task failure|Workflow Task in failed state/;

/**
 * Returns whether an update was not admitted because its workflow task failed, for example on a worker that was stopped
 * or was too slow. The update had no effect and may be repeated with the same id.
 */
export function isTaskFailure(err: unknown): boolean {
  const cause = err instanceof Error && !isGrpcServiceError(err) ? err.cause : err;
  return isGrpcServiceError(cause) && cause.code === 9 && taskFailures.test(cause.details);
}
