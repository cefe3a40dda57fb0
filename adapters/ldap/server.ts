import CircuitBreaker from 'opossum';
import { Pool, TimeoutError } from 'tarn';
import { Outage } from './answer.ts';
import { type Account, Connection, type Target } from './connection.ts';

/** The options of one server. */
export interface ServerOptions extends Target {
  /** Maximum number of connections of both kinds together; at least one of each. */
  poolMax: number;
  /** How long the circuit breaker stays open before one request tries the server again. */
  retryMs: number;
}

/** The purpose of a connection. User passwords are never tried on a connection that searches. */
export type Purpose = 'search' | 'bind';

/** One server of the directory: two pools and a circuit breaker. */
export interface Server {
  /** Runs work on a connection of the pool. @throws {Outage} immediately while the circuit breaker is open */
  use<T>(purpose: Purpose, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Closes all connections after the running work has ended. */
  close(): Promise<void>;
}

/** Creates a server. Connections open on first use. */
export function createServer(options: ServerOptions, account: Account): Server {
  const bindMax = Math.max(1, Math.floor(options.poolMax / 2));
  const searchMax = Math.max(1, options.poolMax - bindMax);
  const pools: Record<Purpose, Pool<Connection>> = {
    search: createPool(() => new Connection(options, account), searchMax, options.timeoutMs),
    bind: createPool(() => new Connection(options), bindMax, options.timeoutMs),
  };
  const breaker = new CircuitBreaker((work: () => Promise<unknown>) => work(), {
    timeout: false,
    errorThresholdPercentage: 50,
    volumeThreshold: 4,
    resetTimeout: options.retryMs,
    errorFilter: (err: unknown) => !(err instanceof Outage),
    enableSnapshots: false,
  } as CircuitBreaker.Options<[() => Promise<unknown>]>);
  let lastOutage = new Outage('unreachable');
  let isClosed = false;

  const attempt = async <T>(connection: Connection, work: (connection: Connection) => Promise<T>): Promise<T> => {
    try {
      return await withConnection(connection, work, () => breaker.open());
    } catch (err) {
      if (err instanceof Outage) lastOutage = err;
      throw err;
    }
  };
  return {
    async use<T>(purpose: Purpose, work: (connection: Connection) => Promise<T>): Promise<T> {
      if (isClosed) throw new Outage('closed');
      if (breaker.opened) throw lastOutage;
      const pool = pools[purpose];
      const connection = await acquire(pool);
      try {
        return (await breaker.fire(() => attempt(connection, work))) as T;
      } catch (err) {
        throw CircuitBreaker.isOurError(err as Error) ? lastOutage : err;
      } finally {
        pool.release(connection);
      }
    },
    async close() {
      isClosed = true;
      await Promise.all([pools.search.destroy(), pools.bind.destroy()]);
      breaker.shutdown();
    },
  };
}

/**
 * Runs work on an open connection. If a connection that was already open is lost during the work, the server has
 * probably closed it earlier (a restart, an idle timeout): the connection is reopened and the work is repeated once.
 */
async function withConnection<T>(
  connection: Connection,
  work: (connection: Connection) => Promise<T>,
  onOpenFailed: () => void,
): Promise<T> {
  const open = async () => {
    try {
      await connection.open();
    } catch (err) {
      onOpenFailed();
      throw err;
    }
  };
  const wasOpen = connection.isOpen;
  if (!wasOpen) await open();
  try {
    return await work(connection);
  } catch (err) {
    if (!wasOpen || !(err instanceof Outage) || err.reason !== 'connection-lost') throw err;
    await open();
    return work(connection);
  }
}

function createPool(create: () => Connection, max: number, timeoutMs: number): Pool<Connection> {
  return new Pool({
    create: (done) => done(null, create()),
    destroy: (connection) => connection.close(),
    min: 0,
    max,
    acquireTimeoutMillis: timeoutMs * 2,
    idleTimeoutMillis: 60_000,
  });
}

async function acquire(pool: Pool<Connection>): Promise<Connection> {
  try {
    return await pool.acquire().promise;
  } catch (err) {
    throw new Outage(err instanceof TimeoutError ? 'busy' : 'closed');
  }
}
