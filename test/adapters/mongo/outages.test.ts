/** The answers of a MongoDB that is up and cannot work, given by a proxy in the place of a server, to the real driver. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Accounts, createAccounts } from '../../../adapters/mongo/accounts.ts';
import { type Archive, createArchive } from '../../../adapters/mongo/archive.ts';
import { connectMongo, type Database } from '../../../adapters/mongo/connect.ts';
import { isMongoOutage, mongoOutageOf } from '../../../adapters/mongo/outages.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { type DatabaseGate, startDatabaseGate } from '../../support/database-gate.ts';
import { testEngines } from '../../support/engines.ts';
import { testCipher, uniqueName } from '../../support/redis.ts';

const commands = ['find', 'insert', 'update', 'delete'];

/** Codes of real servers, with their names and why MongoDB cannot work. */
const refusals: [code: number, codeName: string, reason: string][] = [
  [10_107, 'NotWritablePrimary', 'not-primary'],
  [189, 'PrimarySteppedDown', 'not-primary'],
  [13_435, 'NotPrimaryNoSecondaryOk', 'not-primary'],
  [13_436, 'NotPrimaryOrSecondary', 'not-primary'],
  [11_602, 'InterruptedDueToReplStateChange', 'not-primary'],
  [91, 'ShutdownInProgress', 'shutting-down'],
  [11_600, 'InterruptedAtShutdown', 'shutting-down'],
  [11_601, 'Interrupted', 'interrupted'],
  [6, 'HostUnreachable', 'no-answer'],
  [50, 'MaxTimeMSExpired', 'timeout'],
  [262, 'ExceededTimeLimit', 'timeout'],
  [64, 'WriteConcernTimeout', 'write-not-confirmed'],
  [100, 'UnsatisfiableWriteConcern', 'write-not-confirmed'],
  [133, 'FailedToSatisfyReadPreference', 'no-primary'],
  [13_388, 'StaleConfig', 'stale-config'],
  [249, 'StaleDbVersion', 'stale-config'],
  [14_031, 'OutOfDiskSpace', 'disk-full'],
  [371, 'UserWritesBlocked', 'read-only'],
];

describe('a MongoDB that answers and cannot work', () => {
  let gate: DatabaseGate;
  let database: Database;
  let accounts: Accounts;
  let archive: Archive;
  before(async () => {
    gate = await startDatabaseGate(testEngines().databaseUrl);
    const url = withDatabase(gate.url, uniqueName());
    database = connectMongo(url, () => undefined, { serverMs: 600_000, answerMs: 600_000 });
    await database.ping();
    accounts = createAccounts(database.connection, [randomBytes(32)], testCipher('field'), {
      around: (_userId, write) => write(),
    });
    archive = createArchive(database.connection);
  });
  after(async () => {
    await database[Symbol.asyncDispose]();
    await gate[Symbol.asyncDispose]();
  });

  const device = { userId: newId(), deviceId: '1', createdAt: 1 };
  const writes = [
    () => accounts.insert({ userId: newId(), identity: {}, createdAt: new Date() }),
    () => accounts.disable(newId(), new Date()),
    () => archive.put([{ ...device, moveId: newId(), entries: [{ messageId: '1-1', entry: '{}' }] }]),
  ];
  const all = [...writes, () => accounts.read(newId()), () => archive.erase(newId())];

  /** Runs jobs while the proxy answers their commands with a document, and returns their errors. */
  async function errorsOf(document: object, jobs: (() => Promise<unknown>)[] = all): Promise<unknown[]> {
    gate.answer(commands, document);
    const settled = await Promise.allSettled(jobs.map((job) => job()));
    gate.open();
    return settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  }

  it('is an outage by the code of each answer', async () => {
    for (const [index, [code, codeName, reason]] of refusals.entries()) {
      // one each: after the answer of a former primary the driver asks the server for its state first
      const job = all.at(index % all.length) ?? assert.fail;
      const errors = await errorsOf({ ok: 0, code, codeName, errmsg: 'said in other words' }, [job]);
      assert.deepEqual(
        errors.map((err) => mongoOutageOf(err)?.reason),
        [reason],
        codeName,
      );
    }
  });

  it('is an outage by the label of an answer whose code is unknown', async () => {
    const document = { ok: 0, code: 999_999, errmsg: 'new', errorLabels: ['RetryableWriteError'] };
    assert.deepEqual((await errorsOf(document)).map(isMongoOutage), Array(5).fill(true));
  });

  it('is an outage when a write was made and its replica set did not confirm it', async () => {
    const writeConcernError = { code: 64, codeName: 'WriteConcernTimeout', errmsg: 'waiting' };
    const errors = await errorsOf({ ok: 1, n: 1, nModified: 1, writeConcernError }, writes);
    assert.deepEqual(
      errors.map((err) => mongoOutageOf(err)?.reason),
      Array(3).fill('write-not-confirmed'),
    );
  });

  it('is none when the operation is refused, whatever the words are', async () => {
    for (const [code, codeName] of [
      [13, 'Unauthorized'],
      [121, 'DocumentValidationFailure'],
      [9, 'FailedToParse'],
    ]) {
      const errors = await errorsOf({ ok: 0, code, codeName, errmsg: 'not primary, Topology is closed, ECONNREFUSED' });
      assert.deepEqual([errors.length, errors.some(isMongoOutage)], [5, false], String(codeName));
    }
  });
});
