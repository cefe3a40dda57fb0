// @rerun never
/** The care for inboxes with Redis and MongoDB, interrupted at every call of a store. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CareResult, createInboxCareActivities, type InboxCareDeps } from '../../activities/inbox-care.ts';
import { createArchive } from '../../adapters/mongo/archive.ts';
import { connectMongo, type Database } from '../../adapters/mongo/connect.ts';
import { createDevices, type Devices } from '../../adapters/mongo/devices.ts';
import { createFactChanges } from '../../adapters/redis/account-facts.ts';
import { connectRedis, type Redis } from '../../adapters/redis/connect.ts';
import { createDeviceActivity } from '../../adapters/redis/device-activity.ts';
import { createInboxes, type Inboxes } from '../../adapters/redis/inboxes.ts';
import { acknowledgeInbox, readInbox } from '../../api/inbox.ts';
import type { NewDevice } from '../../domain/device.ts';
import { type DeviceAddress, inboxMs } from '../../domain/message.ts';
import { withDatabase } from '../../engines/processes.ts';
import { newId } from '../../platform/crypto.ts';
import { testEngines } from '../support/engines.ts';
import { uniqueName } from '../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
const day = 86_400_000;
const now = 1_800_000_000_000;
const any = { max: 100_000, windowSeconds: 60 };
const at = { nodeId: 'node', connectionId: 'connection' };
let database: Database;
let redis: Redis;
let inboxes: Inboxes;
let devices: Devices;
let archive: ReturnType<typeof createArchive>;

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  // a database of its own: the care sees all inboxes that there are
  redis = connectRedis(`${testEngines().redisUrl.replace(/\/\d*$/, '')}/9`, unexpected, { timeoutMs: 600_000 });
  inboxes = createInboxes(redis);
  archive = createArchive(database.connection);
  devices = createDevices(database.connection, { changed: inboxes.writeDevices, around: createFactChanges(redis) });
  await redis.flushdb();
  await database.ping();
  await database.connection.collection('archive').createIndex({ lastAt: 1 });
});
after(async () => {
  await redis.flushdb();
  redis.disconnect();
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

function unexpected(err: unknown): void {
  throw err;
}

/** The activities, with what they tell. `killAt`: the number of the call of a store at which they are interrupted. */
function care({ killAt = 0, isDone = false, given = {} as Partial<InboxCareDeps> } = {}) {
  const told: unknown[] = [];
  let details: unknown;
  let calls = 0;
  const mortal = <T extends object>(store: T): T =>
    new Proxy(store, {
      get:
        (target, name) =>
        async (...args: unknown[]) => {
          const act = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
          calls++;
          if (calls !== killAt) return act(...args);
          // killed before the call, or when it was done and nobody had learned of it
          if (isDone) await act(...args);
          throw new Error('killed');
        },
    });
  const activities = createInboxCareActivities({
    inboxes: mortal(inboxes),
    archive: mortal(archive),
    devices: mortal(devices),
    activity: mortal(createDeviceActivity(redis)),
    events: {
      inboxesArchived: ({ moved, expired }) => void told.push({ moved, expired }),
      deviceSuspended: (device) => void told.push({ suspended: device.deviceId }),
      idleDeviceWarned: (device) => void told.push({ warned: device.deviceId }),
    },
    newId,
    progress: {
      read: () => details,
      save(saved) {
        details = structuredClone(saved);
      },
    },
    archiveAfterMs: day,
    idleMs: 60 * day,
    ...given,
  });
  return { activities, told, calls: () => calls };
}

/** Cares for all inboxes, as the workflow does. */
async function careForAll({ activities }: ReturnType<typeof care>, at = now): Promise<CareResult> {
  const result = await activities.careForInboxes({ now: at, cursor: '0' });
  await activities.expireArchive({ now: at });
  return result;
}

let lastKeyId = 0;

function newDevice(given: Partial<NewDevice> = {}): NewDevice {
  lastKeyId++;
  const key = { keyId: lastKeyId, publicKey: newId(), signature: 'signature' };
  return {
    name: 'Telephone',
    client: 'ios',
    registrationId: 5,
    identityKey: 'identity',
    signedPreKey: key,
    pqLastResortPreKey: key,
    capabilities: {},
    createdAt: now - 100 * day,
    addedBy: newId(),
    ...given,
  };
}

/** A user with one device for which messages wait that were taken at these instants. */
async function waiting(instants: readonly number[]): Promise<{ device: DeviceAddress; ids: string[] }> {
  const device = { userId: newId(), deviceId: '1' };
  await devices.add(device.userId, newDevice(), { max: 6 });
  const ids: string[] = [];
  for (const [index, instant] of instants.entries()) {
    const from = { userId: newId(), deviceId: '1' };
    const messages = [{ deviceId: '1', registrationId: 5, type: 'message' as const, content: 'abcd' }];
    const names = { clientMessageId: `${index}`, bodyHash: 'hash', timestamp: 1, nodeId: '' };
    const limits = { pair: any, recipient: any };
    const sent = await inboxes.send(
      { to: device.userId, from, ...names, messages, conversation: 'a', limits },
      instant,
    );
    assert.equal(sent.outcome, 'stored');
    ids.push((sent as { messageId: string }).messageId);
  }
  return { device, ids };
}

const readDeps = () => ({ inboxes, archive, events: { archiveReturned: () => undefined } });

/** Reads the whole inbox, page by page. */
async function readAll(device: DeviceAddress, count = 10): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const page = await readInbox(readDeps(), device, { after: ids.at(-1), count, bytes: 1000 });
    ids.push(...page.map(({ messageId }) => messageId));
    if (page.length < count) return ids;
  }
}

const stateOf = async ({ userId }: DeviceAddress) => (await inboxes.readStates(userId))[0];
const streamLength = ({ userId }: DeviceAddress) => redis.xlen(`inbox:{${userId}}:1`);
const instantsFrom = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index);
/** Two messages that expire, two pages that move, and two that stay. */
const mixed = [...instantsFrom(now - 31 * day, 2), ...instantsFrom(now - 2 * day, 70), ...instantsFrom(now - 5, 2)];

describe('careForInboxes()', () => {
  it('moves old messages to the archive and lets older ones expire; they come back in order and are acknowledged', async () => {
    const { device, ids } = await waiting(mixed);
    const run = care();
    const result = await careForAll(run);
    assert.deepEqual(run.told, [
      { moved: 70, expired: 2 },
      { moved: 0, expired: 0 },
    ]);
    assert.equal(result.cursor, '0');
    assert.equal(await streamLength(device), 2);
    const { count, bytes, gap } = (await stateOf(device)) ?? {};
    assert.deepEqual({ count, bytes }, { count: 72, bytes: 72 * 4 });
    assert.deepEqual(gap, { from: now - 31 * day, to: now - 31 * day + 1, count: 2, reason: 'expired' });
    assert.deepEqual(await readAll(device), ids.slice(2));
    await careForAll(care());
    assert.equal(await streamLength(device), 2, 'a second run finds nothing to do');
    for (const some of [ids.slice(0, 40), ids.slice(40, 74)]) await acknowledgeInbox(readDeps(), device, some);
    const left = await stateOf(device);
    assert.deepEqual([left?.count, left?.archive, await archive.count(device.userId)], [0, undefined, 0]);
  });

  it('loses and doubles nothing when it is killed at any call, and messages are acknowledged before it is repeated', async () => {
    const whole = care();
    await waiting(mixed);
    await careForAll(whole);
    for (let killAt = 1; killAt <= whole.calls() + 1; killAt++) {
      for (const isDone of [false, true]) {
        await redis.flushdb();
        const { device, ids } = await waiting(mixed);
        await careForAll(care({ killAt, isDone })).catch((err: Error) => assert.equal(err.message, 'killed'));
        const acknowledged = [3, 30, 68].map((index) => ids[index] ?? '');
        await acknowledgeInbox(readDeps(), device, acknowledged);
        const kept = ids.slice(2).filter((id) => !acknowledged.includes(id));
        // the first two expire at the first run that sees them
        const seen = (await readAll(device)).filter((id) => !ids.slice(0, 2).includes(id));
        assert.deepEqual(seen, kept, `interrupted at call ${killAt}`);
        await careForAll(care());
        assert.deepEqual(await readAll(device), kept, `repeated after call ${killAt}`);
        const state = await stateOf(device);
        assert.deepEqual([state?.count, state?.gap?.count], [kept.length, 2], `counted after call ${killAt}`);
        assert.equal(await streamLength(device), 2);
        assert.equal(await archive.count(device.userId), kept.length - 2, `no page is left over after call ${killAt}`);
      }
    }
  });

  it('leaves a connected device alone, and continues where an interrupted attempt was', async () => {
    await redis.flushdb();
    const { device, ids } = await waiting(instantsFrom(now - 2 * day, 3));
    await inboxes.connect(device, at);
    await careForAll(care());
    assert.equal(await streamLength(device), 3);
    await inboxes.disconnect(device, at);
    const progress = {
      read: () => ({ cursor: '0', moved: 7, expired: 0, suspended: 0, idle: [] }),
      save: () => undefined,
    };
    const resumed = care({ given: { progress } });
    assert.equal((await resumed.activities.careForInboxes({ now, cursor: '5' })).moved, 10);
    assert.deepEqual(await readAll(device), ids);
  });

  it('moves nothing of a device that is removed, and its archive ends with it', async () => {
    await redis.flushdb();
    const { device } = await waiting(instantsFrom(now - 2 * day, 3));
    await careForAll(care());
    const createdAt = now - 100 * day;
    await devices.markRemoved(device.userId, { deviceId: '1', createdAt }, now);
    assert.deepEqual([await stateOf(device), await readAll(device)], [undefined, []]);
    await archive.erase(device.userId, '1');
    assert.equal(await archive.count(device.userId), 0);
  });
});

describe('expireArchive()', () => {
  it('notes what expired once, also when it is killed at any call', async () => {
    for (let killAt = 0; killAt <= 5; killAt++) {
      for (const isDone of [false, true]) {
        await redis.flushdb();
        const { device, ids } = await waiting([...instantsFrom(now - 2 * day, 70), now - 5]);
        await careForAll(care());
        const later = now + inboxMs - day;
        await care({ killAt, isDone })
          .activities.expireArchive({ now: later })
          .catch(() => undefined);
        await care().activities.expireArchive({ now: later });
        await care().activities.careForInboxes({ now: later, cursor: '0' });
        assert.deepEqual(await readAll(device), ids.slice(70));
        const { count, gap } = (await stateOf(device)) ?? {};
        const lost = { from: now - 2 * day, to: now - 2 * day + 69, count: 70, reason: 'expired' };
        assert.deepEqual({ count, gap }, { count: 1, gap: lost }, `killed at call ${killAt}`);
      }
    }
  });
});

describe('idle linked devices', () => {
  it('are warned of once at 80 % of the time, then suspended; neither an only device nor one that links is', async () => {
    await redis.flushdb();
    const userId = newId();
    const createdAt = now - 200 * day;
    await devices.add(userId, newDevice({ createdAt }), { max: 6 });
    await devices.add(userId, newDevice({ createdAt, linkedBy: '1' }), { max: 6 });
    const activity = createDeviceActivity(redis);
    const activeAt = now - 50 * day;
    for (const deviceId of ['1', '2']) await activity.note(userId, deviceId, activeAt);
    const runAt = async (instant: number) => {
      const run = care();
      const { idle } = await run.activities.careForInboxes({ now: instant, cursor: '0' });
      for (const one of idle) await run.activities.noteIdleWarning(one, instant);
      return run.told.filter((one) => !Object.hasOwn(one as object, 'moved'));
    };
    assert.deepEqual(await runAt(activeAt + 48 * day - 1), []);
    assert.deepEqual(await runAt(activeAt + 48 * day), [{ warned: '2' }]);
    assert.deepEqual(await runAt(activeAt + 49 * day), []);
    assert.deepEqual(await runAt(activeAt + 60 * day), [{ suspended: '2' }]);
    assert.deepEqual(await runAt(activeAt + 61 * day), []);
    const suspended = (await inboxes.readStates(userId)).map((one) => one.suspendedAt !== undefined);
    assert.deepEqual(suspended, [false, true]);
    await activity.note(userId, '2', now);
    await inboxes.resume({ userId, deviceId: '2' });
    assert.deepEqual(await runAt(now + 48 * day), [{ warned: '2' }], 'after it was used, the time begins again');
  });

  it('lose their archive when they are suspended, and a gap counts it', async () => {
    await redis.flushdb();
    const { device } = await waiting(instantsFrom(now - 2 * day, 3));
    await devices.add(device.userId, newDevice(), { max: 6 });
    await careForAll(care());
    await inboxes.suspend(device);
    await careForAll(care());
    assert.equal(await archive.count(device.userId), 0);
    const { gap, archive: state } = (await stateOf(device)) ?? {};
    assert.deepEqual([gap?.count, gap?.reason, state], [3, 'overflow', undefined]);
  });
});
