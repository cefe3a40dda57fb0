/**
 * A new device of an account: what every way to add one shares.
 *
 * 1. Verify the signatures, and refuse what the rules refuse, before anything is stored.
 * 2. Store the one-time keys, then the device, which refers to them. The store decides by the same rules again.
 * 3. Begin the session of the device. If that is refused, take the device back.
 * 4. Emit the event, tell the other devices and notify the owner.
 *
 * A repeat with the same keys finds the device and continues with step 3, also after a crash.
 */
import type { Device } from '../contract/devices.ts';
import type { Tokens } from '../contract/schemas.ts';
import {
  type Addition,
  type AdditionRules,
  additionTo,
  type NewDevice,
  type StoredDevice,
  setIdsOf,
} from '../domain/device.ts';
import { Failure } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';
import { notifyOwner } from './notifications.ts';
import { malformed } from './parse.ts';
import { requireSignatures } from './signed-keys.ts';

type CheckDeps = Pick<ApiDeps, 'config' | 'devices'>;

/** The dependencies of adding a device. */
export type DeviceAddDeps = CheckDeps & Pick<ApiDeps, 'preKeys' | 'sessions' | 'events' | 'announcements' | 'temporal'>;

/** Where a new device comes from. */
export interface DeviceOrigin extends Pick<NewDevice, 'addedBy' | 'linkedBy' | 'probationUntil'> {
  /** Milliseconds since the Unix epoch. */
  at: number;
}

/**
 * Refuses a device that cannot be added to an account. Stores nothing.
 *
 * @returns the device, if the account has it already
 * @throws {Failure} malformed: a signature is wrong, or the identity key is not that of the account; device-limit
 */
export async function checkDevice(deps: CheckDeps, userId: string, body: Device): Promise<StoredDevice | undefined> {
  await requireSignatures(body.identityKey, [{ path: '', keys: body }]);
  const rules = rulesOf(deps);
  const addition = additionTo(await deps.devices.read(userId), body, rules);
  requireAllowed(addition, rules);
  return addition.outcome === 'repeated' ? addition.device : undefined;
}

/**
 * Adds a device to an account, or finds it, and begins its session. If that is refused, a device that was added is taken
 * back.
 *
 * @param begin begins the session of the device and returns its tokens
 * @throws {Failure} as `checkDevice`, and what `begin` throws
 */
export async function withDevice(
  deps: DeviceAddDeps,
  given: { userId: string; body: Device; origin: DeviceOrigin },
  begin: (device: StoredDevice) => Promise<Tokens>,
): Promise<Tokens> {
  const { userId, origin } = given;
  const { device, isNew } = await storeDevice(deps, given);
  try {
    const tokens = await begin(device);
    if (device.addedBy === origin.addedBy) await tellAdded(deps, userId, device);
    return tokens;
  } catch (err) {
    if (isNew && err instanceof Failure) await undoAddition(deps, userId, device);
    throw err;
  }
}

async function storeDevice(
  deps: DeviceAddDeps,
  { userId, body, origin }: { userId: string; body: Device; origin: DeviceOrigin },
): Promise<{ device: StoredDevice; isNew: boolean }> {
  const known = await checkDevice(deps, userId, body);
  if (known !== undefined) return { device: known, isNew: false };
  const device = await prepareDevice(deps, { userId, body, origin });
  const rules = rulesOf(deps);
  const addition = await deps.devices.add(userId, device, rules);
  const isNew = addition.outcome === 'added';
  // a parallel request was faster; the purge removes what a crash leaves
  if (!isNew) await deps.preKeys.remove(setIdsOf(device));
  requireAllowed(addition, rules);
  // an earlier device may have left a session that began when it was removed
  if (isNew) await deps.sessions.endDevice(userId, addition.device.deviceId);
  return { device: addition.device, isNew };
}

/** Stores the one-time keys of a device whose keys were checked, and returns it as the store of devices takes it. */
async function prepareDevice(
  { preKeys }: Pick<ApiDeps, 'preKeys'>,
  { userId, body, origin }: { userId: string; body: Device; origin: DeviceOrigin },
): Promise<NewDevice> {
  const { preKeys: curveKeys, pqPreKeys: kemKeys, capabilities = {}, ...device } = body;
  const { at: createdAt, ...from } = origin;
  const sets = await preKeys.storeLists(userId, { preKeys: curveKeys, pqPreKeys: kemKeys });
  return { ...device, ...from, ...sets, capabilities, createdAt };
}

/**
 * Requires that a device was added by a session, link or registration, by its id. The keys of a device are
 * public, so a caller that sends those of another device must not become it.
 *
 * @throws {Failure} malformed
 */
export function requireAddedBy(device: StoredDevice, addedBy: string): void {
  if (device.addedBy !== addedBy) throw malformed('signedPreKey', 'must not be the one of another device');
}

function rulesOf({ config }: Pick<ApiDeps, 'config'>): AdditionRules {
  return { max: config.DEVICES_MAX };
}

type AdditionRefusal = 'limit' | 'identity-differs' | 'linker-gone';

/** @throws {Failure} malformed, device-limit, link-locked */
function requireAllowed<A extends { outcome: Addition['outcome'] }>(
  addition: A | Extract<Addition, { outcome: AdditionRefusal }>,
  { max }: AdditionRules,
): asserts addition is Exclude<A, { outcome: AdditionRefusal }> {
  if (addition.outcome === 'identity-differs')
    throw malformed('identityKey', 'must be the identity key of the account');
  if (addition.outcome === 'linker-gone') throw new Failure('link-locked', { fields: { reason: 'device-revoked' } });
  if (addition.outcome === 'limit' && 'current' in addition) {
    throw new Failure('device-limit', { fields: { current: addition.current, max } });
  }
}

/** Tells the owner of a new device, once. */
async function tellAdded(
  deps: Pick<ApiDeps, 'events' | 'announcements' | 'temporal'>,
  userId: string,
  { deviceId, client, linkedBy, createdAt }: StoredDevice,
): Promise<void> {
  deps.events.deviceAdded({ userId, deviceId, client, createdAt, linkedBy });
  void deps.announcements.devicesChanged(userId, deviceId, 'added');
  await notifyOwner(deps, { userId, kind: 'device-added', occasion: `${deviceId}-${createdAt}` });
}

/** Removes a device that was added a moment ago and has no session. Safe to repeat. */
async function undoAddition(
  { devices, preKeys }: Pick<ApiDeps, 'devices' | 'preKeys'>,
  userId: string,
  device: StoredDevice,
): Promise<void> {
  const removed = await devices.markRemoved(userId, device, device.createdAt);
  if (removed?.removedAt === undefined) return;
  await preKeys.remove(setIdsOf(removed));
  await devices.finishRemoval(userId, device.deviceId, removed.removedAt);
}
