/** What the processes that serve clients open: connections to the engines, and servers that listen. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Collector } from '../adapters/collector.ts';
import { connectMongo, readMongoPlace } from '../adapters/mongo/connect.ts';
import { connectRedis, connectSubscriber, pingRedis, readRedisPlace } from '../adapters/redis/connect.ts';
import { createHeartbeats } from '../adapters/redis/heartbeats.ts';
import { createWorkflowCodec } from '../adapters/temporal/codec.ts';
import { connectTemporal, createDataConverter } from '../adapters/temporal/connect.ts';
import { readTemporalPlace } from '../adapters/temporal/place.ts';
import type { Config } from '../platform/config/config.ts';
import type { Role } from '../platform/config/roles.ts';
import { newId } from '../platform/crypto.ts';
import { checkHealth, type DependencyHealth, withTimeout } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';

/** The variables that both the api and the gateway have. */
export type SharedConfig = Pick<Config<'api'>, keyof Config<'gateway'>>;

/** The connections of a process. */
export interface Connections extends AsyncDisposable {
  redis: ReturnType<typeof connectRedis>;
  /** For sends alone, because they may wait for replicas. */
  sends: ReturnType<typeof connectRedis>;
  /** For subscriptions to changes. */
  subscriber: ReturnType<typeof connectRedis>;
  /** For publications to connected devices. */
  publications: ReturnType<typeof connectRedis>;
  database: ReturnType<typeof connectMongo>;
  temporal: ReturnType<typeof connectTemporal>;
}

/** Opens the connections; each reconnects automatically. */
export function connect(config: SharedConfig, log: Logger, { record }: Collector): Connections {
  const away = (dependency: string) => (err: unknown) =>
    log.warn({ event: `${dependency}.away`, reason: (err as Error).message });
  const place = readRedisPlace(config);
  const stores = {
    redis: connectRedis(place, away('redis')),
    sends: connectRedis(place, away('redis')),
    subscriber: connectSubscriber(place, away('redis')),
    publications: connectSubscriber(place, away('redis')),
  };
  const database = connectMongo(readMongoPlace(config), away('database'));
  const temporal = connectTemporal({
    ...readTemporalPlace(config),
    dataConverter: createDataConverter(createWorkflowCodec(config.KEYS)),
    traceCipher: config.KEYS.cipher('trace'),
    record,
  });
  // otherwise the first burst of requests would share the short timeout of an unavailable Temporal
  temporal.connection.ensureConnected().catch(away('temporal'));
  return {
    ...stores,
    database,
    temporal,
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([temporal.connection.close(), database[Symbol.asyncDispose]()]);
      for (const connection of Object.values(stores)) connection.disconnect();
    },
  };
}

/** The checks of the engines that a process is connected to. Disposing removes what the checks have written. */
export interface EngineChecks extends AsyncDisposable {
  check(): Promise<DependencyHealth[]>;
}

/** How long the end of a process waits for Redis. */
const forgetMs = 1000;

/**
 * Creates the checks of a process. Redis is proved by a write, the heartbeat of this process: a server that answers and takes
 * no writes is down. MongoDB is asked whether it takes writes.
 */
export function createEngineChecks({ redis, database, temporal }: Connections, role: Role): EngineChecks {
  const heartbeats = createHeartbeats(redis);
  const processId = newId();
  return {
    check: () =>
      Promise.all([
        checkHealth('redis', async () => {
          await pingRedis(redis);
          const at = Date.now();
          await heartbeats.beat(role, processId, { at, dependencies: [] });
          // removes those of processes that were killed
          await heartbeats.read(role, at);
        }),
        checkHealth('mongodb', () => database.ping()),
        checkHealth('temporal', () =>
          temporal.withDeadline(Date.now() + 2000, () => temporal.workflowService.getSystemInfo({})),
        ),
      ]),
    async [Symbol.asyncDispose]() {
      await withTimeout(heartbeats.stop(role, processId), forgetMs).catch(() => undefined);
    },
  };
}

/** Listens until it is disposed: then requests in progress complete. @throws {Error} the port is in use */
export async function listen(server: Server, port: number, host: string): Promise<AsyncDisposable> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      // requests in progress complete; one that waits for a change must not delay the stop
      const timer = setTimeout(() => server.closeAllConnections(), 5000);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Returns the URL of a server that listens. */
export function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `http://${['0.0.0.0', '::'].includes(address) ? '127.0.0.1' : address}:${port}`;
}
