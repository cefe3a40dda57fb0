/** The connections of devices: leases, presence and what reaches the connected ones. */
import { type DeviceAddress, type InboxGap, leaseMs } from '../../domain/message.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { gapOf } from './inbox-contents.ts';
import { keys } from './keys.ts';

/** A device; with `createdAt`, only the device that was added then. */
interface KnownDevice extends DeviceAddress {
  /** Milliseconds since the Unix epoch. */
  createdAt?: number;
}

/** A connection of a process. The ids have no colon, blank or NUL, and at most 24 characters each. */
interface Place {
  nodeId: string;
  connectionId: string;
}

/** What the inbox of a device has when it connects. */
export interface OpenedInbox {
  /** The last entry that its stream had; undefined if it never had one since the device was added or suspended. */
  last?: string;
  /** The state of its archive, for `settleArchived`; undefined if it has no pages. */
  archive?: string;
  /** What it has not been told yet; `clearGap` follows when it was. */
  gap?: InboxGap;
  /** Messages that wait, in the archive and the stream. */
  count: number;
  /** It was suspended: what its archive still has is part of the gap, and is deleted before it is read. */
  wasSuspended: boolean;
}

/** Whether a user is connected. */
export interface Presence {
  isOnline: boolean;
  /** When the last lease ends unless it is renewed; absent if offline. */
  until?: number;
  /** When a connection ended last; absent if none did. */
  seenAt?: number;
}

/** Which devices of a user an event reaches. */
export interface Announcing {
  event: string;
  /** JSON. */
  payload: unknown;
  /** Only this device. */
  deviceId?: string;
  exceptDeviceId?: string;
}

/** Creates the operations on connections. */
export function createInboxConnections(redis: Redis) {
  const announce = loadScript(redis, 'inbox-announce');
  return {
    ...createLeases(redis),

    /** Sends an event to connected devices of a user. It is not stored. Returns how many there are. */
    async announce(
      userId: string,
      { event, payload, deviceId = '', exceptDeviceId = '' }: Announcing,
      now?: number,
    ): Promise<number> {
      const args = [now ?? '', userId, event, JSON.stringify(payload), deviceId, exceptDeviceId];
      return Number(await announce([keys.inboxes({ userId })], args));
    },

    /** Returns whether a user is connected. A process that died counts until its leases end. */
    async isOnline(userId: string, now?: number): Promise<Presence> {
      const [stored, at] = await Promise.all([redis.hgetall(keys.inboxes({ userId })), now ?? timeOf(redis)]);
      const leases = Object.entries(stored).filter(([field]) => /^n\d+$/.test(field));
      const until = Math.max(0, ...leases.map(([, value]) => Number(value.slice(value.lastIndexOf(':') + 1))));
      return {
        isOnline: until > at,
        ...(until > at && { until }),
        ...(stored.seen !== undefined && { seenAt: Number(stored.seen) }),
      };
    },
  };
}

function createLeases(redis: Redis) {
  const open = loadScript(redis, 'inbox-connect');
  const renew = loadScript(redis, 'inbox-renew');
  const end = loadScript(redis, 'inbox-disconnect');

  const opened = async ({ userId, deviceId, createdAt }: KnownDevice, place?: Place, now?: number) => {
    const args = [
      ...[now ?? '', userId, deviceId, createdAt ?? ''],
      ...[place?.nodeId ?? '', place?.connectionId ?? '', leaseMs],
    ];
    return openedIn(await open([keys.inboxes({ userId })], args));
  };
  return {
    /**
     * Takes the lease of a device for a connection. A connection that had it is told that it was replaced. A suspended device
     * gets messages again. Safe to repeat.
     *
     * @returns undefined if the mirror of the device set does not have the device: write it and repeat
     */
    connect: (device: KnownDevice, at: Place, now?: number): Promise<OpenedInbox | undefined> =>
      opened(device, at, now),

    /** As `connect`, for a device that reads its inbox without a connection. */
    resume: (device: KnownDevice, now?: number): Promise<OpenedInbox | undefined> => opened(device, undefined, now),

    /**
     * Extends the leases of connections of a process.
     *
     * @returns for each whether it still has its lease; otherwise the device connected elsewhere or is gone
     */
    renew(
      connections: readonly (DeviceAddress & { connectionId: string })[],
      nodeId: string,
      now?: number,
    ): Promise<boolean[]> {
      return Promise.all(
        connections.map(async ({ userId, deviceId, connectionId }) => {
          const args = [now ?? '', deviceId, nodeId, connectionId, leaseMs];
          return (await renew([keys.inboxes({ userId })], args)) === 1;
        }),
      );
    },

    /**
     * Ends the lease of a connection; nothing if the device has connected elsewhere. Safe to repeat.
     *
     * @returns how many messages wait, and whether the device is to be woken up for one of them
     */
    async disconnect(
      device: DeviceAddress,
      { nodeId, connectionId }: Place,
      now?: number,
    ): Promise<{ waiting: number; wake: boolean }> {
      const names = [keys.inboxes(device), keys.inbox(device)];
      const args = [now ?? '', device.userId, device.deviceId, nodeId, connectionId];
      const [waiting, wake] = (await end(names, args)) as [number, number];
      return { waiting, wake: wake === 1 };
    },
  };
}

function openedIn(reply: unknown): OpenedInbox | undefined {
  const [last, archive, gap, count, suspended] = reply as [string?, string?, string?, string?, number?];
  if (last === undefined) return undefined;
  const lost = gapOf(gap);
  return {
    ...(last !== '' && { last }),
    ...(archive && { archive }),
    ...(lost && { gap: lost }),
    count: Number(count),
    wasSuspended: suspended === 1,
  };
}
