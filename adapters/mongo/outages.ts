/**
 * Outages of MongoDB: what its driver raises while no server answers, and the answers of a server that is up and cannot
 * work: an election, a shutdown, a write that its replica set did not confirm, a shard that moves, a full disk.
 */
import mongoose, { mongo } from 'mongoose';
import { notedOutage, type Outage } from '../../platform/outages.ts';

/** Classes of the driver for a server that cannot be reached or does not answer in time. */
const driverClasses = [
  mongo.MongoNetworkError,
  mongo.MongoServerSelectionError,
  mongo.MongoNotConnectedError,
  mongo.MongoTopologyClosedError,
  mongo.MongoServerClosedError,
  mongo.MongoClientClosedError,
  mongo.MongoOperationTimeoutError,
  mongo.MongoStalePrimaryError,
  mongoose.Error.MongooseServerSelectionError,
] as const;

/** The codes of answers, by reason. https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
const codes: Readonly<Record<string, readonly number[]>> = {
  // NotWritablePrimary, PrimarySteppedDown, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary, InterruptedDueToReplStateChange
  'not-primary': [10_107, 189, 13_435, 13_436, 11_602],
  // ShutdownInProgress, InterruptedAtShutdown, CloseConnectionForShutdownCommand
  'shutting-down': [91, 11_600, 372],
  // HostUnreachable, HostNotFound, NetworkTimeout, SocketException, ReplicaSetNotFound, ShardNotFound, NoConfigPrimary
  'no-answer': [6, 7, 89, 9001, 71, 70, 149],
  // Interrupted, CursorKilled, QueryPlanKilled, LockTimeout, LockBusy, LockFailed, InterruptedDueToStorageChange
  interrupted: [11_601, 237, 175, 24, 46, 107, 355],
  // MaxTimeMSExpired, ExceededTimeLimit, NetworkInterfaceExceededTimeLimit, PooledConnectionAcquisitionExceededTimeLimit
  timeout: [50, 262, 202, 407],
  // WriteConcernTimeout, WriteConcernLegacyOK, UnknownReplWriteConcern, UnsatisfiableWriteConcern
  'write-not-confirmed': [64, 75, 79, 100],
  // FailedToSatisfyReadPreference, ReadConcernMajorityNotAvailableYet, NotYetInitialized, ElectionInProgress
  'no-primary': [133, 134, 94, 216],
  // StaleShardVersion, StaleEpoch, StaleDbVersion, StaleConfig, StaleChunkHistory, MigrationConflict
  'stale-config': [63, 150, 249, 13_388, 250, 272],
  // TooManyFilesOpen, ExceededMemoryLimit, TemporarilyUnavailable, ResourceExhausted, AdmissionQueueOverflow, RateLimitExceeded
  overloaded: [264, 146, 365, 402, 433, 449],
  // WriteConflict, which the server could not resolve by repeating
  'write-conflict': [112],
  'disk-full': [14_031],
  // UserWritesBlocked: an operator has blocked writes to the whole cluster
  'read-only': [371],
  // AuthenticationFailed, ReauthenticationRequired
  'credentials-refused': [18, 391],
};

const reasons: ReadonlyMap<number, string> = new Map(
  Object.entries(codes).flatMap(([reason, numbers]) => numbers.map((code) => [code, reason] as const)),
);

/** Labels by which a server or the driver says that a command may be repeated. */
const labels = ['RetryableWriteError', 'RetryableError', 'SystemOverloadedError', 'TransientTransactionError'];

/** Returns the outage of MongoDB that an error is; undefined if it is another error. */
export function mongoOutageOf(err: unknown): Outage | undefined {
  const reason = reasonOf(err);
  if (reason !== undefined) return { dependency: 'mongodb', reason };
  const noted = notedOutage(err);
  return noted?.dependency === 'mongodb' ? noted : undefined;
}

/** Returns whether an error means that MongoDB is unavailable or cannot work, as opposed to a refused operation. */
export function isMongoOutage(err: unknown): boolean {
  return mongoOutageOf(err) !== undefined;
}

function reasonOf(err: unknown): string | undefined {
  if (!(err instanceof Error)) return undefined;
  // an answer is judged by its code first: the driver's classes say less
  const known = codesOf(err).flatMap((code) => reasons.get(code) ?? [])[0];
  if (known !== undefined) return known;
  if (driverClasses.some((one) => err instanceof one)) return 'no-answer';
  if (err instanceof mongo.MongoBulkWriteError) return reasonOf(err.errorResponse) ?? labelled(err);
  return err instanceof mongo.MongoError ? labelled(err) : undefined;
}

function labelled(err: mongo.MongoError): string | undefined {
  return labels.some((label) => err.hasErrorLabel(label)) ? 'overloaded' : undefined;
}

/** The code of an answer, and that of a write that was made and not confirmed. */
function codesOf(err: Error): number[] {
  if (!(err instanceof mongo.MongoServerError)) return [];
  const unconfirmed = err instanceof mongo.MongoBulkWriteError ? err.result.getWriteConcernError()?.code : undefined;
  return [err.code, unconfirmed].filter((code) => typeof code === 'number');
}
