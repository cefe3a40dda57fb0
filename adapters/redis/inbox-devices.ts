/**
 * The mirror of device sets that sends are checked against. MongoDB has the truth; a set with an earlier version never
 * replaces one with a later version, so writers need no order among them.
 */
import type { DeviceSet, StoredDevice } from '../../domain/device.ts';
import type { DeviceAddress, InboxGap } from '../../domain/message.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { gapOf } from './inbox-contents.ts';
import { keys } from './keys.ts';

/** A device set as its mirror needs it. */
export interface MirroredSet extends Pick<DeviceSet, 'version'> {
  devices: readonly Pick<StoredDevice, 'deviceId' | 'registrationId' | 'createdAt' | 'push'>[];
}

/** The inbox of a device as a whole. */
export interface InboxState extends DeviceAddress {
  /** When the device was added. */
  createdAt: number;
  count: number;
  bytes: number;
  /** The last entry that its stream had. */
  last?: string;
  /** Its process and connection; undefined if it is not connected. */
  lease?: { nodeId: string; connectionId: string; until: number };
  archive?: string;
  gap?: InboxGap;
  /** Since when it is suspended. */
  suspendedAt?: number;
}

/** Creates the operations on the mirror of device sets. */
export function createInboxDevices(redis: Redis) {
  const write = loadScript(redis, 'inbox-devices');
  return {
    /**
     * Writes the devices of a user; undefined deletes everything about them. Inboxes of devices that are gone are deleted, and
     * their connections are closed. Safe to repeat.
     *
     * @returns false if the mirror has this version or a later one
     */
    async writeDevices(userId: string, set: MirroredSet | undefined): Promise<boolean> {
      const devices = set?.devices.flatMap(({ deviceId, registrationId, createdAt, push }) => [
        deviceId,
        `${registrationId}:${createdAt}:${push === undefined ? 0 : 1}`,
      ]);
      // ends: the devices that were read are those of the hash unless it was written in between
      for (;;) {
        const known = deviceIdsIn(await redis.hkeys(keys.inboxes({ userId })));
        const names = [keys.inboxes({ userId }), ...known.map((deviceId) => keys.inbox({ userId, deviceId }))];
        const args = [userId, set?.version ?? '', known.length, ...known, ...(devices ?? [])];
        const written = await write(names, args);
        if (written !== -1) return written === 1;
      }
    },

    /** Returns the inboxes of a user. */
    async readStates(userId: string, now?: number): Promise<InboxState[]> {
      const [stored, at] = await Promise.all([redis.hgetall(keys.inboxes({ userId })), now ?? timeOf(redis)]);
      return statesOf(userId, stored, at);
    },
  };
}

/** Returns the inboxes of a user from the fields of the hash. */
export function statesOf(userId: string, stored: Record<string, string>, now: number): InboxState[] {
  return deviceIdsIn(Object.keys(stored)).map((deviceId) => stateOf({ userId, deviceId }, stored, now));
}

function deviceIdsIn(fields: readonly string[]): string[] {
  return fields.flatMap((field) => /^d(\d+)$/.exec(field)?.[1] ?? []);
}

function stateOf(device: DeviceAddress, stored: Record<string, string>, now: number): InboxState {
  const field = (kind: string): string | undefined => stored[`${kind}${device.deviceId}`];
  const [nodeId = '', connectionId = '', until = 0] = field('n')?.split(':') ?? [];
  const gap = gapOf(field('g'));
  const [last, archive] = [field('l'), field('a')];
  const suspendedAt = field('s');
  return {
    ...device,
    createdAt: Number(field('d')?.split(':')[1]),
    count: Number(field('c') ?? 0),
    bytes: Number(field('b') ?? 0),
    ...(Number(until) > now && { lease: { nodeId, connectionId, until: Number(until) } }),
    ...(last !== undefined && { last }),
    ...(archive !== undefined && { archive }),
    ...(gap && { gap }),
    ...(suspendedAt !== undefined && { suspendedAt: Number(suspendedAt) }),
  };
}
