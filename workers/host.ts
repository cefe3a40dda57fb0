/** What every worker has in common: engines, logs, heartbeats, the interceptor of activities, and an orderly end. */
import { setInterval } from 'node:timers';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { DataConverter } from '@temporalio/common';
import {
  DefaultLogger,
  type LogLevel,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { Registry } from 'prom-client';
import { connectCollector } from '../adapters/collector.ts';
import { createAuditedEvents } from '../adapters/redis/audit.ts';
import { connectRedis, type Redis } from '../adapters/redis/connect.ts';
import { createDataConverter } from '../adapters/temporal/connect.ts';
import { createTraceCipher } from '../adapters/temporal/trace.ts';
import { Failure } from '../domain/failures.ts';
import type { Config, TemporalRole } from '../platform/config.ts';
import type { Events } from '../platform/events.ts';
import { dropPermissions } from '../platform/lifecycle.ts';
import { createLog, type Logger, logReady } from '../platform/log.ts';
import { serveHealth } from './health.ts';
import { beat, type Check } from './heartbeats.ts';
import { createTraceSinks, runTraced } from './trace.ts';

/** What a role's own file works with. */
export interface WorkerTools {
  log: Logger;
  events: Events;
  redis: Redis;
  dataConverter: DataConverter;
}

/** What a role adds to the common part. */
export interface WorkerParts {
  /** Beside connection, namespace and data converter, which are common. */
  options: Pick<WorkerOptions, 'activities' | 'workflowBundle' | 'maxConcurrentActivityTaskExecutions'>;
  /** Checked every few seconds, for /health/ready of the api. */
  checks: Check[];
  /** Done beside the work, once Temporal is there; what fails is logged, and done again by the next start. */
  prepare?(connection: NativeConnection): Promise<void>;
  /** Files that only the start reads. */
  startReads: string[];
  close(): Promise<void>;
}

type CommonConfig = Config<'directory'> | Config<'delivery'> | Config<'registration'>;

/** Well under the heartbeat timeout of the workflows, so that a busy second loses nothing. */
const activityBeatMs = 1000;

/**
 * As many as workflow tasks are worked on at once. With the SDK's 10 a busy worker asks for tasks of the flows it has and
 * hardly for new ones: of 50 people at once, those who came waited 13 s (p95) for their first step, and wait 8 to 9 s with these.
 */
const workflowPollsMax = 40;

/** Runs a worker until SIGTERM or SIGINT: it takes no new work, ends what runs, and closes what it opened. */
export async function runWorker(
  role: TemporalRole,
  config: CommonConfig,
  build: (tools: WorkerTools) => Promise<WorkerParts>,
): Promise<void> {
  const log = createLog(role, config.LOG_LEVEL);
  installRuntime(log);
  const registry = new Registry();
  const collector = await connectCollector(role, config, log);
  const redis = connectRedis(config.REDIS_URL, (err) => log.warn({ event: 'redis.away', reason: err.message }));
  const { events, auditLog } = createAuditedEvents(redis, { role, config, log, registry });
  const dataConverter = createDataConverter(config.PAYLOAD_KEY, config.PAYLOAD_KEYS_OLD);
  const traceCipher = createTraceCipher(config.PAYLOAD_KEY, config.PAYLOAD_KEYS_OLD);
  const parts = await build({ log, events, redis, dataConverter });
  const connection = await connectForever(config.TEMPORAL_ADDRESS, log);
  try {
    const worker = await Worker.create({
      ...parts.options,
      connection,
      namespace: config.TEMPORAL_NAMESPACE,
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
    await using _beats = beat(role, redis, parts.checks, log);
    // threads run and addons are loaded: nothing needs these any more, and they stay shut
    dropPermissions(['worker', 'addon', 'child', 'fs.write'], parts.startReads);
    logReady(log);
    events.processStarted();
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

/** Temporal's own log becomes ours; SIGTERM and SIGINT drain the worker. */
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

async function connectForever(address: string, log: Logger): Promise<NativeConnection> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2000)) {
    try {
      return await NativeConnection.connect({ address });
    } catch (err) {
      log.warn({ event: 'temporal.away', reason: (err as Error).message });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

/**
 * Runs an activity with heartbeats, so that one on a killed worker is soon given to another; a `Failure` crosses Temporal
 * as its code and is not repeated: the workflow decides.
 */
async function runActivity(act: () => Promise<unknown>, events: Pick<Events, 'activityEnded'>): Promise<unknown> {
  const context = Context.current();
  const { activityType: activity, isLocal } = context.info;
  const beganAt = performance.now();
  const beats = isLocal ? undefined : setInterval(() => context.heartbeat(), activityBeatMs);
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
