// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectMongo, type Database } from '../../../adapters/mongo/connect.ts';
import { createDevices, type Devices } from '../../../adapters/mongo/devices.ts';
import type { DeviceSet, KeySet, NewDevice, Rotation, SignedKey, StoredDevice } from '../../../domain/device.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { atOnce, uniqueName } from '../../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
const max = 6;
let database: Database;
let devices: Devices;
/** The sets that the store told of. */
const told: [string, DeviceSet | undefined][] = [];

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  devices = createDevices(database.connection, {
    changed: async (userId, set) => void told.push([userId, set]),
    around: (_userId, write) => write(),
  });
  await database.ping();
});
after(async () => {
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

function unexpected(err: unknown): void {
  throw err;
}

let lastKeyId = 0;

function newKey(): SignedKey {
  lastKeyId++;
  return { keyId: lastKeyId, publicKey: newId(), signature: 'signature' };
}

function keySet(total: number): KeySet {
  return { setId: newId(), total, next: 0 };
}

function newDevice(given: Partial<NewDevice> = {}): NewDevice {
  const signedPreKey = newKey();
  return {
    name: 'Telephone',
    client: 'ios',
    registrationId: (signedPreKey.keyId % 16_000) + 1,
    identityKey: 'identity',
    signedPreKey,
    pqLastResortPreKey: newKey(),
    preKeys: keySet(100),
    pqPreKeys: keySet(100),
    capabilities: { 'a.b': true, $set: false },
    createdAt: 1000,
    addedBy: newId(),
    ...given,
  };
}

async function added(userId: string, given: Partial<NewDevice> = {}): Promise<StoredDevice> {
  const result = await devices.add(userId, newDevice(given), { max });
  assert.equal(result.outcome, 'added');
  return (result as { device: StoredDevice }).device;
}

async function setOf(userId: string): Promise<DeviceSet> {
  const set = await devices.read(userId);
  assert(set !== undefined);
  return set;
}

const idsOf = async (userId: string) => (await setOf(userId)).devices.map(({ deviceId }) => deviceId);

function rotationOf(set: DeviceSet, identityKey = newId()): Rotation {
  const keys = () => ({ signedPreKey: newKey(), pqLastResortPreKey: newKey(), pqPreKeys: keySet(0) });
  return { identityKey, devices: set.devices.map(({ deviceId }) => ({ deviceId, ...keys() })) };
}

describe('add()', () => {
  it('stores a device as it was given, under the lowest free id', async () => {
    const userId = newId();
    assert.equal(await devices.read(userId), undefined);
    const { identityKey, ...given } = newDevice();
    const result = await devices.add(userId, { identityKey, ...given }, { max });
    assert.deepEqual(result, { outcome: 'added', device: { ...given, deviceId: '1' }, ended: [], isFirst: true });
    const { version, ...stored } = await setOf(userId);
    assert.equal(version, 1);
    assert.deepEqual(stored, { userId, identityKey, devices: [{ ...given, deviceId: '1' }] });
    for (const expected of ['2', '3']) assert.equal((await added(userId)).deviceId, expected);
    await devices.markRemoved(userId, { deviceId: '2', createdAt: 1000 }, 2000);
    assert.equal((await added(userId)).deviceId, '4', 'the id of a device that is being removed is not free');
    await devices.finishRemoval(userId, '2', 2000);
    assert.equal((await added(userId)).deviceId, '2');
    assert.deepEqual(await idsOf(userId), ['1', '2', '3', '4']);
  });

  it('gives 20 parallel additions distinct ids, and refuses those beyond the limit', async () => {
    const userId = newId();
    const results = await atOnce(20, () => devices.add(userId, newDevice(), { max }));
    const ids = results.flatMap((result) => (result.outcome === 'added' ? [result.device.deviceId] : []));
    assert.deepEqual(ids.sort(), ['1', '2', '3', '4', '5', '6']);
    const refused = results.filter(({ outcome }) => outcome !== 'added');
    assert.deepEqual(refused, Array(14).fill({ outcome: 'limit', current: 6 }));
    assert.deepEqual(await idsOf(userId), ids);
  });

  it('lets one of two parallel first devices determine the identity key, in every round', async () => {
    for (let round = 0; round < 10; round++) {
      const userId = newId();
      const results = await atOnce(2, (index) => devices.add(userId, newDevice({ identityKey: `${index}` }), { max }));
      assert.deepEqual(results.map(({ outcome }) => outcome).sort(), ['added', 'identity-differs'], `round ${round}`);
      const winner = results.findIndex(({ outcome }) => outcome === 'added');
      assert.equal((await setOf(userId)).identityKey, `${winner}`);
    }
  });

  it('returns the device that it has already, also to parallel repeats', async () => {
    const [userId, given] = [newId(), newDevice()];
    const results = await atOnce(10, () => devices.add(userId, given, { max }));
    assert.deepEqual(results.map(({ outcome }) => outcome).sort(), ['added', ...Array(9).fill('repeated')]);
    assert.deepEqual(await idsOf(userId), ['1']);
    const other = await devices.add(userId, { ...given, signedPreKey: newKey() }, { max });
    assert.equal(other.outcome, 'added', 'other keys are another device');
    assert.equal((await devices.add(userId, { ...given, identityKey: 'x' }, { max })).outcome, 'identity-differs');
  });

  it('replaces all devices and the identity key at once', async () => {
    const userId = newId();
    for (let count = 0; count < max; count++) await added(userId);
    const given = newDevice({ identityKey: 'new', createdAt: 5000 });
    const result = await devices.add(userId, given, { max, isReplacing: true });
    assert(result.outcome === 'added' && !result.isFirst);
    assert.deepEqual(
      result.ended.map(({ deviceId }) => deviceId),
      ['1', '2', '3', '4', '5', '6'],
    );
    const set = await setOf(userId);
    assert.deepEqual([set.identityKey, ...(await idsOf(userId))], ['new', '7']);
    assert.equal(
      (await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 9000))?.removedAt,
      5000,
      'it is being removed already',
    );
    assert.equal((await devices.add(userId, given, { max, isReplacing: true })).outcome, 'repeated');
  });

  it('takes another identity key when no device is left', async () => {
    const userId = newId();
    await added(userId);
    await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 2000);
    assert.deepEqual(await idsOf(userId), []);
    await added(userId, { identityKey: 'another' });
    assert.equal((await setOf(userId)).identityKey, 'another');
  });
});

describe('markRemoved() and finishRemoval()', () => {
  it('do not touch a later device with the same id', async () => {
    const userId = newId();
    await added(userId, { createdAt: 1000 });
    assert.equal((await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 2000))?.removedAt, 2000);
    assert.equal(
      (await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 3000))?.removedAt,
      2000,
      'the first time stays',
    );
    await devices.finishRemoval(userId, '1', 2000);
    assert.equal(await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 2000), undefined);
    await added(userId, { createdAt: 1500 });
    assert.equal(
      await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 2000),
      undefined,
      'a late repeat',
    );
    await devices.finishRemoval(userId, '1', 2000);
    assert.deepEqual(await idsOf(userId), ['1']);
    assert.equal(await devices.markRemoved(userId, { deviceId: '2', createdAt: 1000 }, 5000), undefined);
  });
});

describe('changes of a device', () => {
  it('apply to devices that count, and to no field of another one', async () => {
    const userId = newId();
    const [one, two] = [await added(userId), await added(userId)];
    assert.equal(await devices.rename(userId, '2', 'Tablet'), true);
    assert.equal(await devices.setPush(userId, '2', 'push'), true);
    assert.deepEqual((await setOf(userId)).devices, [one, { ...two, name: 'Tablet', push: 'push' }]);
    assert.equal(await devices.setPush(userId, '2', undefined, { was: 'other' }), false);
    assert.equal(await devices.setPush(userId, '2', undefined, { was: 'push' }), true);
    assert.deepEqual((await setOf(userId)).devices, [one, { ...two, name: 'Tablet' }]);
    await devices.markRemoved(userId, { deviceId: '2', createdAt: 1000 }, 2000);
    for (const id of ['2', '3', '1.signedPreKey', 'x'])
      assert.equal(await devices.rename(userId, id, 'New'), false, id);
    assert.deepEqual((await setOf(userId)).devices, [one]);
  });

  it('are all kept when they are made at once', async () => {
    const userId = newId();
    for (let count = 0; count < max; count++) await added(userId);
    await atOnce<unknown>(12, (index) =>
      index % 2 === 0
        ? devices.rename(userId, `${index / 2 + 1}`, `name ${index}`)
        : devices.takeKeys(userId, `${(index + 1) / 2}`, { withOneTime: true }),
    );
    const found = (await setOf(userId)).devices.map(({ name, preKeys }) => [name, preKeys?.next]);
    assert.deepEqual(
      found,
      [0, 2, 4, 6, 8, 10].map((index) => [`name ${index}`, 1]),
    );
  });
});

describe('takeKeys()', () => {
  it('takes each key of 100 once, by 120 parallel calls', async () => {
    const userId = newId();
    const { preKeys } = await added(userId, { pqPreKeys: keySet(3) });
    const taken = await atOnce(120, () => devices.takeKeys(userId, undefined, { withOneTime: true }));
    const found = taken.flatMap((one) => one?.devices ?? []);
    const indexes = found.flatMap(({ preKey }) => preKey?.index ?? []).sort((a, b) => a - b);
    assert.deepEqual(
      indexes,
      Array.from({ length: 100 }, (_, index) => index),
    );
    assert(found.every(({ preKey }) => preKey === undefined || preKey.setId === preKeys?.setId));
    assert.deepEqual(found.flatMap(({ pqPreKey }) => pqPreKey?.left ?? []).sort(), [0, 1, 2]);
  });

  it('leaves one-time keys where the caller asks for none, and where there are none', async () => {
    const userId = newId();
    assert.equal(await devices.takeKeys(userId, undefined, { withOneTime: true }), undefined);
    const one = await added(userId);
    const { preKeys: _preKeys, pqPreKeys: _pqPreKeys, ...bare } = newDevice();
    await devices.add(userId, bare, { max });
    const without = await devices.takeKeys(userId, '1', { withOneTime: false });
    assert.deepEqual(without, { identityKey: 'identity', devices: [{ device: one }] });
    const both = await devices.takeKeys(userId, undefined, { withOneTime: true });
    assert.deepEqual(
      both?.devices.map(({ device, preKey }) => [device.deviceId, preKey?.left]),
      [
        ['1', 99],
        ['2', undefined],
      ],
    );
    await devices.markRemoved(userId, { deviceId: '1', createdAt: 1000 }, 2000);
    assert.equal(await devices.takeKeys(userId, '1', { withOneTime: true }), undefined);
  });

  it('leaves no device or key set behind when one is removed at the moment of a hand-out', async () => {
    const userId = newId();
    const { pqPreKeys: _pqPreKeys, ...withoutKem } = newDevice();
    await devices.add(userId, withoutKem, { max });
    const before = await setOf(userId);
    // what a hand-out does that read the set before the removal
    const late = { 'devices.d1.pqPreKeys.next': 1, 'devices.d2.preKeys.next': 1 };
    await database.connection.collection('devices').updateOne({ _id: userId as never }, { $inc: late });
    assert.deepEqual(await setOf(userId), before);
    const found = await devices.takeKeys(userId, undefined, { withOneTime: true });
    assert.deepEqual(
      found?.devices.map(({ device, pqPreKey }) => [device.deviceId, pqPreKey]),
      [['1', undefined]],
    );
    const added = await devices.add(userId, newDevice(), { max });
    assert.equal(added.outcome === 'added' && added.device.deviceId, '2');
    assert.equal((await devices.takeKeys(userId, '2', { withOneTime: true }))?.devices[0]?.preKey?.index, 0);
  });
});

describe('replaceKeys() and rotate()', () => {
  it('refuse a set that has changed, and a kind of which a key was handed out', async () => {
    const userId = newId();
    await added(userId);
    const seen = await setOf(userId);
    await devices.takeKeys(userId, '1', { withOneTime: true });
    assert.equal(await devices.replaceKeys(seen, '1', { preKeys: keySet(5) }), false);
    const signedPreKey = newKey();
    assert.equal(await devices.replaceKeys(seen, '1', { signedPreKey }), true, 'a hand-out does not change the set');
    assert.equal(await devices.replaceKeys(seen, '1', { signedPreKey: newKey() }), false);
    const again = await setOf(userId);
    assert.deepEqual(again.devices[0]?.signedPreKey, signedPreKey);
    assert.equal(again.devices[0]?.preKeys?.next, 1);
    const preKeys = keySet(5);
    assert.equal(await devices.replaceKeys(again, '1', { preKeys }), true);
    assert.deepEqual((await setOf(userId)).devices[0]?.preKeys, preKeys);
  });

  it('rotate every device at once, with other KEM one-time keys or none', async () => {
    const userId = newId();
    const [one] = [await added(userId), await added(userId)];
    const seen = await setOf(userId);
    const rotation = rotationOf(seen, 'new');
    const pqPreKeys = keySet(7);
    Object.assign(rotation.devices[1] ?? {}, { pqPreKeys });
    assert.equal(await devices.rotate(seen, rotation), true);
    const { identityKey, devices: rotated } = await setOf(userId);
    assert.equal(identityKey, 'new');
    assert.deepEqual(
      rotated.map(({ signedPreKey, pqLastResortPreKey }) => ({ signedPreKey, pqLastResortPreKey })),
      rotation.devices.map(({ signedPreKey, pqLastResortPreKey }) => ({ signedPreKey, pqLastResortPreKey })),
    );
    assert.deepEqual(
      rotated.map((device) => device.pqPreKeys),
      rotation.devices.map((device) => device.pqPreKeys),
    );
    assert.deepEqual(rotated[1]?.pqPreKeys, pqPreKeys);
    assert.deepEqual(rotated[0]?.preKeys, one.preKeys);
    assert.equal(await devices.rotate(seen, rotationOf(seen)), false);
  });

  it('rotate or remove, never half of both, in every round', async () => {
    for (let round = 0; round < 10; round++) {
      const userId = newId();
      for (let count = 0; count < 3; count++) await added(userId);
      const seen = await setOf(userId);
      const [isRotated] = await Promise.all([
        devices.rotate(seen, rotationOf(seen, 'new')),
        devices.markRemoved(userId, { deviceId: '2', createdAt: 1000 }, 2000),
        devices.takeKeys(userId, undefined, { withOneTime: true }),
      ]);
      const set = await setOf(userId);
      assert.deepEqual(await idsOf(userId), ['1', '3'], `round ${round}`);
      assert.equal(set.identityKey, isRotated ? 'new' : 'identity', `round ${round}`);
      const pqSets = set.devices.map(({ pqPreKeys }) => pqPreKeys?.total === 0);
      assert.deepEqual(pqSets, [isRotated, isRotated], `round ${round}`);
    }
  });
});

describe('changed()', () => {
  it('gets the newest set after each change that sends depend on, and after each repeat of one', async () => {
    const userId = newId();
    const device = newDevice();
    await devices.add(userId, device, { max });
    await devices.add(userId, device, { max });
    const { deviceId, createdAt } = await added(userId);
    await devices.rename(userId, deviceId, 'Another name');
    await devices.setPush(userId, deviceId, 'push');
    for (const at of [2000, 3000]) await devices.markRemoved(userId, { deviceId, createdAt }, at);
    await devices.finishRemoval(userId, deviceId, 2000);
    await devices.erase(userId);
    const own = told.filter(([id]) => id === userId).map(([, set]) => set);
    assert.deepEqual(
      own.map((set) => set?.devices.map((one) => [one.deviceId, one.push])),
      [['1'], ['1'], ['1', '2'], ['1', '2 push'], ['1'], ['1'], ['1'], undefined].map((set) =>
        set?.map((text) => text.split(' ')).map(([id, push]) => [id, push]),
      ),
    );
    const versions = own.flatMap((set) => set?.version ?? []);
    assert.deepEqual(
      versions,
      versions.toSorted((one, other) => one - other),
    );
  });

  it('fails a change that it refuses, which a repeat makes good', async () => {
    const refused = new Error('The copy is away');
    const userId = newId();
    let isAway = true;
    const copies: (DeviceSet | undefined)[] = [];
    const store = createDevices(database.connection, {
      around: (_userId, write) => write(),
      async changed(_userId, set) {
        if (isAway) throw refused;
        copies.push(set);
      },
    });
    const device = newDevice();
    await assert.rejects(store.add(userId, device, { max }), refused);
    isAway = false;
    assert.equal((await store.add(userId, device, { max })).outcome, 'repeated');
    assert.deepEqual(
      copies.map((set) => set?.devices.length),
      [1],
    );
  });
});

describe('erase()', () => {
  it('leaves nothing of an account', async () => {
    const userId = newId();
    await added(userId);
    await devices.erase(userId);
    await devices.erase(userId);
    assert.equal(await devices.read(userId), undefined);
  });
});
