/** MongoDB, or FerretDB in its place with its queries by id (engines/ferretdb/patch/where.go): both answer the same. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import mongoose from 'mongoose';
import { withDatabase } from '../../engines/processes.ts';
import { testEngines } from '../support/engines.ts';
import { uniqueName } from '../support/redis.ts';

const connection = await mongoose
  .createConnection(withDatabase(testEngines().databaseUrl, uniqueName()), { serverSelectionTimeoutMS: 600_000 })
  .asPromise();
after(async () => {
  await connection.dropDatabase();
  await connection.close();
});

describe('MongoDB', () => {
  it('finds, updates and deletes by ids, by ranges of them, and by an id and something else', async () => {
    const all = connection.collection<{ _id: string; even: boolean; seen?: number }>('documents');
    const ids = ['', 'a', 'a/', 'a/1', 'a/10/x', 'a/1:', 'a0', 'a=', 'aZ_', 'ab', 'b+', 'b.c-d', 'é', '中'];
    await all.insertMany(ids.map((_id, index) => ({ _id, even: index % 2 === 0 })));
    const found = async (filter: object) => (await all.find(filter).sort({ _id: 1 }).toArray()).map(({ _id }) => _id);
    for (const bound of ids) {
      assert.deepEqual(await found({ _id: { $gt: bound } }), ids.filter((id) => id > bound).sort(), `> ${bound}`);
      assert.deepEqual(await found({ _id: { $lte: bound } }), ids.filter((id) => id <= bound).sort(), `<= ${bound}`);
      const isEven = ids.indexOf(bound) % 2 === 0;
      assert.deepEqual(await found({ _id: bound, even: true }), isEven ? [bound] : []);
    }
    assert.deepEqual(await found({ _id: { $gte: 'a/', $lt: 'a0' } }), ['a/', 'a/1', 'a/10/x', 'a/1:']);
    assert.deepEqual(await found({ _id: { $in: ['b+', 'none', 'a', 'é'] }, even: { $exists: true } }), [
      'a',
      'b+',
      'é',
    ]);
    assert.deepEqual(await found({ _id: { $in: [] } }), []);
    assert.deepEqual(await found({ $or: [{ _id: 'a' }, { _id: 'ab' }] }), ['a', 'ab']);
    assert.equal(
      (await all.updateMany({ _id: { $in: ['a', 'ab'] }, even: true }, { $set: { seen: 1 } })).matchedCount,
      0,
    );
    assert.equal((await all.updateOne({ _id: 'a/', seen: { $exists: false } }, { $set: { seen: 1 } })).matchedCount, 1);
    assert.equal((await all.updateOne({ _id: 'a/', seen: { $exists: false } }, { $set: { seen: 2 } })).matchedCount, 0);
    assert.equal((await all.findOneAndUpdate({ _id: 'a/', seen: 1 }, { $inc: { seen: 1 } }))?.seen, 1);
    assert.equal((await all.deleteMany({ _id: { $gte: 'a/', $lt: 'a0' }, even: true })).deletedCount, 2);
    assert.equal(await all.countDocuments(), ids.length - 2);
  });
});
