/** The common part of every worker: connections, logs, heartbeats, the activity interceptor and a graceful shutdown. */
import { setInterval } from 'node:timers';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { DataConverter } from '@temporalio/common';
import {
  DefaultLogger,
  type LogLevel,
  type NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { Registry } from 'prom-client';
import { connectCollector } from '../adapters/collector.ts';
import { createAuditLog } from '../adapters/redis/audit.ts';
import { recordStart } from '../adapters/redis/configurations.ts';
import { connectRedis, type Redis, readRedisPlace } from '../adapters/redis/connect.ts';
import { createCodecOf } from '../adapters/temporal/codec.ts';
import { createDataConverter } from '../adapters/temporal/connect.ts';
import { readTemporalPlace } from '../adapters/temporal/place.ts';
import { Failure } from '../domain/failures.ts';
import type { Config } from '../platform/config/config.ts';
import type { TemporalRole } from '../platform/config/roles.ts';
import { createAuditedEvents } from '../platform/events/audited-events.ts';
import type { Events } from '../platform/events/events.ts';
import { dropPermissions } from '../platform/lifecycle.ts';
import { createLog, type Logger, logReady } from '../platform/log.ts';
import { versionOptions } from './deployment.ts';
import { serveHealth } from './health.ts';
import { beat, type Check } from './heartbeats.ts';
import { heartbeat } from './progress.ts';
import { connectWorker, renewConnection } from './temporal-connection.ts';
import { createTraceSinks, runTraced } from './trace.ts';

/** The tools passed to the build function of a role. */
export interface WorkerTools {
  log: Logger;
  events: Events;
  redis: Redis;
  dataConverter: DataConverter;
}

/** The parts of a worker that depend on its role. */
export interface WorkerParts {
  /** Worker options besides connection, namespace and data converter, which are common. */
  options: Pick<WorkerOptions, 'activities' | 'workflowBundle' | 'maxConcurrentActivityTaskExecutions'>;
  /** Health checks for /health/ready of the API, run every few seconds. */
  checks: Check[];
  /** Runs in the background after the worker started. A failure is logged, and the next start tries again. */
  prepare?(connection: NativeConnection): Promise<void>;
  /** Files that only the start reads. The permission to read them is dropped afterwards. */
  startReads: string[];
  close(): Promise<void>;
}

type CommonConfig = Config<'directory'> | Config<'delivery'> | Config<'signal'> | Config<'registration'>;

/** Activity heartbeat interval, well below the heartbeat timeout, so that a busy worker does not miss it. */
const activityBeatMs = 1000;

/**
 * Workflow task pollers, equal to the number of concurrent workflow tasks. With the SDK default of 10, a busy worker
 * polls its sticky queue and hardly the normal task queue, so new workflows wait. With 50 registrations at once, the
 * first step took 13 s (p95) with 10 pollers and takes 8 to 9 s with 40.
 */
const workflowPollsMax = 40;

/** Runs a worker until SIGTERM or SIGINT. It then finishes the running tasks and closes its connections. */
export async function runWorker(
  role: TemporalRole,
  config: CommonConfig,
  build: (tools: WorkerTools) => Promise<WorkerParts>,
): Promise<void> {
  const log = createLog(role, config.LOG_LEVEL);
  installRuntime(log);
  const registry = new Registry();
  const collector = await connectCollector(role, config, log);
  const redis = connectRedis(readRedisPlace(config), (err) => log.warn({ event: 'redis.away', reason: err.message }));
  const { events, auditLog } = createAuditedEvents({ role, config, log, registry }, (hooks) =>
    createAuditLog(redis, { ...hooks, streamMax: config.AUDIT_STREAM_MAX }),
  );
  const dataConverter = createDataConverter(createCodecOf(role, config.KEYS));
  const traceCipher = config.KEYS.cipher('trace');
  const parts = await build({ log, events, redis, dataConverter });
  const place = readTemporalPlace(config);
  const connection = await connectWorker(place, log);
  try {
    const worker = await Worker.create({
      ...parts.options,
      ...versionOptions(config),
      connection,
      namespace: place.namespace,
      taskQueue: role,
      dataConverter,
      identity: `${role}@${process.pid}`,
      stickyQueueScheduleToStartTimeout: '1s',
      workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: workflowPollsMax },
      shutdownGraceTime: '10s',
      shutdownForceTime: '20s',
      sinks: createTraceSinks(traceCipher, collector.record),
      interceptors: {
        activity: [
          ({ info }) => ({
            inbound: {
              execute: (input, next) =>
                runActivity(
                  () => runTraced({ ...input, info }, traceCipher, collector.record, () => next(input)),
                  events,
                ),
            },
          }),
        ],
      },
    });
    await using _health = await serveHealth(config.HEALTH_PORT, registry, () => worker.getState() === 'RUNNING');
    await using _credentials = renewConnection(worker, place, log);
    await using _beats = beat(role, redis, parts.checks, log);
    // threads are running and addons are loaded, so these permissions are not needed any longer
    dropPermissions(['worker', 'addon', 'child', 'fs.write'], parts.startReads);
    logReady(log);
    void recordStart({ redis, events, config }, role);
    void parts.prepare?.(connection).catch((err: unknown) => {
      log.warn({ event: 'process.not-prepared', reason: (err as Error).message });
    });
    await worker.run();
  } finally {
    await connection.close();
    await parts.close();
    events.processStopped();
    await Promise.all([auditLog[Symbol.asyncDispose](), collector[Symbol.asyncDispose]()]);
    await redis.quit().catch(() => redis.disconnect());
    log.info({ event: 'process.stopped' });
  }
}

/** Forwards the log of the Temporal SDK to `log`. SIGTERM and SIGINT drain the worker. */
function installRuntime(log: Logger): void {
  const levels: Record<LogLevel, 'debug' | 'info' | 'warn' | 'error'> = {
    TRACE: 'debug',
    DEBUG: 'debug',
    INFO: 'debug',
    WARN: 'warn',
    ERROR: 'error',
  };
  Runtime.install({
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      const { workflowId, activityType, attempt, error } = (meta ?? {}) as Record<string, unknown>;
      const reason = error instanceof Error ? error.message : undefined;
      log[levels[level]]({ event: 'temporal.log', message, workflowId, activityType, attempt, reason });
    }),
  });
}

/**
 * Runs an activity with heartbeats, so that Temporal soon retries the activity of a killed worker on another one. A
 * `Failure` becomes a non-retryable `ApplicationFailure` with its code: the workflow decides how to continue.
 */
async function runActivity(act: () => Promise<unknown>, events: Pick<Events, 'activityEnded'>): Promise<unknown> {
  const context = Context.current();
  const { activityType: activity, isLocal } = context.info;
  const beganAt = performance.now();
  const beats = isLocal ? undefined : setInterval(() => heartbeat(context), activityBeatMs);
  let outcome = 'done';
  try {
    return await act();
  } catch (err) {
    outcome = err instanceof Failure ? err.code : 'error';
    if (err instanceof Failure) throw ApplicationFailure.nonRetryable(err.code, err.code, err.context);
    throw err;
  } finally {
    clearInterval(beats);
    events.activityEnded({ activity, outcome, seconds: (performance.now() - beganAt) / 1000 });
  }
}
