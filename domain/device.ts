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

/** How long a linked device is on probation. */
export const probationMs = 24 * 3600_000;

/** Returns the one-time keys of a set that are left. */
export function keysLeft(set: KeySet | undefined): number {
  return set === undefined ? 0 : Math.max(0, set.total - set.next);
}
