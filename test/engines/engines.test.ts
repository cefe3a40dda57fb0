import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import type { Engine } from '../../engines/engine.ts';
import { type Engines, startEngines } from '../../engines/engines.ts';
import { identityOf } from '../../engines/process-table.ts';
import { eventually } from '../support/until.ts';

/** Longer than any response takes. */
const patienceMs = 600_000;

describe('startEngines()', () => {
  let folder: DataFolder;
  let engines: Engines;

  before(async () => {
    folder = await openTemporaryFolder();
    engines = await startEngines({ folder, env: {}, appendfsync: 'always', codecUrl: 'http://127.0.0.1:9' });
  });
  after(() => folder.close());

  it('keeps what Redis acknowledged across a kill and restart', async () => {
    const redis = new Redis(engines.urls.redisUrl, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    redis.on('error', () => {});
    await redis.set('kept', 'yes');
    await killAndStart(engines.redis);
    assert.equal(await redis.get('kept'), 'yes');
    assert.deepEqual(await redis.config('GET', 'appendfsync'), ['appendfsync', 'always']);
    redis.disconnect();
  });

  it('keeps what MongoDB acknowledged across a kill and restart', async () => {
    await withDatabase(engines, (db) => db.collection<{ _id: string }>('things').insertOne({ _id: 'kept' }));
    await killAndStart(engines.mongo);
    const found = await withDatabase(engines, (db) =>
      db.collection<{ _id: string }>('things').findOne({ _id: 'kept' }),
    );
    assert.equal(found?._id, 'kept');
  });

  it('updates a MongoDB document atomically: no parallel update is lost, and only one can be the first', async () => {
    await withDatabase(engines, async (db) => {
      const things = db.collection<{ _id: string; count: number; first?: number }>('things');
      await things.insertOne({ _id: 'shared', count: 0 });
      const all = Array.from({ length: 30 }, (_, index) => index);
      await Promise.all(
        all.map((index) => things.updateOne({ _id: 'shared' }, { $inc: { count: 1 }, $set: { [`of${index}`]: 1 } })),
      );
      const shared = await things.findOne({ _id: 'shared' });
      assert.deepEqual([shared?.count, Object.keys(shared ?? {}).length], [30, 32]);
      const firsts = await Promise.all(
        all.map((index) => things.updateOne({ _id: 'shared', first: { $exists: false } }, { $set: { first: index } })),
      );
      assert.equal(firsts.filter(({ modifiedCount }) => modifiedCount === 1).length, 1);
      const found = await Promise.all(all.map(() => things.findOneAndDelete({ _id: 'shared' })));
      assert.equal(found.filter((one) => one !== null).length, 1);
    });
  });

  it('keeps workflows and search attributes across a kill and restart of Temporal', async () => {
    const connection = await Connection.connect({ address: engines.urls.temporalAddress, connectTimeout: patienceMs });
    const client = new Client({ connection });
    await client.workflow.start('kept', { taskQueue: 'none', workflowId: 'kept', args: [] });
    await killAndStart(engines.temporal);
    const { status } = await eventually(() => client.workflow.getHandle('kept').describe());
    assert.equal(status.name, 'RUNNING');
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    assert.ok(customAttributes && 'VyryStep' in customAttributes && 'VyryCountry' in customAttributes);
    await connection.close();
  });

  it('configures the Temporal UI with the given codec endpoint', async () => {
    const settings = await fetch(`${engines.urls.temporalUiUrl}/api/v1/settings`);
    const { Codec } = (await settings.json()) as { Codec: { Endpoint: string } };
    assert.equal(Codec.Endpoint, 'http://127.0.0.1:9');
  });

  it('starts the directory and the outbox', async () => {
    assert.match(engines.urls.ldap.url, /^ldap:\/\/127\.0\.0\.1:\d+$/);
    await killAndStart(engines.ldap);
    const messages = await fetch(`${engines.urls.outboxUrl}/messages`);
    assert.deepEqual(await messages.json(), []);
  });

  it('leaves no process and no folder behind when the folder is closed', async () => {
    const { path } = folder;
    const { started } = JSON.parse(readFileSync(join(path, 'processes.json'), 'utf8')) as {
      started: { pid: number }[];
    };
    assert.equal(started.length, 4);
    await folder.close();
    assert.deepEqual(
      started.filter(({ pid }) => identityOf(pid) !== undefined),
      [],
    );
    assert.equal(existsSync(path), false);
  });
});

async function killAndStart(engine: Engine): Promise<void> {
  assert.ok(engine.process);
  await engine.process.kill();
  await engine.process.start();
}

async function withDatabase<T>(engines: Engines, use: (db: mongoose.mongo.Db) => Promise<T>): Promise<T> {
  const options = { serverSelectionTimeoutMS: patienceMs };
  const connection = await mongoose.createConnection(`${engines.urls.databaseUrl}/test`, options).asPromise();
  try {
    assert.ok(connection.db);
    return await use(connection.db);
  } finally {
    await connection.close();
  }
}
