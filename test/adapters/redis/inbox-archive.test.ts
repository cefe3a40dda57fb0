// @rerun never
/** The way of old messages out of inboxes in Redis; test/activities/inbox-care.test.ts has it with MongoDB. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { type DatedDevice, pageCountMax } from '../../../adapters/redis/inbox-archive.ts';
import { createInboxes, type Inboxes } from '../../../adapters/redis/inboxes.ts';
import { newId } from '../../../platform/crypto.ts';
import { atOnce, connectTestRedis } from '../../support/redis.ts';

let redis: Redis;
let inboxes: Inboxes;

before(() => {
  redis = connectTestRedis();
  inboxes = createInboxes(redis);
});
after(() => redis.disconnect());

const createdAt = 1_700_000_000_000;
const base = 1_750_000_000_000;
const at = { nodeId: 'node', connectionId: 'connection' };
const any = { max: 1000, windowSeconds: 60 };

/** A device for which messages wait, one of each millisecond from `base` on. */
async function waiting(count: number, length = 10): Promise<{ device: DatedDevice; ids: string[] }> {
  const device = { userId: newId(), deviceId: '1', createdAt };
  await inboxes.writeDevices(device.userId, { version: 1, devices: [{ ...device, registrationId: 5 }] });
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const sent = await inboxes.send(
      {
        to: device.userId,
        from: { userId: newId(), deviceId: '1' },
        clientMessageId: `${index}`,
        bodyHash: 'hash',
        messages: [{ deviceId: '1', registrationId: 5, type: 'message', content: 'x'.repeat(length) }],
        timestamp: 1,
        conversation: 'a',
        limits: { pair: any, recipient: { ...any, max: 100_000 } },
        nodeId: '',
      },
      base + index,
    );
    assert.equal(sent.outcome, 'stored');
    ids.push((sent as { messageId: string }).messageId);
  }
  return { device, ids };
}

const inStream = async (device: DatedDevice) =>
  (await inboxes.read(device, { count: 1000 })).map(({ messageId }) => messageId);
const stateOf = async ({ userId }: DatedDevice) => (await inboxes.readStates(userId))[0];

describe('beginMove() and finishMove()', () => {
  it('move the oldest messages: they leave the stream, still count, and the archive ends behind them', async () => {
    const { device, ids } = await waiting(4);
    const move = await inboxes.beginMove(device, 'm1', base + 3);
    assert(move !== undefined);
    assert.deepEqual(
      move.entries.map(({ messageId }) => messageId),
      ids.slice(0, 3),
    );
    assert.equal(move.unfinishedId, undefined);
    assert.deepEqual(await inStream(device), ids, 'they stay until the move is finished');
    assert.equal(await inboxes.readArchiveEnd(device), undefined);
    assert.equal(await inboxes.finishMove(device, 'm1', move.entries), true);
    assert.deepEqual(await inStream(device), ids.slice(3));
    assert.deepEqual(await inboxes.readArchiveEnd(device), { createdAt, lastId: ids[2] });
    assert.deepEqual([(await stateOf(device))?.count, (await stateOf(device))?.bytes], [4, 40]);
    assert.equal(await inboxes.finishMove(device, 'm1', move.entries), false, 'a repeat moves nothing');
    assert.equal(await inboxes.beginMove(device, 'm2', base + 3), undefined);
  });

  it('move a page at a time, of messages or of bytes', async () => {
    const many = await waiting(pageCountMax + 1);
    assert.equal((await inboxes.beginMove(many.device, 'm', base + 1000))?.entries.length, pageCountMax);
    const large = await waiting(12, 120_000);
    assert.equal((await inboxes.beginMove(large.device, 'm', base + 1000))?.entries.length, 8);
  });

  it('let the later one of two moves finish, which learns of the earlier one', async () => {
    const { device } = await waiting(2);
    const first = await inboxes.beginMove(device, 'm1', base + 10);
    const second = await inboxes.beginMove(device, 'm2', base + 10);
    assert(first !== undefined && second !== undefined);
    assert.equal(second.unfinishedId, 'm1');
    assert.equal(await inboxes.finishMove(device, 'm1', first.entries), false);
    assert.equal(await inboxes.finishMove(device, 'm2', second.entries), true);
  });

  it('move nothing once a message was acknowledged or the device connected, and nothing of another device', async () => {
    const { device, ids } = await waiting(3);
    const move = await inboxes.beginMove(device, 'm1', base + 10);
    assert(move !== undefined);
    await inboxes.acknowledge(device, [ids[1] ?? '']);
    assert.equal(await inboxes.finishMove(device, 'm1', move.entries), false);
    const again = await inboxes.beginMove(device, 'm2', base + 10);
    assert(again !== undefined);
    await inboxes.connect(device, at);
    assert.equal(await inboxes.finishMove(device, 'm2', again.entries), false);
    assert.equal(await inboxes.beginMove(device, 'm3', base + 10), undefined);
    await inboxes.disconnect(device, at);
    assert.equal(await inboxes.beginMove({ ...device, createdAt: 1 }, 'm3', base + 10), undefined);
    assert.deepEqual(await inStream(device), [ids[0], ids[2]]);
  });

  it('refuse suspended and removed devices', async () => {
    const { device } = await waiting(2);
    const set = [device, { ...device, deviceId: '2' }].map((one) => ({ ...one, registrationId: 5 }));
    await inboxes.writeDevices(device.userId, { version: 2, devices: set });
    await inboxes.suspend(device);
    assert.equal(await inboxes.beginMove(device, 'm', base + 10), undefined);
    await inboxes.writeDevices(device.userId, { version: 3, devices: set.slice(1) });
    assert.equal(await inboxes.beginMove(device, 'm', base + 10), undefined);
    assert.equal(await inboxes.settleArchived(device, { count: 1 }), false);
  });

  it('lose and double nothing when acknowledgements and a connection come at the same moment, in every round', async () => {
    for (let round = 0; round < 20; round++) {
      const { device, ids } = await waiting(6);
      const move = await inboxes.beginMove(device, 'm', base + 10);
      assert(move !== undefined);
      const [acknowledged, , hasMoved] = await Promise.all([
        inboxes.acknowledge(device, ids.slice(0, 2)),
        round % 2 === 0 ? inboxes.connect(device, at) : undefined,
        inboxes.finishMove(device, 'm', move.entries),
      ]);
      const left = await inStream(device);
      if (hasMoved) assert.deepEqual([acknowledged.unknown, left], [ids.slice(0, 2), []]);
      else assert.deepEqual([acknowledged.unknown, left], [[], ids.slice(2)]);
    }
  });
});

describe('expireMessages()', () => {
  it('deletes old messages once, lowers what waits, and notes the gap; a connection does not stop it', async () => {
    const { device, ids } = await waiting(5);
    await inboxes.connect(device, at);
    const counts = await atOnce(3, () => inboxes.expireMessages(device, base + 3, 100));
    assert.deepEqual(counts.sort(), [0, 0, 3]);
    assert.deepEqual(await inStream(device), ids.slice(3));
    const { count, bytes, gap } = (await stateOf(device)) ?? {};
    assert.deepEqual({ count, bytes, gap }, { count: 2, bytes: 20, gap: gapOf(0, 2) });
    assert.equal(await inboxes.expireMessages(device, base + 9, 1), 1);
    assert.equal(await inboxes.expireMessages({ ...device, createdAt: 1 }, base + 9, 100), 0);
    assert.deepEqual((await stateOf(device))?.gap, gapOf(0, 3));
  });
});

const gapOf = (from: number, to: number) => ({
  from: base + from,
  to: base + to,
  count: to - from + 1,
  reason: 'expired' as const,
});

describe('settleArchived()', () => {
  it('counts an expired page once, and only if the archive ends behind it', async () => {
    const { device, ids } = await waiting(4);
    const move = await inboxes.beginMove(device, 'm', base + 2);
    await inboxes.finishMove(device, 'm', move?.entries ?? []);
    const page = { count: 2, bytes: 20, gap: gapOf(0, 1), expiredId: ids[1] ?? '' };
    assert.deepEqual((await atOnce(3, () => inboxes.settleArchived(device, page))).sort(), [false, false, true]);
    assert.equal(await inboxes.settleArchived(device, { ...page, expiredId: ids[3] ?? '' }), false);
    const { count, bytes, gap } = (await stateOf(device)) ?? {};
    assert.deepEqual({ count, bytes, gap }, { count: 2, bytes: 20, gap: gapOf(0, 1) });
  });

  it('keeps an archive that got messages since it was found empty', async () => {
    const { device, ids } = await waiting(2);
    const first = await inboxes.beginMove(device, 'm1', base + 1);
    await inboxes.finishMove(device, 'm1', first?.entries ?? []);
    const state = (await stateOf(device))?.archive;
    const second = await inboxes.beginMove(device, 'm2', base + 2);
    await inboxes.finishMove(device, 'm2', second?.entries ?? []);
    await inboxes.settleArchived(device, { archive: state });
    assert.deepEqual(await inboxes.readArchiveEnd(device), { createdAt, lastId: ids[1] });
    await inboxes.settleArchived(device, { archive: (await stateOf(device))?.archive });
    assert.equal(await inboxes.readArchiveEnd(device), undefined);
  });
});

describe('scanInboxes()', () => {
  it('finds every inbox, from any interruption on', async () => {
    const made = await atOnce(5, () => waiting(1));
    const found = new Set<string>();
    for (let cursor = ''; cursor !== '0'; ) {
      const part = await inboxes.scanInboxes(cursor || '0');
      for (const [first] of part.inboxes) if (first !== undefined) found.add(first.userId);
      cursor = part.cursor;
    }
    for (const { device } of made) assert.ok(found.has(device.userId));
  });
});
