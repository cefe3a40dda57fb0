// @permissions net, files, read(GEOIP_DATABASE), read(GEOIP_ASN_DATABASE)
/**
 * The role `audit`: ships audit events from the Redis stream to Elasticsearch.
 *
 * 1. Prepare the consumer group, the lifecycle policy (if supported) and the index template.
 * 2. Read a bounded batch, or claim the pending entries of a dead process.
 * 3. Store the batch, and read one more meanwhile. While Elasticsearch is unavailable or busy, retry with exponential
 *    backoff, so that the other events wait in Redis. Events that the index refuses permanently become dead letters.
 * 4. Acknowledge and delete the batch in the stream.
 *
 * Every hour it signs how far the log has come, and removes what is older than the retention.
 *
 * Any number of these processes may run. If one is killed between 3 and 4, another stores the batch again; the event
 * ids make that idempotent.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Counter, Registry } from 'prom-client';
import { type AuditIndex, createAuditIndex, isTooLarge, type Stored } from '../adapters/elastic/audit-index.ts';
import { connectElastic, pingElastic } from '../adapters/elastic/connect.ts';
import { programOf } from '../adapters/elastic/user-agents.ts';
import { openPlaces } from '../adapters/geoip.ts';
import { createAuditLog } from '../adapters/redis/audit.ts';
import {
  type AuditEntry,
  type AuditStream,
  addAuditCheckpoint,
  createAuditStream,
  hasAuditCheckpoint,
  readAuditHead,
  readAuditOldest,
} from '../adapters/redis/audit-stream.ts';
import { recordStart } from '../adapters/redis/configurations.ts';
import { connectRedis, type Redis, readRedisPlace } from '../adapters/redis/connect.ts';
import { keys } from '../adapters/redis/keys.ts';
import { signCheckpoint } from '../platform/audit-verification.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { createAuditedEvents } from '../platform/events/audited-events.ts';
import { dropPermissions, pause, runEvery, untilSignal } from '../platform/lifecycle.ts';
import { createLog, type Logger, logReady } from '../platform/log.ts';
import { serveHealth } from './health.ts';
import { beat } from './heartbeats.ts';

const batchMax = 500;
const blockMs = 1000;
const retryMsMax = 10_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
/** The dependencies of the shipping loop. */
interface Shipping {
  stream: AuditStream;
  index: AuditIndex;
  log: Logger;
  stopped: AbortSignal;
  count: { stored: Counter; deadLetters: Counter; retries: Counter };
}

async function main(): Promise<void> {
  const config = readConfig('audit');
  const log = createLog('audit', config.LOG_LEVEL);
  const registry = new Registry();
  const elastic = connectElastic({
    url: config.ELASTICSEARCH_URL,
    apiKey: config.ELASTICSEARCH_API_KEY,
    ca: config.ELASTICSEARCH_CA,
  });
  const onRedisError = (err: Error) => log.warn({ event: 'redis.away', reason: err.message });
  const redis = connectRedis(readRedisPlace(config), onRedisError);
  const reader = connectRedis(readRedisPlace(config), onRedisError);
  const { events, auditLog } = createAuditedEvents({ role: 'audit', config, log, registry }, (hooks) =>
    createAuditLog(redis, { ...hooks, streamMax: config.AUDIT_STREAM_MAX }),
  );
  const { originOf } = await openPlaces({ places: config.GEOIP_DATABASE, networks: config.GEOIP_ASN_DATABASE });
  const { AUDIT_INDEX: prefix, AUDIT_RETENTION_DAYS: retentionDays } = config;
  const index = createAuditIndex(elastic, { prefix, retentionDays, tables: { originOf, programOf } });
  const stopped = new AbortController();
  const stream = createAuditStream(reader, `${hostname()}:${process.pid}`);
  const shipping = ship({ stream, index, log, stopped: stopped.signal, count: countersOf(registry) });
  try {
    await using _health = await serveHealth(config.HEALTH_PORT, registry, () => !stopped.signal.aborted);
    await using _beats = beat('audit', redis, [{ name: 'elasticsearch', check: () => pingElastic(elastic) }], log);
    await using _minutes = runEvery(
      minuteMs,
      async () => events.auditHeartbeat(Math.floor(Date.now() / minuteMs)),
      () => undefined,
    );
    await using _hours = runEvery(
      hourMs,
      () => careFor({ redis, index, log, config }),
      (err) => away(log, err),
    );
    const databases = [config.GEOIP_DATABASE, config.GEOIP_ASN_DATABASE];
    const read = databases.flatMap((file) => (file === undefined ? [] : [resolve(file)]));
    dropPermissions(['worker', 'addon', 'child', 'fs.write'], read);
    logReady(log);
    void recordStart({ redis, events, config }, 'audit');
    await untilSignal();
  } finally {
    events.processStopped();
    await auditLog[Symbol.asyncDispose]();
    stopped.abort();
    await shipping;
    await elastic.close();
    for (const connection of [redis, reader]) connection.disconnect();
    log.info({ event: 'process.stopped' });
  }
}

/**
 * Ships batches until it is stopped. The next batch is read while Elasticsearch stores one. A batch that was read is still
 * tried once.
 */
async function ship(shipping: Shipping): Promise<void> {
  const { stream, index, log, stopped } = shipping;
  const { hasLifecycle } = (await persist(shipping, async () => {
    await stream.prepare();
    return index.prepare();
  })) ?? { hasLifecycle: false };
  if (!stopped.aborted) log.info({ event: 'audit.prepared', hasLifecycle });
  let entries: AuditEntry[] = [];
  while (!stopped.aborted || entries.length > 0) {
    const waits = entries.length === 0;
    [entries] = await Promise.all([readNext(shipping, waits), shipBatch(shipping, entries)]);
  }
}

/** Returns the next batch; empty when there is none, Redis is unavailable, or the process stops. */
async function readNext({ stream, log, stopped }: Shipping, waits: boolean): Promise<AuditEntry[]> {
  if (stopped.aborted) return [];
  try {
    const left = await stream.takeOver(batchMax);
    return left.length > 0 ? left : await stream.read(batchMax, waits ? blockMs : undefined);
  } catch (err) {
    away(log, err);
    await pause(blockMs, stopped);
    return [];
  }
}

async function shipBatch(shipping: Shipping, entries: AuditEntry[]): Promise<void> {
  const { stream, index, log, count } = shipping;
  let rest = entries;
  while (rest.length > 0) {
    const batch = rest;
    const stored = await persist(shipping, () => storeInParts(index, batch));
    if (stored === undefined) return;
    const done = batch.filter((_entry, at) => isDone(stored[at]));
    count.stored.inc(done.length);
    await persist(shipping, () => stream.finish(done));
    for (const [at, entry] of batch.entries()) {
      const fate = stored[at];
      if (fate?.outcome !== 'refused') continue;
      log.error({
        event: 'audit.dead-lettered',
        id: entry.event.event.id,
        action: entry.event.action,
        reason: fate.reason,
      });
      count.deadLetters.inc();
      await persist(shipping, () => stream.deadLetters(entry, fate.reason));
    }
    rest = batch.filter((_entry, at) => stored[at]?.outcome === 'busy');
    if (rest.length === 0) return;
    count.retries.inc();
    await pause(blockMs, shipping.stopped);
    if (shipping.stopped.aborted) return;
  }
}

/** Stores a batch and halves it, down to single events, while Elasticsearch refuses it as too large. */
async function storeInParts(index: AuditIndex, entries: AuditEntry[]): Promise<Stored[]> {
  try {
    return await index.store(entries.map(({ event }) => event));
  } catch (err) {
    if (!isTooLarge(err)) throw err;
    if (entries.length === 1) return [{ outcome: 'refused', reason: '413 too large' }];
    const half = Math.ceil(entries.length / 2);
    return [
      ...(await storeInParts(index, entries.slice(0, half))),
      ...(await storeInParts(index, entries.slice(half))),
    ];
  }
}

/** Repeats a function with exponential backoff until it succeeds. Returns undefined if it is stopped first. */
async function persist<T>({ log, stopped, count }: Shipping, act: () => Promise<T>): Promise<T | undefined> {
  for (let retryMs = 250; ; retryMs = Math.min(retryMs * 2, retryMsMax)) {
    try {
      return await act();
    } catch (err) {
      count.retries.inc();
      away(log, err);
    }
    if (stopped.aborted) return undefined;
    // jitter, so that several processes do not retry at the same moment
    await pause(retryMs * (0.5 + Math.random() / 2), stopped);
  }
}

/**
 * Signs a checkpoint of the log, then removes what is older than the retention. One process does it each hour; two that do
 * it at the same time add two checkpoints, which is harmless.
 */
async function careFor({ redis, index, log, config }: AuditCare): Promise<void> {
  const isMine = await redis.set(keys.auditRemoval(), process.pid, 'PX', hourMs / 2, 'NX');
  if (isMine === null) return;
  await sign({ redis, log, config });
  const removed = await index.removeOld(Date.now());
  if (removed.length > 0) log.info({ event: 'audit.removed', indices: removed });
}

interface AuditCare {
  redis: Redis;
  index: AuditIndex;
  log: Logger;
  config: Pick<Config<'audit'>, 'KEYS' | 'AUDIT_RETENTION_DAYS'>;
}

async function sign({ redis, log, config }: Pick<AuditCare, 'redis' | 'log' | 'config'>): Promise<void> {
  const { KEYS: keyRing, AUDIT_RETENTION_DAYS: retentionDays } = config;
  const isFirst = !(await hasAuditCheckpoint(redis));
  // nothing was shipped before: the log begins here
  const isWhole = isFirst && (await readAuditOldest(redis)) === 1;
  const position = isWhole ? { sequence: 0, chain: '' } : await readAuditHead(redis);
  const checkpoint = { ...position, at: Date.now(), retentionDays };
  await addAuditCheckpoint(redis, signCheckpoint(checkpoint, keyRing.key('audit')), 24 * (retentionDays + 2));
  // the log of the process is another place that keeps it
  log.info({ event: 'audit.checkpoint', sequence: position.sequence, chain: position.chain });
}

function isDone(stored: Stored | undefined): boolean {
  return stored?.outcome === 'stored' || stored?.outcome === 'duplicate';
}

function away(log: Logger, err: unknown): void {
  const { name, message } = err as Error;
  log.warn({ event: 'audit.waiting', reason: `${name}: ${message.slice(0, 200)}` });
}

function countersOf(registry: Registry): Shipping['count'] {
  const counter = (name: string, help: string) =>
    new Counter({ name: `vyry_audit_${name}_total`, help, registers: [registry] });
  return {
    stored: counter('stored', 'Audit events stored in Elasticsearch'),
    deadLetters: counter('dead_letters', 'Audit events that Elasticsearch refused permanently'),
    retries: counter('retries', 'Retries of the shipping loop'),
  };
}

if (import.meta.main) await main();
