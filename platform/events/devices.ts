import type { DeviceRemovalReason, IdentityChangeReason } from '../../domain/device.ts';
import type { Outputs } from './outputs.ts';

interface AddedDevice {
  userId: string;
  deviceId: string;
  /** The kind of app. */
  client: string;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  /** The device that linked it. */
  linkedBy?: string | undefined;
  /** A registration added it. */
  how?: 'registration';
}

interface RemovedDevice {
  userId: string;
  deviceId: string;
  /** Milliseconds since the Unix epoch. */
  removedAt: number;
  why: DeviceRemovalReason;
}

interface ChangedIdentityKey {
  userId: string;
  why: IdentityChangeReason;
  /** How many devices have the new identity key. */
  devices: number;
  /** Deduplicates the event of a repeated change. */
  once?: string;
}

const removals: Readonly<Record<DeviceRemovalReason, string>> = {
  revoked: 'A device was removed by its user',
  replaced: 'A new device replaced a device',
  operator: 'A device was removed by an operator',
};

/** Creates the events of devices. */
export function createDeviceEvents({ counter, report }: Outputs) {
  const added = counter('devices_added_total', 'Devices added, by how', ['how']);
  const removed = counter('devices_removed_total', 'Devices removed, by reason', ['why']);
  const identities = counter('identity_key_changes_total', 'Changes of the identity key of an account, by reason', [
    'why',
  ]);

  return {
    deviceAdded({ userId, deviceId, client, createdAt, linkedBy, how: given }: AddedDevice): void {
      const how = given ?? (linkedBy === undefined ? 'session' : 'link');
      report({
        counter: added,
        labels: { how },
        log: { event: 'device.added', userId, deviceId, how },
        audit: {
          action: 'device-add',
          message: 'A device was added to an account',
          reason: how,
          once: `${userId} ${deviceId} ${createdAt}`,
          userId,
          metadata: { deviceId, client, ...(linkedBy !== undefined && { linkedBy }) },
        },
      });
    },
    deviceRemoved({ userId, deviceId, removedAt, why }: RemovedDevice): void {
      report({
        counter: removed,
        labels: { why },
        log: { event: 'device.removed', userId, deviceId, why },
        audit: {
          action: 'device-remove',
          message: removals[why],
          reason: why,
          once: `${userId} ${deviceId} ${removedAt}`,
          ...(why === 'operator' ? { targetUserId: userId } : { userId }),
          metadata: { deviceId },
        },
      });
    },
    /** The contacts of the user see another identity key. */
    identityKeyChanged({ userId, why, devices, once }: ChangedIdentityKey): void {
      report({
        counter: identities,
        labels: { why },
        level: 'warn',
        log: { event: 'identity-key.changed', userId, why, devices },
        audit: {
          action: 'identity-change',
          message: 'The identity key of an account was changed',
          reason: why,
          ...(once !== undefined && { once }),
          userId,
          metadata: { devices },
        },
      });
    },
  };
}
