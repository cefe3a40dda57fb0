// @permissions net, addons, files
/**
 * The role `gateway`: Socket.IO apart from the api, for deployments that scale it alone. It serves no operation of REST but
 * those of probes, and has neither the key of the data of users nor credentials of providers.
 */
import { Registry } from 'prom-client';
import { connectCollector } from '../adapters/collector.ts';
import { requireMigrated } from '../adapters/mongo/migrate.ts';
import { createAuditLog } from '../adapters/redis/audit.ts';
import { recordStart } from '../adapters/redis/configurations.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { createAuditedEvents } from '../platform/events/audited-events.ts';
import { dropPermissions, untilSignal } from '../platform/lifecycle.ts';
import { createLog, type Logger, logReady } from '../platform/log.ts';
import { collectProcessMetrics } from '../platform/process-metrics.ts';
import { connect, createEngineChecks, listen, urlOf } from './connections.ts';
import { createHttpServer, readTrustProxy } from './http.ts';
import { assembleMessaging } from './messaging.ts';
import { createProbeApp } from './rest.ts';

/** A listening gateway; disposal drains its connections. */
export interface Gateway extends AsyncDisposable {
  /** Records in the log and the audit log that the gateway is ready; its stop is recorded too. */
  logReady(): void;
}

/**
 * Connects to the dependencies and listens.
 *
 * @throws {Error} a port is in use, or the database lacks migrations
 */
export async function openGateway(config: Config<'gateway'>, log: Logger): Promise<Gateway> {
  await using open = new AsyncDisposableStack();
  const collector = open.use(await connectCollector('gateway', config, log));
  const connections = open.use(connect(config, log, collector));
  await requireMigrated(connections.database, log);
  const registry = new Registry();
  collectProcessMetrics(registry);
  const { events, auditLog } = createAuditedEvents({ role: 'gateway', config, log, registry }, (hooks) =>
    createAuditLog(connections.redis, { ...hooks, streamMax: config.AUDIT_STREAM_MAX }),
  );
  open.use(auditLog);
  const messaging = open.use(await assembleMessaging(config, connections, { events, hasSockets: true }));
  const engines = open.use(createEngineChecks(connections, 'gateway'));
  const app = createProbeApp({
    config: ofApi(config),
    events,
    recordSpan: collector.record,
    checkDependencies: async () => [...(await engines.check()), await messaging.checkDurability()],
    metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  });
  const server = createHttpServer(app, messaging.isUpgrade);
  const sockets = await messaging.serve({ ...messaging.deps, config: ofApi(config) }, server, readTrustProxy(app));
  open.use(await listen(server, config.SERVER_PORT, config.SERVER_HOST));
  open.use(sockets);
  open.defer(() => events.processStopped());
  const opened = open.move();
  return {
    logReady() {
      logReady(log, { url: urlOf(server) });
      void recordStart({ redis: connections.redis, events, config }, 'gateway');
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/**
 * Returns the configuration in the type that operations declare. The gateway has only a part of it: an operation that asks
 * for another variable fails, and is no operation for the gateway.
 */
function ofApi(config: Config<'gateway'>): Config<'api'> {
  return new Proxy(config, {
    get(target, name) {
      if (typeof name === 'string' && !(name in target)) throw new Error(`The role gateway does not have ${name}`);
      return Reflect.get(target, name);
    },
  }) as unknown as Config<'api'>;
}

async function main(): Promise<void> {
  const config = readConfig('gateway');
  const log = createLog('gateway', config.LOG_LEVEL);
  await using gateway = await openGateway(config, log);
  dropPermissions(['worker', 'addon', 'child', 'fs.write'], []);
  gateway.logReady();
  const signal = await untilSignal();
  log.info({ event: 'process.stopping', signal });
}

if (import.meta.main) await main();
