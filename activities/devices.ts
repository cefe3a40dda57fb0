/**
 * Activities that remove a device: the set of devices, the keys and the archive of messages in MongoDB, the sessions in
 * Redis. Its inbox in Redis ends with the mark, and so do its connections (`createDevices`).
 */
import type { Archive } from '../adapters/mongo/archive.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { PreKeys } from '../adapters/mongo/prekeys.ts';
import type { DeviceActivity } from '../adapters/redis/device-activity.ts';
import type { SessionEnds } from '../adapters/redis/sessions.ts';
import type { WakeUps } from '../adapters/redis/wake-ups.ts';
import { type DeviceRemovalReason, setIdsOf } from '../domain/device.ts';
import type { Announcements } from '../platform/announcements.ts';
import type { Events } from '../platform/events/events.ts';

/** The input of a removal. */
export interface DeviceRemovalInput {
  userId: string;
  deviceId: string;
  /** When the device was added, in milliseconds since the Unix epoch. Another device may have its id later. */
  createdAt: number;
  /** When the removal was requested, in milliseconds since the Unix epoch. */
  at: number;
  why: DeviceRemovalReason;
  /** Operator name, if an operator removes it and gave one. */
  operator?: string | undefined;
}

/** A device that is being removed. */
export interface RemovedDevice {
  userId: string;
  deviceId: string;
  removedAt: number;
  /** The sets of its one-time keys. */
  setIds: string[];
  why: DeviceRemovalReason;
  operator?: string | undefined;
}

/** Dependencies of the device activities. */
export interface DeviceActivityDeps {
  devices: Pick<Devices, 'read' | 'markRemoved' | 'finishRemoval'>;
  preKeys: Pick<PreKeys, 'remove'>;
  sessions: Pick<SessionEnds, 'endDevice'>;
  activity: Pick<DeviceActivity, 'forget'>;
  archive: Pick<Archive, 'erase'>;
  wakeUps: Pick<WakeUps, 'forget'>;
  events: Pick<Events, 'deviceRemoved' | 'operatorRemovedDevice' | 'sessionEnded'>;
  announcements: Pick<Announcements, 'devicesChanged'>;
}

/** The device activities of the registration role. */
export type DeviceActivities = ReturnType<typeof createDeviceActivities>;

/** Creates the device activities of the registration role. Temporal retries outages. */
export function createDeviceActivities(deps: DeviceActivityDeps) {
  const { devices, preKeys, sessions, activity, archive, wakeUps, events, announcements } = deps;
  return {
    /** Marks the device; null without one. Idempotent: the first mark stays. */
    async markDeviceRemoved({
      userId,
      at,
      why,
      operator,
      ...asked
    }: DeviceRemovalInput): Promise<RemovedDevice | null> {
      const device = await devices.markRemoved(userId, asked, at);
      if (device?.removedAt === undefined) return null;
      const { deviceId, removedAt } = device;
      return { userId, deviceId, removedAt, setIds: setIdsOf(device), why, operator };
    },

    /**
     * Ends the sessions of the device, and forgets its archived messages, its activity and its wake-ups. A move of messages
     * that is under way does not finish, because the mirror has no such device. Idempotent: it deletes.
     */
    async endDeviceSessions({ userId, deviceId, why }: RemovedDevice): Promise<void> {
      for (const sessionId of await sessions.endDevice(userId, deviceId, why === 'replaced' ? 'replaced' : 'revoked')) {
        events.sessionEnded({ sessionId, userId, why: 'revoked' });
      }
      await Promise.all([
        archive.erase(userId, deviceId),
        activity.forget(userId, deviceId),
        wakeUps.forget({ userId, deviceId }),
      ]);
    },

    /** Removes the one-time keys of the device. Idempotent: it deletes. */
    removeDeviceKeys: ({ setIds }: RemovedDevice): Promise<void> => preKeys.remove(setIds),

    /** Frees the id of the device. Returns whether other devices remain. Idempotent: it deletes. */
    async freeDeviceId({ userId, deviceId, removedAt }: RemovedDevice): Promise<boolean> {
      await devices.finishRemoval(userId, deviceId, removedAt);
      return ((await devices.read(userId))?.devices.length ?? 0) > 0;
    },

    /**
     * Emits the event, and that of the operator who removed the device, and tells the other devices. Idempotent by device id
     * and instant.
     */
    async tellDeviceRemoved(removed: RemovedDevice): Promise<void> {
      await announcements.devicesChanged(removed.userId, removed.deviceId, 'removed');
      events.deviceRemoved(removed);
      if (removed.why === 'operator') events.operatorRemovedDevice(removed);
    },
  };
}
