/**
 * Migrations of the database: runs those that it lacks, in order, and tells which those are. The collection `migrations` has a
 * document for each one that was begun, and the lease of the process that runs them.
 *
 * Consistency: one process at a time holds the lease, and renews it while it works. When it ends in the middle, another
 * continues from the saved position once the lease is over. Its clock may differ from others by less than the lease. When
 * MongoDB is unavailable, calls throw; everything may be repeated.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from 'mongoose';
import { newId } from '../../platform/crypto.ts';
import type { Logger } from '../../platform/log.ts';
import { type Database, isDuplicateKey } from './connect.ts';
import { migrations as ours } from './migrations/all.ts';
import type { Migration, MigrationTools } from './migrations/migration.ts';

interface MigrationDocument {
  _id: string;
  startedAt?: Date;
  doneAt?: Date;
  position?: string;
  /** Of the lease. */
  owner?: string;
  until?: number;
}

/** The id of the lease, which no migration has. */
const lease = 'lease';

/** How a database compares with this build. */
export interface MigrationState {
  /** Ids of the migrations that it lacks, in order. */
  pending: string[];
  /** Ids of migrations that only a later build knows. */
  unknown: string[];
}

/** How migrations are run. */
export interface MigrateOptions extends Pick<MigrationTools, 'hashOf'> {
  /** Called when a migration begins and when it is done. */
  tell?: (what: { migration: Migration; state: 'begun' | 'done' }) => void;
  /** Called once, while another process runs them. */
  waiting?: () => void;
  /** Those of this build by default. */
  migrations?: readonly Migration[];
  /** How long a process may be silent before another one takes over, in milliseconds. */
  leaseMs?: number;
}

const usualLeaseMs = 30_000;
const lookMs = 200;

/** Returns which migrations a database lacks. */
export async function readMigrations(
  connection: Connection,
  migrations: readonly Migration[] = ours,
): Promise<MigrationState> {
  const known = await collectionOf(connection).find({}).toArray();
  const done = new Set(known.filter(({ doneAt }) => doneAt !== undefined).map(({ _id }) => _id));
  const ids = new Set(migrations.map(({ id }) => id));
  return {
    pending: migrations.map(({ id }) => id).filter((id) => !done.has(id)),
    unknown: known.map(({ _id }) => _id).filter((id) => id !== lease && !ids.has(id)),
  };
}

/** How long the start of a process waits for the database, and how often it then looks. */
const startMs = 3000;
const againMs = 1000;

/**
 * Checks at the start of a process that the database has the migrations of this build. When the database does not answer within
 * 3 s, the start goes on, and the process is told to stop (SIGTERM, exit code 1) if it turns out later that some are missing.
 *
 * @throws {Error} the database lacks migrations; the message names them
 */
export async function requireMigrated(database: Database, log: Logger): Promise<void> {
  const lacking = lackedBy(database);
  const problem = await Promise.race([lacking, pause(startMs, undefined, { ref: false })]);
  const tell = (err: Error) => log.error({ event: 'database.not-migrated', reason: err.message });
  if (problem !== undefined) {
    tell(problem);
    throw problem;
  }
  void lacking.then((late) => {
    if (late === undefined) return;
    tell(late);
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
}

async function lackedBy(database: Database): Promise<Error | undefined> {
  for (;;) {
    const found = await database
      .ping()
      .then(() => readMigrations(database.connection))
      .catch(() => undefined);
    if (found?.pending.length === 0) return undefined;
    if (found !== undefined)
      return new Error(`The database lacks migrations (${found.pending.join(', ')}): run npx vyry migrate first`);
    await pause(againMs, undefined, { ref: false });
  }
}

/**
 * Runs the migrations that the database lacks, in order, and returns their ids. While another process runs them, it waits, and
 * then runs what is left.
 *
 * @throws {Error} a migration failed; those before it are done, and the next run continues where it stopped
 */
export async function migrate(connection: Connection, options: MigrateOptions): Promise<string[]> {
  const { migrations = ours, leaseMs = usualLeaseMs } = options;
  const { pending } = await readMigrations(connection, migrations);
  if (pending.length === 0) return [];
  const owner = newId();
  await takeLease(connection, owner, { leaseMs, ...(options.waiting && { waiting: options.waiting }) });
  const renewing = setInterval(() => void renew(connection, owner, leaseMs).catch(() => undefined), leaseMs / 3);
  try {
    return await runAll(connection, owner, { ...options, migrations, leaseMs });
  } finally {
    clearInterval(renewing);
    await collectionOf(connection).deleteOne({ _id: lease, owner });
  }
}

async function runAll(
  connection: Connection,
  owner: string,
  { migrations, leaseMs, hashOf, tell }: MigrateOptions & Required<Pick<MigrateOptions, 'migrations' | 'leaseMs'>>,
): Promise<string[]> {
  const collection = collectionOf(connection);
  // another process may have run some meanwhile
  const { pending } = await readMigrations(connection, migrations);
  for (const migration of migrations.filter(({ id }) => pending.includes(id))) {
    const _id = migration.id;
    await collection.updateOne({ _id }, { $setOnInsert: { startedAt: new Date() } }, { upsert: true });
    const { position } = (await collection.findOne({ _id })) ?? {};
    tell?.({ migration, state: 'begun' });
    await migration.run({
      connection,
      hashOf,
      position,
      async save(reached) {
        await renew(connection, owner, leaseMs);
        await collection.updateOne({ _id }, { $set: { position: reached } });
      },
    });
    await renew(connection, owner, leaseMs);
    await collection.updateOne({ _id }, { $set: { doneAt: new Date() }, $unset: { position: 1 } });
    tell?.({ migration, state: 'done' });
  }
  return pending;
}

async function takeLease(
  connection: Connection,
  owner: string,
  { leaseMs, waiting }: { leaseMs: number; waiting?: () => void },
): Promise<void> {
  for (let looks = 0; ; looks++) {
    if (await claimLease(connection, owner, leaseMs)) return;
    if (looks === 0) waiting?.();
    await pause(lookMs);
  }
}

/** An insert, or a change of a lease that is over: of parallel ones, one succeeds. */
async function claimLease(connection: Connection, owner: string, leaseMs: number): Promise<boolean> {
  const collection = collectionOf(connection);
  const now = Date.now();
  const held = { owner, until: now + leaseMs };
  const { matchedCount } = await collection.updateOne({ _id: lease, until: { $lt: now } }, { $set: held });
  if (matchedCount > 0) return true;
  return collection.insertOne({ _id: lease, ...held }).then(
    () => true,
    (err: unknown) => {
      if (isDuplicateKey(err)) return false;
      throw err;
    },
  );
}

async function renew(connection: Connection, owner: string, leaseMs: number): Promise<void> {
  const until = Date.now() + leaseMs;
  const { matchedCount } = await collectionOf(connection).updateOne({ _id: lease, owner }, { $set: { until } });
  if (matchedCount === 0) throw new Error('Another process has taken over the migrations');
}

function collectionOf(connection: Connection) {
  return connection.collection<MigrationDocument>('migrations');
}
