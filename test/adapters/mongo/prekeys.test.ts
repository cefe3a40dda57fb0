// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectMongo, type Database } from '../../../adapters/mongo/connect.ts';
import { createPreKeys, knownKey, type PreKeys } from '../../../adapters/mongo/prekeys.ts';
import type { KeySet, OneTimeKey } from '../../../domain/device.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { atOnce, uniqueName } from '../../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
let database: Database;
let preKeys: PreKeys;

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  preKeys = createPreKeys(database.connection);
  await database.ping();
});
after(async () => {
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

function unexpected(err: unknown): void {
  throw err;
}

/** The store does not look into keys, so texts stand for them. */
function keysFrom(first: number, length: number): OneTimeKey[] {
  return Array.from({ length }, (_, index) => ({ keyId: first + index, publicKey: `key ${first + index}` }));
}

const allOf = (set: KeySet) => atOnce(set.total, (index) => preKeys.read(set.setId, index));
const countOf = (collection: string, userId: string) =>
  database.connection.collection(collection).countDocuments({ _id: new RegExp(`^${userId}/`) as never });

describe('store()', () => {
  it('keeps the keys in the order of the upload, whatever their ids are', async () => {
    const keys = keysFrom(1, 23).reverse();
    const set = await preKeys.store(newId(), 'preKeys', keys);
    assert.deepEqual({ total: set.total, next: set.next }, { total: 23, next: 0 });
    assert.deepEqual(await allOf(set), keys);
    assert.equal(await preKeys.read(set.setId, 23), undefined);
    assert.equal(await preKeys.read(set.setId, 30), undefined);
  });

  it('keeps the signatures of KEM keys', async () => {
    const keys = [{ keyId: 7, publicKey: 'key 7', signature: 'signature 7' }];
    assert.deepEqual(await allOf(await preKeys.store(newId(), 'pqPreKeys', keys)), keys);
  });

  it('leaves out keys that were handed out before, and remembers both them and the upload', async () => {
    const userId = newId();
    const keys = keysFrom(1, 15);
    const spent = [...keysFrom(3, 2), ...keysFrom(90, 1), { keyId: 5, publicKey: 'another key' }].map(knownKey);
    const set = await preKeys.store(userId, 'preKeys', keys, { spent });
    assert.deepEqual(await allOf(set), [...keysFrom(1, 2), ...keysFrom(5, 11)]);
    assert.deepEqual(await preKeys.header(set.setId), {
      setId: set.setId,
      userId,
      kind: 'preKeys',
      uploaded: keys.map(knownKey),
      spent,
      total: 13,
    });
  });

  it('stores a set of which every key was handed out before', async () => {
    const keys = keysFrom(1, 4);
    const set = await preKeys.store(newId(), 'preKeys', keys, { spent: keys.map(knownKey) });
    assert.equal(set.total, 0);
    assert.equal(await preKeys.read(set.setId, 0), undefined);
  });

  it('stores equal keys as separate sets, also in parallel', async () => {
    const userId = newId();
    const sets = await atOnce(20, () => preKeys.store(userId, 'preKeys', keysFrom(1, 12)));
    assert.equal(new Set(sets.map(({ setId }) => setId)).size, 20);
    for (const set of sets) assert.deepEqual(await allOf(set), keysFrom(1, 12));
  });
});

describe('remove() and eraseOf()', () => {
  it('remove() removes the given sets with every key, and succeeds when it is repeated', async () => {
    const userId = newId();
    const [kept, ...others] = await atOnce(3, () => preKeys.store(userId, 'preKeys', keysFrom(1, 25)));
    assert.ok(kept);
    for (let time = 0; time < 2; time++) await preKeys.remove(others.map(({ setId }) => setId));
    assert.deepEqual([await countOf('prekeySets', userId), await countOf('prekeyPages', userId)], [1, 3]);
    assert.deepEqual(await allOf(kept), keysFrom(1, 25));
  });

  it('eraseOf() removes every set of a user and none of another', async () => {
    const userId = newId();
    // an id that begins with that of the user
    const others = [`${userId}0`, newId()];
    for (const id of [userId, ...others]) await preKeys.store(id, 'pqPreKeys', keysFrom(1, 11));
    for (let time = 0; time < 2; time++) await preKeys.eraseOf(userId);
    assert.deepEqual([await countOf('prekeySets', userId), await countOf('prekeyPages', userId)], [0, 0]);
    for (const id of others) {
      assert.deepEqual([await countOf('prekeySets', id), await countOf('prekeyPages', id)], [1, 2]);
    }
  });
});

describe('removeOrphans()', () => {
  it('removes old sets to which no device refers, with pages that a crash left incomplete', async () => {
    const userId = newId();
    const [used, unused, torn] = await atOnce(3, () => preKeys.store(userId, 'preKeys', keysFrom(1, 12)));
    assert.ok(used && unused && torn);
    await database.connection.collection('prekeyPages').deleteOne({ _id: `${torn.setId}/0` as never });
    const asked: string[] = [];
    const setsInUse = async (userIds: readonly string[]) => {
      asked.push(...userIds);
      return new Set([used.setId]);
    };
    assert.equal(await preKeys.removeOrphans(new Date(0), setsInUse), 0);
    assert.deepEqual(asked, []);
    await preKeys.removeOrphans(new Date(Date.now() + 1000), setsInUse);
    assert.equal(asked.filter((id) => id === userId).length, 1);
    assert.deepEqual([await countOf('prekeySets', userId), await countOf('prekeyPages', userId)], [1, 2]);
    assert.deepEqual(await allOf(used), keysFrom(1, 12));
    assert.equal(await preKeys.header(unused.setId), undefined);
  });
});
