/**
 * Devices: one document for each account that has or had a device, in `devices` by user id. It has the identity key and
 * every device, so one write changes several devices, or the identity key with the keys that it signs (decision 044).
 *
 * Consistency: a change of the set reads it, decides by the rules of domain/device.ts, and writes on condition that
 * `version` is unchanged; otherwise it reads again. Each change raises `version`, except handing out one-time keys: that
 * increments the counters of the key sets without a condition, so hand-outs do not disturb each other. When MongoDB is
 * unavailable, calls throw; every change may be repeated.
 *
 * Inboxes have a copy of what a send needs of a set. Each change that matters to it calls `changed` with the newest set
 * and waits for it. Calls of parallel changes may come in any order: the copy takes a set with a higher `version` only.
 * A crash between a change and its call leaves an older copy for a while. The change is then repeated, by the activity or
 * by the app that got no answer, and a repeat calls `changed` again; and the copy is refreshed when a device connects and
 * before a send is refused because of its devices.
 */
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import {
  type AdditionRules,
  additionTo,
  type DeviceSet,
  isLiving,
  type KeyChange,
  type KeySet,
  keysLeft,
  type NewDevice,
  type Rotation,
  type StoredDevice,
  setIdsOf,
  type TakenKey,
  type TakenKeys,
} from '../../domain/device.ts';
import { isDuplicateKey } from './connect.ts';
import { type AroundChange, changesAround } from './person-changes.ts';

/** The store of devices. */
export type Devices = ReturnType<typeof createDevices>;

/** What else a change of devices does. */
export interface DeviceHooks {
  /** Takes the newest set of a user, without devices that are being removed; undefined after `erase`. Safe to repeat. */
  changed: (userId: string, set: DeviceSet | undefined) => Promise<unknown>;
  /** Makes every change that adds, removes or renames devices. */
  around: AroundChange;
}

/** What the store did with a device that was to be added. */
type AddedDevice =
  | {
      outcome: 'added';
      device: StoredDevice;
      /** The devices that it replaces, which are being removed. */
      ended: StoredDevice[];
      /** The account had no device. */
      isFirst: boolean;
    }
  | { outcome: 'repeated'; device: StoredDevice }
  | { outcome: 'limit'; current: number }
  | { outcome: 'identity-differs' }
  | { outcome: 'linker-gone' };

/** Keys of some devices of an account. */
export interface HandOut {
  identityKey: string;
  devices: TakenKeys[];
}

interface DeviceDocument extends Omit<StoredDevice, 'deviceId' | 'capabilities'> {
  /** JSON, because names of capabilities may have dots. */
  capabilities: string;
}

interface SetDocument {
  _id: string;
  identityKey: string;
  version: number;
  /** By `d` and the device id. */
  devices: Record<string, DeviceDocument>;
}

type Sets = Model<SetDocument>;
/** What an update sets and removes, by dotted paths. */
type Fields = Record<string, unknown>;

const schema = new Schema<SetDocument>(
  {
    _id: { type: String, required: true },
    identityKey: { type: String, required: true },
    version: { type: Number, required: true },
    devices: { type: Schema.Types.Mixed, required: true },
  },
  { collection: 'devices', versionKey: false, strict: 'throw', minimize: false },
);

/** Creates the store of devices. A change that `changed` refuses has taken effect: the caller repeats it. */
export function createDevices(connection: Connection, { changed, around }: DeviceHooks) {
  const sets = connection.model<SetDocument>('DeviceSet', schema);
  const tellChanged = async (userId: string) => {
    await changed(userId, await readLiving(sets, userId));
  };
  return {
    /** Returns the devices of an account, without those that are being removed; undefined if it never had one. */
    read: (userId: string): Promise<DeviceSet | undefined> => readLiving(sets, userId),

    /** Returns the devices of an account that are being removed. */
    async readRemoved(userId: string): Promise<StoredDevice[]> {
      return (await readAll(sets, userId))?.devices.filter((device) => !isLiving(device)) ?? [];
    },
    /** Returns the ids of the sets of one-time keys to which the devices of these accounts refer. */
    setsInUse: (userIds: readonly string[]): Promise<Set<string>> => setsInUse(sets, userIds),

    ...changesAround(around, { ...createAdditions(sets, tellChanged), ...createDeviceChanges(sets, tellChanged) }),
    ...createKeyChanges(sets),
  };
}

/** The operations that add and remove devices. A repeat that finds nothing to do tells of the set again. */
function createAdditions(sets: Sets, tellChanged: (userId: string) => Promise<void>) {
  return {
    /**
     * Adds a device with the lowest free id. Of parallel first devices of an account one determines its identity key.
     * A device that the account has already is returned as it is stored.
     */
    async add(userId: string, device: NewDevice, rules: AdditionRules): Promise<AddedDevice> {
      const added = await addTo(sets, userId, device, rules);
      if (added.outcome === 'added' || added.outcome === 'repeated') await tellChanged(userId);
      return added;
    },

    /**
     * Marks a device as being removed: from now on nothing of it counts, and its id is not free yet. Returns it, also
     * if it was marked before; undefined if there is none, or the one with this id is another one. Safe to repeat.
     */
    async markRemoved(
      userId: string,
      { deviceId, createdAt }: Pick<StoredDevice, 'deviceId' | 'createdAt'>,
      at: number,
    ): Promise<StoredDevice | undefined> {
      for (;;) {
        const set = await readAll(sets, userId);
        const device = set?.devices.find((one) => one.deviceId === deviceId && one.createdAt === createdAt);
        if (set === undefined || device === undefined) return undefined;
        const isMarked =
          !isLiving(device) || (await change(sets, set, { $set: { [pathOf(deviceId, 'removedAt')]: at } }));
        if (!isMarked) continue;
        await tellChanged(userId);
        return { ...device, removedAt: device.removedAt ?? at };
      }
    },

    /** Deletes the devices of an account. Safe to repeat. */
    async erase(userId: string): Promise<void> {
      await sets.deleteOne({ _id: userId });
      await tellChanged(userId);
    },

    /** Deletes a device that is marked as being removed since an instant, which frees its id. Safe to repeat. */
    async finishRemoval(userId: string, deviceId: string, removedAt: number): Promise<void> {
      await sets.updateOne(
        { _id: userId, [pathOf(deviceId, 'removedAt')]: removedAt },
        { $unset: { [pathOf(deviceId)]: 1 }, $inc: { version: 1 } },
      );
      await tellChanged(userId);
    },
  };
}

async function addTo(sets: Sets, userId: string, device: NewDevice, rules: AdditionRules): Promise<AddedDevice> {
  const { identityKey, ...own } = device;
  // ends: when a write misses, another one was made
  for (;;) {
    const set = await readAll(sets, userId);
    const addition = additionTo(set, device, rules);
    if (addition.outcome !== 'added') return addition;
    const { deviceId, ended: endedIds } = addition;
    const ended = set?.devices.filter((one) => endedIds.includes(one.deviceId)) ?? [];
    const stored: StoredDevice = { ...own, deviceId };
    const $set = {
      identityKey,
      [pathOf(deviceId)]: documentOf(stored),
      ...Object.fromEntries(ended.map((one) => [pathOf(one.deviceId, 'removedAt'), own.createdAt])),
    };
    const isAdded =
      set === undefined ? await insertFirst(sets, userId, identityKey, stored) : await change(sets, set, { $set });
    const isFirst = !set?.devices.some(isLiving);
    if (isAdded) return { outcome: 'added', device: stored, ended, isFirst };
  }
}

/** The operations that change one field of a device. Each returns false if there is no such device. Safe to repeat. */
function createDeviceChanges(sets: Sets, tellChanged: (userId: string) => Promise<void>) {
  const changeDevice = async (userId: string, deviceId: string, update: Fields, filter: Fields = {}) => {
    const living = { _id: userId, ...livingFilter(deviceId), ...filter };
    return (await sets.updateOne(living, { ...update, $inc: { version: 1 } })).matchedCount > 0;
  };
  return {
    /** Renames a device. */
    rename: (userId: string, deviceId: string, name: string): Promise<boolean> =>
      changeDevice(userId, deviceId, { $set: { [pathOf(deviceId, 'name')]: name } }),

    /**
     * Sets or removes the push registration of a device.
     *
     * @param options.was the registration that it must have; false if it has another one
     */
    async setPush(
      userId: string,
      deviceId: string,
      push: string | undefined,
      { was }: { was?: string } = {},
    ): Promise<boolean> {
      const path = pathOf(deviceId, 'push');
      const update = push === undefined ? { $unset: { [path]: 1 } } : { $set: { [path]: push } };
      const isChanged = await changeDevice(userId, deviceId, update, was === undefined ? {} : { [path]: was });
      await tellChanged(userId);
      return isChanged;
    },
  };
}

/** The operations on the keys of devices. */
function createKeyChanges(sets: Sets) {
  return {
    /**
     * Replaces keys of a device in a set that was read. False if the set has changed since, or one-time keys of a kind that
     * is replaced were handed out: the caller reads it and decides again. The keys must verify under the identity key of
     * the set.
     */
    replaceKeys(seen: DeviceSet, deviceId: string, keys: KeyChange): Promise<boolean> {
      return change(sets, seen, { $set: keyFields(deviceId, keys) }, unspent(seen, deviceId, keys));
    },

    /**
     * Replaces the identity key of a set that was read, and keys of each of its devices, at once. Each device that has KEM
     * one-time keys is given others or an empty set, because the old identity key signed them. False as `replaceKeys`.
     */
    rotate(seen: DeviceSet, { identityKey, devices }: Rotation): Promise<boolean> {
      const $set: Fields = { identityKey };
      const filter: Fields = {};
      for (const { deviceId, ...keys } of devices) {
        Object.assign($set, keyFields(deviceId, keys));
        Object.assign(filter, unspent(seen, deviceId, keys));
      }
      return change(sets, seen, { $set }, filter);
    },

    /**
     * Takes keys of the devices of an account, or of one of them. Each one-time key is taken once. Undefined if there is
     * no such device.
     *
     * One increment takes the keys of all devices. It has no condition, so that hand-outs never disturb each other; the
     * document as it was at that moment says what was taken, whatever was read before. A counter of a device or key set
     * that is gone by then belongs to nothing: `setOf` leaves it out.
     *
     * @param options.withOneTime false leaves the one-time keys where they are
     */
    async takeKeys(
      userId: string,
      deviceId: string | undefined,
      { withOneTime }: { withOneTime: boolean },
    ): Promise<HandOut | undefined> {
      const set = await readAll(sets, userId);
      const chosen = livingIn(set, deviceId);
      if (set === undefined || chosen.length === 0) return undefined;
      const $inc = withOneTime ? counters(chosen) : {};
      if (Object.keys($inc).length === 0)
        return { identityKey: set.identityKey, devices: chosen.map((device) => ({ device })) };
      const before = await sets.findOneAndUpdate({ _id: userId }, { $inc }).lean();
      return before === null ? undefined : takenFrom(setOf(before), deviceId, $inc);
    },
  };
}

/** The devices of a set that count: all of them, or the one with an id. */
function livingIn(set: DeviceSet | undefined, deviceId: string | undefined): StoredDevice[] {
  const living = set?.devices.filter(isLiving) ?? [];
  return deviceId === undefined ? living : living.filter((one) => one.deviceId === deviceId);
}

/** The paths of the counters of the key sets that have keys left. */
function counters(devices: readonly StoredDevice[]): Record<string, number> {
  const paths = devices.flatMap(({ deviceId, preKeys, pqPreKeys }) => [
    ...(keysLeft(preKeys) > 0 ? [pathOf(deviceId, 'preKeys.next')] : []),
    ...(keysLeft(pqPreKeys) > 0 ? [pathOf(deviceId, 'pqPreKeys.next')] : []),
  ]);
  return Object.fromEntries(paths.map((path) => [path, 1]));
}

/** What an increment took, by the set as it was before. Parallel ones may have taken the last keys meanwhile. */
function takenFrom(before: DeviceSet, deviceId: string | undefined, $inc: Record<string, number>): HandOut | undefined {
  const { identityKey } = before;
  const devices = livingIn(before, deviceId).map((device) => {
    const [preKey, pqPreKey] = (['preKeys', 'pqPreKeys'] as const).map((kind) =>
      Object.hasOwn($inc, pathOf(device.deviceId, `${kind}.next`)) ? keyOf(device[kind]) : undefined,
    );
    return { device, ...(preKey && { preKey }), ...(pqPreKey && { pqPreKey }) };
  });
  return devices.length === 0 ? undefined : { identityKey, devices };
}

function keyOf(set: KeySet | undefined): TakenKey | undefined {
  const left = keysLeft(set);
  return set === undefined || left === 0 ? undefined : { setId: set.setId, index: set.next, left: left - 1 };
}

async function setsInUse(sets: Sets, userIds: readonly string[]): Promise<Set<string>> {
  const found = await sets.find({ _id: trusted({ $in: [...userIds] }) }, { devices: 1 }).lean();
  return new Set(found.flatMap(({ devices }) => Object.values(devices)).flatMap(setIdsOf));
}

async function readLiving(sets: Sets, userId: string): Promise<DeviceSet | undefined> {
  const set = await readAll(sets, userId);
  return set && { ...set, devices: set.devices.filter(isLiving) };
}

/** Returns the set with the devices that are being removed. */
async function readAll(sets: Sets, userId: string): Promise<DeviceSet | undefined> {
  const found = await sets.findById(userId).lean();
  return found === null ? undefined : setOf(found);
}

/** Leaves out what is only the counter of a device that is gone. */
function setOf(found: SetDocument): DeviceSet {
  const { _id: userId, identityKey, version, devices } = found;
  const names = Object.keys(devices).filter((name) => devices[name]?.createdAt !== undefined);
  const ids = names.map((name) => name.slice(1)).sort((a, b) => Number(a) - Number(b));
  return { userId, identityKey, version, devices: ids.map((id) => deviceOf(found, id)) };
}

async function insertFirst(sets: Sets, _id: string, identityKey: string, device: StoredDevice): Promise<boolean> {
  try {
    await sets.create({ _id, identityKey, version: 1, devices: { [nameOf(device.deviceId)]: documentOf(device) } });
    return true;
  } catch (err) {
    if (!isDuplicateKey(err)) throw err;
    return false;
  }
}

/** Changes a set on condition that it is still the one that was read; false otherwise. */
async function change(sets: Sets, seen: DeviceSet, update: Fields, filter: Fields = {}): Promise<boolean> {
  const { userId: _id, version } = seen;
  const $set = { ...(update.$set as Fields), version: version + 1 };
  return (await sets.updateOne({ _id, version, ...filter }, { ...update, $set })).matchedCount > 0;
}

function keyFields(deviceId: string, keys: KeyChange): Fields {
  return Object.fromEntries(Object.entries(keys).map(([field, value]) => [pathOf(deviceId, field), value]));
}

/** The condition that no key was handed out of the sets that are replaced. */
function unspent(seen: DeviceSet, deviceId: string, keys: KeyChange): Fields {
  const device = seen.devices.find((one) => one.deviceId === deviceId);
  return Object.fromEntries(
    (['preKeys', 'pqPreKeys'] as const).flatMap((kind) => {
      const set = device?.[kind];
      return keys[kind] === undefined || set === undefined ? [] : [[pathOf(deviceId, `${kind}.next`), set.next]];
    }),
  );
}

function livingFilter(deviceId: string): Fields {
  return {
    [pathOf(deviceId, 'createdAt')]: trusted({ $exists: true }),
    [pathOf(deviceId, 'removedAt')]: trusted({ $exists: false }),
  };
}

function pathOf(deviceId: string, field?: string): string {
  const path = `devices.${nameOf(deviceId)}`;
  return field === undefined ? path : `${path}.${field}`;
}

function nameOf(deviceId: string): string {
  return `d${deviceId}`;
}

function documentOf({ deviceId: _key, capabilities, ...stored }: StoredDevice): DeviceDocument {
  return { ...stored, capabilities: JSON.stringify(capabilities) };
}

function deviceOf({ devices }: SetDocument, deviceId: string): StoredDevice {
  const { capabilities, preKeys, pqPreKeys, ...stored } = devices[nameOf(deviceId)] as DeviceDocument;
  return {
    ...stored,
    ...(isKeySet(preKeys) && { preKeys }),
    ...(isKeySet(pqPreKeys) && { pqPreKeys }),
    deviceId,
    capabilities: JSON.parse(capabilities),
  };
}

/** Returns whether a stored key set is one, and not only the counter of one that was dropped. */
function isKeySet(set: KeySet | undefined): set is KeySet {
  return set?.setId !== undefined;
}
