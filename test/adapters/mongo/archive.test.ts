// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Archive, type ArchivePage, createArchive } from '../../../adapters/mongo/archive.ts';
import { connectMongo, type Database } from '../../../adapters/mongo/connect.ts';
import type { DeviceAddress } from '../../../domain/message.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
const createdAt = 1_700_000_000_000;
const base = 1_800_000_000_000;
let database: Database;
let archive: Archive;

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  archive = createArchive(database.connection);
  await database.ping();
  await database.connection.collection('archive').createIndex({ lastAt: 1 });
});
after(async () => {
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

function unexpected(err: unknown): void {
  throw err;
}

const newDevice = (): DeviceAddress => ({ userId: newId(), deviceId: '1' });
/** Message ids whose order as texts is another one: sequences from 1 to 12 within one millisecond. */
const idsFrom = (first: number, length: number) =>
  Array.from({ length }, (_, index) => `${base + Math.floor((first + index) / 12)}-${((first + index) % 12) + 1}`);
const endAt = (lastId = '') => ({ createdAt, lastId });

function pageOf(device: DeviceAddress, messageIds: string[], given: Partial<ArchivePage> = {}): ArchivePage {
  const entries = messageIds.map((messageId) => ({ messageId, entry: `sender 2 message 5 1 ${'x'.repeat(10)}` }));
  return { ...device, createdAt, moveId: newId(), entries, ...given };
}

const readAll = async (device: DeviceAddress, lastId: string | undefined, options = {}) =>
  (await archive.read(device, endAt(lastId), { count: 1000, ...options })).map(({ messageId }) => messageId);

describe('put() and read()', () => {
  it('return messages as they were sent, in their order, from any message on, whatever the order of the pages', async () => {
    const device = newDevice();
    const ids = idsFrom(0, 150);
    const pages = [
      pageOf(device, ids.slice(64, 128)),
      pageOf(device, ids.slice(0, 64)),
      pageOf(device, ids.slice(128)),
    ];
    await archive.put(pages);
    await archive.put(pages);
    assert.deepEqual(await readAll(device, ids.at(-1)), ids);
    assert.deepEqual((await archive.read(device, endAt(ids.at(-1)), { count: 1 }))[0], {
      messageId: ids[0],
      from: { userId: 'sender', deviceId: '2' },
      type: 'message',
      timestamp: 5,
      isUrgent: true,
      content: 'xxxxxxxxxx',
    });
    for (const at of [0, 9, 63, 64, 100, 149]) {
      assert.deepEqual(await readAll(device, ids.at(-1), { after: ids[at], count: 3 }), ids.slice(at + 1, at + 4));
    }
    assert.deepEqual(await readAll({ ...device, deviceId: '11' }, ids.at(-1)), []);
  });

  it('leave out what is behind the end, what another device had under the id, and a second copy', async () => {
    const device = newDevice();
    const ids = idsFrom(0, 20);
    await archive.put([
      pageOf(device, ids.slice(0, 10)),
      pageOf(device, ids.slice(2, 12)),
      pageOf(device, ids.slice(12)),
      pageOf(device, ids.slice(0, 5), { createdAt: createdAt - 1 }),
    ]);
    assert.deepEqual(await readAll(device, ids[11]), ids.slice(0, 12));
    assert.deepEqual(await readAll(device, ids[4]), ids.slice(0, 5));
    assert.deepEqual(await readAll(device, '5-0'), []);
  });

  it('discard the page of one move', async () => {
    const device = newDevice();
    const [kept, unfinished] = [pageOf(device, idsFrom(0, 5)), pageOf(device, idsFrom(5, 5))];
    await archive.put([kept, unfinished]);
    await archive.discard(device, unfinished);
    await archive.discard(device, unfinished);
    assert.deepEqual(await readAll(device, idsFrom(9, 1)[0]), idsFrom(0, 5));
  });
});

describe('acknowledge()', () => {
  it('removes each message once, also when parallel calls name it, and says when nothing is left', async () => {
    const device = newDevice();
    const ids = idsFrom(0, 40);
    const end = endAt(ids.at(-1));
    await archive.put([pageOf(device, ids.slice(0, 30)), pageOf(device, ids.slice(30))]);
    const some = ids.filter((_id, index) => index % 3 === 0);
    const removals = await Promise.all([1, 2, 3].map(() => archive.acknowledge(device, end, [...some, '1-1'])));
    assert.equal(
      removals.reduce((sum, { count }) => sum + count, 0),
      some.length,
    );
    assert.equal(
      removals.reduce((sum, { bytes }) => sum + bytes, 0),
      some.length * 10,
    );
    const left = ids.filter((id) => !some.includes(id));
    assert.deepEqual(await readAll(device, ids.at(-1)), left);
    assert.deepEqual(await archive.acknowledge(device, end, left.slice(1)), {
      count: left.length - 1,
      bytes: (left.length - 1) * 10,
      isEmpty: false,
    });
    assert.deepEqual(await archive.acknowledge(device, end, left), { count: 1, bytes: 10, isEmpty: true });
    assert.equal(await archive.count(device.userId), 0);
  });

  it('leaves no empty page when parallel calls remove a part each', async () => {
    const device = newDevice();
    const ids = idsFrom(0, 20);
    await archive.put([pageOf(device, ids)]);
    const removals = await Promise.all(
      [0, 1, 2, 3].map((part) => archive.acknowledge(device, endAt(ids.at(-1)), ids.slice(part * 5, part * 5 + 5))),
    );
    assert.deepEqual(
      removals.map(({ count }) => count),
      [5, 5, 5, 5],
    );
    assert.equal((await archive.acknowledge(device, endAt(ids.at(-1)), [])).isEmpty, true);
  });

  it('changes nothing behind the end of the archive, where the inbox in Redis has the message', async () => {
    const device = newDevice();
    const ids = idsFrom(0, 4);
    await archive.put([pageOf(device, ids)]);
    assert.equal((await archive.acknowledge(device, endAt(ids[1]), ids)).count, 2);
    assert.equal(await archive.count(device.userId), 2);
  });
});

describe('takeExpired() and remove()', () => {
  it('take pages of any device whose last message is old; they are not read any more, and taken until they are removed', async () => {
    const [device, other] = [newDevice(), newDevice()];
    const old = idsFrom(0, 3).map((id) => id.replace('18', '17'));
    const young = idsFrom(0, 3);
    await archive.put([pageOf(device, old), pageOf(device, young), pageOf(other, young)]);
    const before = base - 1;
    const [first] = await archive.takeExpired(before, { count: 10 });
    assert.deepEqual(
      { ...first, pageId: '' },
      {
        ...device,
        pageId: '',
        createdAt,
        firstId: old[0],
        lastId: old.at(-1),
        count: 3,
        bytes: 30,
      },
    );
    assert.deepEqual(await readAll(device, young.at(-1)), young);
    assert.equal((await archive.acknowledge(device, endAt(young.at(-1)), old)).count, 0);
    assert.deepEqual(await archive.takeExpired(before, { count: 10 }), [first]);
    assert(first !== undefined);
    await archive.remove(first);
    await archive.remove(first);
    assert.deepEqual(await archive.takeExpired(before, { count: 10 }), []);
  });
});

describe('drop() and erase()', () => {
  it('delete what is up to an end, a device, or everything of a user and nothing of another', async () => {
    const userId = newId();
    const others = [`${userId}0`, userId.slice(0, -1)].map((id) => ({ userId: id, deviceId: '1' }));
    const devices = ['1', '11', '2'].map((deviceId) => ({ userId, deviceId }));
    for (const device of [...devices, ...others]) {
      await archive.put([pageOf(device, idsFrom(0, 4)), pageOf(device, idsFrom(4, 4))]);
    }
    const [one, eleven, two] = devices as [DeviceAddress, DeviceAddress, DeviceAddress];
    const lastId = idsFrom(7, 1)[0];
    await archive.drop(eleven, endAt(idsFrom(3, 1)[0]));
    assert.deepEqual(await readAll(eleven, lastId), idsFrom(4, 4));
    await archive.erase(userId, '1');
    assert.deepEqual([await readAll(one, lastId), await readAll(two, lastId)], [[], idsFrom(0, 8)]);
    assert.equal(await archive.count(userId), 12);
    await archive.erase(userId);
    assert.equal(await archive.count(userId), 0);
    for (const other of others) assert.deepEqual(await readAll(other, lastId), idsFrom(0, 8));
  });
});
