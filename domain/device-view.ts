/** Devices as their users and operators see them: without keys, and without the token of a push registration. */
import { type DeviceSet, keysLeft, probationOf, type StoredDevice } from './device.ts';
import type { PushProvider, PushRegistration, PushResult } from './push.ts';

/** A device as people see it. Instants are ISO 8601. */
export interface DeviceView {
  deviceId: string;
  name: string;
  client: string;
  createdAt: string;
  lastSeenAt: string;
  /** Null if it was registered, or added by a session. */
  linkedBy: string | null;
  /** Absent after its probation. */
  probationUntil?: string;
  /** Absent without a push registration. */
  push?: { provider: PushProvider; lastResult: PushResult['result'] | null; lastAt: string | null };
  /** One-time keys that are left. */
  keys: { count: number; pqCount: number };
}

/** What is known of the devices of a user besides their set, by device id. Instants are milliseconds since the Unix epoch. */
export interface DeviceRecords {
  /** When each device was last active. */
  activity: Readonly<Record<string, number>>;
  /** What each push provider answered last, and when. */
  pushed: ReadonlyMap<string, Pick<PushResult, 'result'> & { at: number }>;
  /** Decrypts push registrations. */
  pushCipher: { decryptText(encrypted: string): string };
}

/** Returns the devices of a set as people see them at an instant, in the order of their ids. */
export function deviceViewsOf(
  set: Pick<DeviceSet, 'devices'> | undefined,
  records: DeviceRecords,
  now: number,
): DeviceView[] {
  return set?.devices.map((device) => viewOf(device, records, now)) ?? [];
}

function viewOf(device: StoredDevice, records: DeviceRecords, now: number): DeviceView {
  const { deviceId, name, client, createdAt, linkedBy = null, preKeys, pqPreKeys } = device;
  const probationUntil = probationOf(device, now);
  return {
    deviceId,
    name,
    client,
    createdAt: instantOf(createdAt),
    lastSeenAt: instantOf(records.activity[deviceId] ?? createdAt),
    linkedBy,
    ...(probationUntil !== undefined && { probationUntil: instantOf(probationUntil) }),
    ...pushOf(device, records),
    keys: { count: keysLeft(preKeys), pqCount: keysLeft(pqPreKeys) },
  };
}

function pushOf({ deviceId, push }: StoredDevice, { pushed, pushCipher }: DeviceRecords): Pick<DeviceView, 'push'> {
  if (push === undefined) return {};
  const { provider } = JSON.parse(pushCipher.decryptText(push)) as PushRegistration;
  const last = pushed.get(deviceId);
  return {
    push: { provider, lastResult: last?.result ?? null, lastAt: last === undefined ? null : instantOf(last.at) },
  };
}

function instantOf(at: number): string {
  return new Date(at).toISOString();
}
