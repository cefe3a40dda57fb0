/** The device of a registration, and how its account gets it: a part of the activities that create or recover the account. */
import type { Devices } from '../adapters/mongo/devices.ts';
import type { PreKeys } from '../adapters/mongo/prekeys.ts';
import type { Registrations } from '../adapters/redis/registrations.ts';
import { type NewDevice, type OneTimeKey, type StoredDevice, setIdsOf } from '../domain/device.ts';
import type { DeviceRefusal } from '../domain/registration.ts';
import type { Announcements } from '../platform/announcements.ts';
import type { Events } from '../platform/events/events.ts';

/** The device of a registration, and the account that gets it. */
export interface RegistrationDeviceInput {
  registrationId: string;
  userId: string;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  /** The other devices of the account end, and its identity key becomes that of the device. */
  isReplacing: boolean;
}

/**
 * `added`: the account has the device; `ended` are the devices that are being removed. `lost`: the description is not
 * stored any more, or does not fit the account.
 */
export type DeviceAnswer =
  | { outcome: 'added'; ended: Pick<StoredDevice, 'deviceId' | 'createdAt'>[] }
  | { outcome: DeviceRefusal };

/** The description of a device as the api has stored it, verified. */
interface DescribedDevice extends Omit<NewDevice, 'preKeys' | 'pqPreKeys' | 'createdAt' | 'addedBy' | 'capabilities'> {
  preKeys: OneTimeKey[];
  pqPreKeys: OneTimeKey[];
  capabilities?: Record<string, boolean>;
}

/** The dependencies of adding a device. */
export interface RegistrationDeviceDeps {
  registrations: Pick<Registrations, 'readDevice'>;
  devices: Pick<Devices, 'add' | 'erase' | 'readRemoved'>;
  preKeys: Pick<PreKeys, 'storeLists' | 'remove' | 'eraseOf'>;
  events: Pick<Events, 'deviceAdded' | 'identityKeyChanged'>;
  announcements: Pick<Announcements, 'devicesChanged' | 'identityChanged'>;
  devicesMax: number;
}

/** The devices of registrations. */
export type RegistrationDevices = ReturnType<typeof createRegistrationDevices>;

/** Creates the part on devices of the activities of accounts. */
export function createRegistrationDevices(deps: RegistrationDeviceDeps) {
  return {
    /**
     * Adds the stored device to the account. Idempotent: a device is recognized by its registration id and its signed
     * prekey, and the one-time keys of a repeat are removed again.
     */
    add: (input: RegistrationDeviceInput): Promise<DeviceAnswer> => addDevice(deps, input),

    /** Removes the devices of an account that was just created. Idempotent: it deletes. */
    async remove(userId: string): Promise<void> {
      await deps.devices.erase(userId);
      await deps.preKeys.eraseOf(userId);
    },
  };
}

async function addDevice(
  { registrations, devices, preKeys, events, announcements, devicesMax }: RegistrationDeviceDeps,
  { registrationId, userId, createdAt, isReplacing }: RegistrationDeviceInput,
): Promise<DeviceAnswer> {
  const described = (await registrations.readDevice(registrationId)) as DescribedDevice | undefined;
  if (described === undefined) return { outcome: 'lost' };
  const { preKeys: curveKeys, pqPreKeys: kemKeys, capabilities = {}, ...own } = described;
  // stored before the device refers to them
  const sets = await preKeys.storeLists(userId, { preKeys: curveKeys, pqPreKeys: kemKeys });
  const device: NewDevice = { ...own, ...sets, capabilities, createdAt, addedBy: registrationId };
  const added = await devices.add(userId, device, { max: devicesMax, isReplacing });
  if (added.outcome !== 'added') await preKeys.remove(setIdsOf(sets));
  if (added.outcome === 'limit') return { outcome: 'device-limit' };
  if (added.outcome === 'identity-differs') return { outcome: 'identity-differs' };
  if (added.outcome === 'linker-gone') return { outcome: 'lost' };
  if (added.device.addedBy !== registrationId) return { outcome: 'device-exists' };
  const { deviceId, client } = added.device;
  events.deviceAdded({ userId, deviceId, client, createdAt: added.device.createdAt, how: 'registration' });
  if (isReplacing) events.identityKeyChanged({ userId, why: 'reregistered', devices: 1, once: registrationId });
  // a repeat finds the device, and has told already
  if (added.outcome === 'added') {
    await announcements.devicesChanged(userId, deviceId, 'added');
    if (isReplacing) await announcements.identityChanged(userId, { reason: 'reregistered', at: Date.now() });
  }
  // read again, because a repeat has to finish what an interrupted attempt began
  const ended = await devices.readRemoved(userId);
  return { outcome: 'added', ended: ended.map((one) => ({ deviceId: one.deviceId, createdAt: one.createdAt })) };
}
