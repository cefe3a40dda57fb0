/**
 * The connection to MongoDB. Only this folder uses Mongoose.
 *
 * Consistency: single-document writes on natural keys with majority write concern, so that an acknowledged write survives a
 * fail-over; reads from the primary, because a claim or an epoch is read right after it was written; no transactions (workflows
 * compensate). Both go before what the URL says. Timeout: a command waits 3 s for a server and 10 s for its answer, and the driver
 * repeats it once; both tries of a query take at most what is left of the budget of its request. When MongoDB is unavailable,
 * commands fail and the connection recovers automatically; `isMongoOutage` recognizes such errors.
 */
import { type Connection, type ConnectOptions, createConnection, mongo, type Query } from 'mongoose';
import { Failure } from '../../domain/failures.ts';
import { callTime } from '../../platform/budget.ts';
import type { Config } from '../../platform/config/config.ts';
import { noteOutage } from '../../platform/outages.ts';
import { createTlsContext, hasTlsFiles, type TlsFiles } from '../../platform/tls.ts';
import { mongoOutageOf } from './outages.ts';

const serverMs = 3000;
const answerMs = 10_000;
/** Longest time of the handshake of a connection; the default of the driver is 30 s. */
const handshakeMs = 5000;
const reopenMs = 1000;

/** Timeouts of the database: for a server (default 3 s) and for its response (default 10 s). */
export interface MongoTimes {
  serverMs?: number;
  answerMs?: number;
}

/** Which MongoDB a connection is for. */
export interface MongoPlace {
  /** A connection string. Several hosts with `replicaSet` are a replica set, whose primary is found again after a fail-over. */
  url: string;
  /** Certificates, which turn TLS on. The client certificate is also the account with `authMechanism=MONGODB-X509`. */
  tls?: TlsFiles;
}

type MongoConfig = Pick<Config<'api'>, Extract<keyof Config<'api'>, `DATABASE_${string}`>>;

/** Reads from the configuration which MongoDB is used. */
export function readMongoPlace(config: MongoConfig): MongoPlace {
  return {
    url: config.DATABASE_URL,
    tls: { ca: config.DATABASE_CA, cert: config.DATABASE_CERT, key: config.DATABASE_KEY },
  };
}

/** Returns whether connections are encrypted: by the URL, or because there are certificates. */
export function isMongoSecure({ url, tls = {} }: MongoPlace): boolean {
  return hasTlsFiles(tls) || url.startsWith('mongodb+srv:') || /[?&](tls|ssl)=true/.test(url);
}

/** `bufferTimeoutMS` is documented but missing in the types of Mongoose. */
function optionsOf({ url, tls = {} }: MongoPlace, times: MongoTimes): ConnectOptions & { bufferTimeoutMS: number } {
  return {
    ...(isMongoSecure({ url, tls }) && { tls: true, secureContext: createTlsContext(tls) }),
    serverSelectionTimeoutMS: times.serverMs ?? serverMs,
    bufferTimeoutMS: times.serverMs ?? serverMs,
    socketTimeoutMS: times.answerMs ?? answerMs,
    connectTimeoutMS: Math.max(handshakeMs, times.serverMs ?? 0),
    // a pool whose connections all wait for answers
    waitQueueTimeoutMS: times.answerMs ?? answerMs,
    writeConcern: { w: 'majority' },
    readPreference: 'primary',
    autoIndex: false,
    autoCreate: false,
  };
}

/** A database connection. Disposing it closes it and ends the attempts to connect. */
export interface Database extends AsyncDisposable {
  readonly connection: Connection;
  /**
   * Checks that the server answers and takes writes.
   *
   * @throws {Error} the server does not answer
   * @throws {Failure} unavailable: it is not the primary of its replica set
   */
  ping(): Promise<void>;
}

async function hello(connection: Connection): Promise<mongo.Document | undefined> {
  try {
    await connection.asPromise();
    return await connection.db?.command({ hello: 1 });
  } catch (err) {
    // for the report of health, which does not know the errors of the driver
    const outage = mongoOutageOf(err);
    throw outage === undefined ? err : noteOutage(err, outage);
  }
}

/** The kinds of queries of this folder. */
const queries = [
  'find',
  'findOne',
  'findOneAndUpdate',
  'findOneAndDelete',
  'updateOne',
  'deleteOne',
  'deleteMany',
] as const;

/** Opens a connection in the background and retries until it succeeds. Commands wait for it 3 s or the given time. */
export function connectMongo(
  given: MongoPlace | string,
  onError: (err: unknown) => void,
  times: MongoTimes = {},
): Database {
  const place = typeof given === 'string' ? { url: given } : given;
  const connection = createConnection();
  // prevents operator injection: an object in place of a value is compared, not interpreted as query operators
  connection.set('sanitizeFilter', true);
  connection.plugin((schema) => {
    schema.pre([...queries], function (this: Query<unknown, unknown>) {
      const usualMs = times.answerMs ?? answerMs;
      const ms = Math.ceil(callTime(2 * usualMs) / 2);
      if (ms < usualMs) this.setOptions({ socketTimeoutMS: ms } as never);
    });
  });
  // a command that has waited for the first connection in vain
  connection.on('buffer-end', ({ error }: { error?: Error }) => {
    noteOutage(error, { dependency: 'mongodb', reason: 'no-answer' });
  });
  const closed = new AbortController();
  const open = () => connection.openUri(place.url, optionsOf(place, times));
  const opened = openForEver(open, closed.signal, onError);
  return {
    connection,
    async ping() {
      const { isWritablePrimary = true } = (await hello(connection)) ?? {};
      if (!isWritablePrimary) throw new Failure('unavailable', { reason: 'not-primary' });
    },
    async [Symbol.asyncDispose]() {
      closed.abort();
      await connection.close(true);
      await opened;
    },
  };
}

/** Returns whether an insert failed because the `_id` exists. */
export function isDuplicateKey(err: unknown): boolean {
  return err instanceof mongo.MongoServerError && err.code === 11_000;
}

async function openForEver(
  open: () => Promise<unknown>,
  closed: AbortSignal,
  onError: (err: unknown) => void,
): Promise<void> {
  while (!closed.aborted) {
    try {
      await open();
      return;
    } catch (err) {
      onError(err);
      await new Promise((resolve) => setTimeout(resolve, reopenMs));
    }
  }
}
