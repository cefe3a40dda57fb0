/**
 * Devices of accounts.
 *
 * Terminology
 * - device set: all devices of an account, and its identity key. One document holds it, so that a change of several
 *   devices takes effect at once or not at all.
 * - device id: the lowest number from 1 that is free in the set, as text. It is used again after its device was revoked.
 * - key set: the one-time keys of one kind that a device uploaded together. It is immutable; a counter in the device says
 *   how many were handed out.
 * - probation: the first hours of a linked device, in which it cannot approve devices, change PIN, lock or identity, or
 *   export.
 *
 * Keys and signatures are base64 in their serialized form. Instants are milliseconds since the Unix epoch.
 */

/** A signed key: of Curve25519, or a KEM key. */
export interface SignedKey {
  keyId: number;
  publicKey: string;
  signature: string;
}

/** A one-time key; the KEM keys are signed. */
export interface OneTimeKey {
  keyId: number;
  publicKey: string;
  signature?: string | undefined;
}

/** The one-time keys of one kind that are stored for a device, and how many were handed out. */
export interface KeySet {
  setId: string;
  total: number;
  next: number;
}

/** A device as it is stored. */
export interface StoredDevice {
  deviceId: string;
  name: string;
  /** The kind of app, as the app reported it. */
  client: string;
  registrationId: number;
  signedPreKey: SignedKey;
  pqLastResortPreKey: SignedKey;
  /** Absent before the first upload of one-time keys. */
  preKeys?: KeySet;
  pqPreKeys?: KeySet;
  capabilities: Record<string, boolean>;
  createdAt: number;
  /** The session, link or registration that added it. A repeat by the same one returns the same device. */
  addedBy: string;
  /** The device that linked it; absent if it was not linked. */
  linkedBy?: string;
  /** Absent if it was not linked. */
  probationUntil?: number;
  /** Set while it is being removed: its id is not free yet, and nothing else of it counts. */
  removedAt?: number;
  /** Where wake-ups are sent, encrypted JSON; absent without a push registration. */
  push?: string;
}

/** The devices of an account. */
export interface DeviceSet {
  userId: string;
  identityKey: string;
  /** Changes with every change of the set, but not when keys are handed out. */
  version: number;
  /** In the order of their ids, without those that are being removed. */
  devices: StoredDevice[];
}

/** A device that is to be added. Its key sets are stored already. */
export interface NewDevice extends Omit<StoredDevice, 'deviceId' | 'removedAt' | 'push'> {
  identityKey: string;
}

/** What a hand-out takes of a device. */
export interface TakenKeys {
  device: StoredDevice;
  /** Where the one-time keys are, by the set and the index in it; absent if none was left. */
  preKey?: TakenKey;
  pqPreKey?: TakenKey;
}

/** A one-time key that was taken, by its set and the index in it from 0. */
export interface TakenKey {
  setId: string;
  index: number;
  /** How many are left in the set. */
  left: number;
}

/** How long a linked device is on probation. */
export const probationMs = 24 * 3600_000;

/** Returns the ids of the key sets of a device. */
export function setIdsOf({ preKeys, pqPreKeys }: Pick<KeyChange, 'preKeys' | 'pqPreKeys'>): string[] {
  return [preKeys, pqPreKeys].flatMap((set) => set?.setId ?? []);
}

/** Returns the one-time keys of a set that are left. */
export function keysLeft(set: KeySet | undefined): number {
  return set === undefined ? 0 : Math.max(0, set.total - set.next);
}

/** The rules of an addition. */
export interface AdditionRules {
  /** How many devices an account may have. */
  max: number;
  /** The new device ends all others, and its identity key becomes that of the account. */
  isReplacing?: boolean;
}

/**
 * What an addition to a set leads to. `repeated`: the set has the device already. `linker-gone`: the device that links it
 * was removed meanwhile.
 */
export type Addition =
  | { outcome: 'added'; deviceId: string; ended: string[] }
  | { outcome: 'repeated'; device: StoredDevice }
  | { outcome: 'limit'; current: number }
  | { outcome: 'identity-differs' }
  | { outcome: 'linker-gone' };

/**
 * Decides an addition. The first device of a set determines its identity key, and every later one must have it. A device
 * that a set has is recognized by its registration id and its signed prekey.
 *
 * @param set the set with the devices that are being removed, whose ids are not free yet; undefined before the first
 */
export function additionTo(
  set: Pick<DeviceSet, 'identityKey' | 'devices'> | undefined,
  device: Pick<NewDevice, 'identityKey' | 'registrationId' | 'signedPreKey' | 'linkedBy'>,
  { max, isReplacing = false }: AdditionRules,
): Addition {
  const { devices = [], identityKey } = set ?? {};
  const living = devices.filter(isLiving);
  const isOfAccount = living.length === 0 || identityKey === device.identityKey;
  const same = isOfAccount ? living.find((known) => isSameDevice(known, device)) : undefined;
  if (same !== undefined) return { outcome: 'repeated', device: same };
  if (device.linkedBy !== undefined && !living.some(({ deviceId }) => deviceId === device.linkedBy)) {
    return { outcome: 'linker-gone' };
  }
  const deviceId = freeId(devices);
  if (isReplacing) return { outcome: 'added', deviceId, ended: living.map((one) => one.deviceId) };
  if (!isOfAccount) return { outcome: 'identity-differs' };
  return living.length < max ? { outcome: 'added', deviceId, ended: [] } : { outcome: 'limit', current: living.length };
}

/** Returns the device of a set with an id, or undefined. */
export function deviceIn(set: Pick<DeviceSet, 'devices'> | undefined, deviceId: string): StoredDevice | undefined {
  return set?.devices.find((device) => device.deviceId === deviceId);
}

/** Returns whether a device counts: it is not being removed. */
export function isLiving({ removedAt }: StoredDevice): boolean {
  return removedAt === undefined;
}

/** Returns whether two devices are one: they have the same registration id and signed prekey. */
export function isSameDevice(one: StoredDevice, other: Pick<NewDevice, 'registrationId' | 'signedPreKey'>): boolean {
  return one.registrationId === other.registrationId && one.signedPreKey.publicKey === other.signedPreKey.publicKey;
}

function freeId(devices: readonly StoredDevice[]): string {
  const taken = new Set(devices.map(({ deviceId }) => deviceId));
  let number = 1;
  while (taken.has(String(number))) number++;
  return String(number);
}

/** New keys of a device. Absent keys stay. */
export interface KeyChange {
  signedPreKey?: SignedKey;
  pqLastResortPreKey?: SignedKey;
  preKeys?: KeySet;
  pqPreKeys?: KeySet;
}

/** A new identity key with the keys of every device that it signs. */
export interface Rotation {
  identityKey: string;
  devices: (Required<Pick<KeyChange, 'signedPreKey' | 'pqLastResortPreKey'>> &
    Pick<KeyChange, 'preKeys' | 'pqPreKeys'> & { deviceId: string })[];
}

/** Why the identity key of an account changed. `reregistered`: by a registration that ended all other devices. */
export const identityChangeReasons = ['rotated', 'reregistered'] as const;
/** A reason of a change of the identity key. */
export type IdentityChangeReason = (typeof identityChangeReasons)[number];

/** Why a device is removed. `revoked`: by its user. `replaced`: a new device ended all others. `operator`: by an operator. */
export type DeviceRemovalReason = 'revoked' | 'replaced' | 'operator';

/** Returns which devices of a set a rotation lacks, and which it has too many. */
export function rotationGaps(
  { devices }: Pick<DeviceSet, 'devices'>,
  deviceIds: readonly string[],
): { missingDevices: string[]; extraDevices: string[] } {
  const known = devices.map(({ deviceId }) => deviceId);
  return {
    missingDevices: known.filter((id) => !deviceIds.includes(id)),
    extraDevices: deviceIds.filter((id) => !known.includes(id)),
  };
}

/** Returns whether a text has the form of a device id. */
export function isDeviceId(text: string): boolean {
  return /^[1-9]\d{0,5}$/.test(text);
}

/** Returns until when a device is on probation at an instant, or undefined. */
export function probationOf({ probationUntil = 0 }: StoredDevice, now: number): number | undefined {
  return probationUntil > now ? probationUntil : undefined;
}
