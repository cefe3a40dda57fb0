// @permissions net
/**
 * The role `audit`: ships audit events from the Redis stream into Elasticsearch.
 *
 * 1. Prepare: the consumer group, the lifecycle policy where there is one, the index template.
 * 2. Read a bounded batch, or take over what a dead process left.
 * 3. Store it, again and again with growing pauses while Elasticsearch is away or busy; nothing is read meanwhile, so the
 *    rest waits in Redis. What the index refuses for good is moved to the dead letters with the reason.
 * 4. Take it off the stream.
 *
 * Any number may run. Killed between 3 and 4, the batch is stored again by another, and its ids make it once.
 */
import { hostname } from 'node:os';
import { Counter, Registry } from 'prom-client';
import { type AuditIndex, createAuditIndex, isTooLarge, type Stored } from '../adapters/elastic/audit-index.ts';
import { connectElastic, pingElastic } from '../adapters/elastic/connect.ts';
import { createAuditedEvents } from '../adapters/redis/audit.ts';
import { type AuditEntry, type AuditStream, createAuditStream } from '../adapters/redis/audit-stream.ts';
import { connectRedis, type Redis } from '../adapters/redis/connect.ts';
import { readConfig } from '../platform/config.ts';
import { dropPermissions, pause, runEvery, untilSignal } from '../platform/lifecycle.ts';
import { createLog, type Logger, logReady } from '../platform/log.ts';
import { serveHealth } from './health.ts';
import { beat } from './heartbeats.ts';

const batchMax = 500;
const blockMs = 1000;
const retryMsMax = 10_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
/** Every hour somebody removes old indices; who it is does not matter. */
const removalLock = '{audit}:removal';

/** What shipping works with. */
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
  const redis = connectRedis(config.REDIS_URL, onRedisError);
  const reader = connectRedis(config.REDIS_URL, onRedisError);
  const { events, auditLog } = createAuditedEvents(redis, { role: 'audit', config, log, registry });
  const index = createAuditIndex(elastic, { prefix: config.AUDIT_INDEX, retentionDays: config.AUDIT_RETENTION_DAYS });
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
      () => removeOld(redis, index, log),
      (err) => away(log, err),
    );
    dropPermissions(['worker', 'addon', 'child', 'fs.write'], []);
    logReady(log);
    events.processStarted();
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

/** Ships until it is told to stop; what it has read it still tries to store once. */
async function ship(shipping: Shipping): Promise<void> {
  const { stream, index, log, stopped } = shipping;
  const { hasLifecycle } = (await persist(shipping, async () => {
    await stream.prepare();
    return index.prepare();
  })) ?? { hasLifecycle: false };
  if (!stopped.aborted) log.info({ event: 'audit.prepared', hasLifecycle });
  while (!stopped.aborted) {
    const entries = await readNext(stream).catch(async (err: unknown) => {
      away(log, err);
      await pause(blockMs, stopped);
      return [];
    });
    if (entries.length > 0) await shipBatch(shipping, entries);
  }
}

async function readNext(stream: AuditStream): Promise<AuditEntry[]> {
  const left = await stream.takeOver(batchMax);
  return left.length > 0 ? left : stream.read(batchMax, blockMs);
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

/** Halves a batch that is too large as a whole, down to single events. */
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

/** Does something until it succeeds, with growing pauses; undefined when it is told to stop before that. */
async function persist<T>({ log, stopped, count }: Shipping, act: () => Promise<T>): Promise<T | undefined> {
  for (let retryMs = 250; ; retryMs = Math.min(retryMs * 2, retryMsMax)) {
    try {
      return await act();
    } catch (err) {
      count.retries.inc();
      away(log, err);
    }
    if (stopped.aborted) return undefined;
    // spread, so that several of us do not come back at the same moment
    await pause(retryMs * (0.5 + Math.random() / 2), stopped);
  }
}

async function removeOld(redis: Redis, index: AuditIndex, log: Logger): Promise<void> {
  const isMine = await redis.set(removalLock, process.pid, 'PX', hourMs / 2, 'NX');
  if (isMine === null) return;
  const removed = await index.removeOld(Date.now());
  if (removed.length > 0) log.info({ event: 'audit.removed', indices: removed });
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
    deadLetters: counter('dead_letters', 'Audit events that Elasticsearch refused for good'),
    retries: counter('retries', 'Times a batch had to be tried again'),
  };
}

if (import.meta.main) await main();
