/**
 * The connection to MongoDB, the only place Mongoose is known beside the other files of this folder.
 *
 * Consistency: single-document writes on natural keys, majority write concern; no transactions (workflows undo).
 * Timeout: a command waits 3 s for a server. Away: it fails, the connection heals by itself; `isMongoOutage` tells.
 */
import { type Connection, type ConnectOptions, createConnection, mongo } from 'mongoose';

export type { Connection };

const serverMs = 3000;
const answerMs = 10_000;
const reopenMs = 1000;

/** How long one waits for the database; three seconds for a server and ten for its answer without them. */
export interface MongoTimes {
  serverMs?: number;
  answerMs?: number;
}

/** `bufferTimeoutMS` is documented and missing in Mongoose's types. */
function optionsOf(times: MongoTimes): ConnectOptions & { bufferTimeoutMS: number } {
  return {
    serverSelectionTimeoutMS: times.serverMs ?? serverMs,
    bufferTimeoutMS: times.serverMs ?? serverMs,
    socketTimeoutMS: times.answerMs ?? answerMs,
    writeConcern: { w: 'majority' },
    autoIndex: false,
    autoCreate: false,
  };
}

/** An open database; close it to stop trying. */
export interface Database extends AsyncDisposable {
  readonly connection: Connection;
  /** @throws {Error} the server does not answer */
  ping(): Promise<void>;
}

/** Opens a database by itself, however long its server takes to appear; commands wait for it 3 s or the given time. */
export function connectMongo(url: string, onError: (err: unknown) => void, times: MongoTimes = {}): Database {
  const connection = createConnection();
  // an object in the place of a value is compared, never read as operators of the query language
  connection.set('sanitizeFilter', true);
  const closed = new AbortController();
  const open = () => connection.openUri(url, optionsOf(times));
  const opened = openForEver(open, closed.signal, onError);
  return {
    connection,
    async ping() {
      await connection.asPromise();
      await connection.db?.command({ ping: 1 });
    },
    async [Symbol.asyncDispose]() {
      closed.abort();
      await connection.close(true);
      await opened;
    },
  };
}

/** Tells whether an error means that MongoDB could not be asked, rather than that it said no. */
export function isMongoOutage(err: unknown): boolean {
  if (!(err instanceof Error)) return false;
  // an insert of many wraps what its connection met
  if (err instanceof mongo.MongoBulkWriteError) return isMongoOutage(err.errorResponse);
  if (err instanceof mongo.MongoNetworkError || err instanceof mongo.MongoServerSelectionError) return true;
  return /buffering timed out|MongooseServerSelection|MongoNotConnected|PoolCleared|Topology is closed/.test(
    `${err.name} ${err.message}`,
  );
}

/** Tells whether an insert lost against an earlier one with the same `_id`. */
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
