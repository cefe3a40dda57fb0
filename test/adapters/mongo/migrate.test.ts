// @rerun never
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { connectMongo } from '../../../adapters/mongo/connect.ts';
import { migrate, readMigrations, requireMigrated } from '../../../adapters/mongo/migrate.ts';
import { migrations } from '../../../adapters/mongo/migrations/all.ts';
import type { Migration } from '../../../adapters/mongo/migrations/migration.ts';
import { skeletonOf } from '../../../domain/usernames.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';

const url = withDatabase(testEngines().databaseUrl, uniqueName());
const patient = { serverMs: 600_000, answerMs: 600_000 };
const database = connectMongo(url, () => undefined, patient);
const { connection } = database;
const hashOf = Object.assign((kind: string, value: string) => `${kind}-${value}`, {
  // as in the middle of a rotation
  all: (kind: string, value: string) => [`${kind}-${value}`, `${kind}-former-${value}`],
});
await database.ping();

const made: string[] = [];
/** A migration that records what it does; it may be interrupted once after a position. */
const recording = (id: string, interruptAfter?: string): Migration => {
  let isInterrupted = false;
  return {
    id,
    about: id,
    async run({ position, save }) {
      for (const step of ['1', '2', '3'].filter((one) => one > (position ?? ''))) {
        made.push(`${id} ${step}`);
        await save(step);
        if (step !== interruptAfter || isInterrupted) continue;
        isInterrupted = true;
        throw new Error('interrupted');
      }
    },
  };
};

afterEach(async () => {
  made.length = 0;
  await connection.dropDatabase();
});
after(() => database[Symbol.asyncDispose]());

describe('Migrations', () => {
  it('of this build have numbers in order, make the indexes, and find nothing to do the second time', async () => {
    const ids = migrations.map(({ id }) => id);
    assert.deepEqual(
      ids.map((id) => Number(/^(\d{3})-[a-z-]+$/.exec(id)?.[1])),
      ids.map((_, index) => index + 1),
    );
    assert.deepEqual(await readMigrations(connection), { pending: ids, unknown: [] });
    assert.deepEqual(await migrate(connection, { hashOf }), ids);
    assert.deepEqual(await migrate(connection, { hashOf }), []);
    const indexes = await connection.collection('archive').listIndexes().toArray();
    assert.ok(indexes.some(({ key }) => key.lastAt === 1));
    // once more, as after a crash before the last write
    for (const { run } of migrations)
      await run({ connection, hashOf, position: undefined, save: async () => undefined });
  });

  it('F6: claim what names of earlier versions look like; the first account keeps the claim', async () => {
    const users = connection.collection<{ _id: string; username?: string }>('users');
    await users.insertMany([{ _id: 'a', username: 'c0smo' }, { _id: 'b', username: 'cosmo' }, { _id: 'c' }]);
    await migrate(connection, { hashOf });
    const claims = await connection.collection<{ _id: string; userId: string }>('claims').find({}).toArray();
    assert.deepEqual(
      claims.map(({ _id, userId }) => [_id, userId]),
      ['', 'former-'].map((key) => [`lookalike:lookalike-${key}${skeletonOf('cosmo')}`, 'a']),
    );
  });

  it('continue where an interrupted run stopped', async () => {
    const list = [recording('001-one'), recording('002-two', '2'), recording('003-three')];
    await assert.rejects(migrate(connection, { hashOf, migrations: list }), /interrupted/);
    assert.deepEqual((await readMigrations(connection, list)).pending, ['002-two', '003-three']);
    assert.deepEqual(await migrate(connection, { hashOf, migrations: list }), ['002-two', '003-three']);
    const steps = list.flatMap(({ id }) => ['1', '2', '3'].map((step) => `${id} ${step}`));
    assert.deepEqual(made, steps);
  });

  it('run once when many processes start at the same moment', async () => {
    const list = [recording('001-one'), recording('002-two')];
    const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(connection, { hashOf, migrations: list })));
    assert.equal(runs.filter((done) => done.length > 0).length, 1);
    assert.equal(made.length, 6);
  });

  it('are taken over from a process that was killed, and never run on beside the one that took over', async () => {
    const reached = Promise.withResolvers<void>();
    const resumed = Promise.withResolvers<void>();
    const frozen: Migration = {
      ...recording('001-one'),
      async run({ save }) {
        reached.resolve();
        await resumed.promise;
        await save('1');
      },
    };
    const first = migrate(connection, { hashOf, migrations: [frozen] });
    const refused = assert.rejects(first, /taken over/);
    await reached.promise;
    // as after its lease, which its clock did not renew
    await connection.collection('migrations').updateOne({ _id: 'lease' as never }, { $set: { until: 0 } });
    assert.deepEqual(await migrate(connection, { hashOf, migrations: [recording('001-one')] }), ['001-one']);
    resumed.resolve();
    await refused;
    assert.deepEqual((await readMigrations(connection, [frozen])).pending, []);
  });

  it('are required at the start of a process; a later build may have more', async () => {
    const log = pino({ level: 'silent' });
    await assert.rejects(requireMigrated(database, log), /001-archive-expiry, 002-claimed-lookalikes.*vyry migrate/);
    await migrate(connection, { hashOf, migrations: [...migrations, recording('999-later')] });
    await requireMigrated(database, log);
    assert.deepEqual(await readMigrations(connection), { pending: [], unknown: ['999-later'] });
  });
});
