/**
 * What Redis knows of the archive of inboxes, and what removes messages from inboxes without their devices: the move to the
 * archive, expiry, and the look at all inboxes for both.
 *
 * The fields of `inboxes:{userId}` for it, with the device id `d` at their end: `a<d>` where the archive ends
 * (`<milliseconds of its first message>:<last message id>`), `m<d>` the move that began and did not finish.
 *
 * Consistency: each change is one script, and says in its file why it may be repeated. When Redis is unavailable, calls throw.
 */
import type { ArchiveEnd, DeviceAddress } from '../../domain/message.ts';
import { loadScript, type Redis } from './connect.ts';
import { keys, parseKey } from './keys.ts';

/** The store of moves. */
export type InboxMoves = ReturnType<typeof createInboxMoves>;

/** A device that inboxes know. Another one may have its id later. */
export interface InboxDevice extends DeviceAddress {
  /** When it was added, in milliseconds since the Unix epoch. */
  createdAt: number;
}

/** The inbox of a device, as the schedule sees it. */
export interface InboxState extends InboxDevice {
  /** Something may wait in Redis. */
  hasMessages: boolean;
  archive: ArchiveEnd | undefined;
  isSuspended: boolean;
  isConnected: boolean;
  /** Devices of the user. */
  devices: number;
}

/** Messages that begin to move. */
export interface InboxMove {
  /** Oldest first, at least one. */
  entries: { messageId: string; stored: string }[];
  /** An earlier move that did not finish: its page is discarded before another one is stored. */
  unfinishedId: string | undefined;
}

/** Messages of a page. */
export const pageCountMax = 64;
/** Bytes of a page, unless one message has more. The limit of a document of MongoDB is 16 MiB. */
const pageBytesMax = 1024 * 1024;
/** Keys per step of the look at all inboxes. */
const scanCount = 1000;

/** Creates the store of moves. */
export function createInboxMoves(redis: Redis) {
  const expire = loadScript(redis, 'inbox-expire');
  const begin = loadScript(redis, 'inbox-move-begin');
  const finish = loadScript(redis, 'inbox-move-finish');
  const keysOf = (device: DeviceAddress) => [keys.inboxes(device), keys.inbox(device)];
  return {
    /** Returns where the archive of a device ends; undefined if it is empty. */
    async endOf({ userId, deviceId }: DeviceAddress): Promise<ArchiveEnd | undefined> {
      const [device, archive] = await redis.hmget(keys.inboxes({ userId }), `d${deviceId}`, `a${deviceId}`);
      return endFrom(device, archive);
    },

    /**
     * Looks at some inboxes: `0` begins, and is returned at the end. Each inbox that exists all the time is seen at least
     * once, also when a look continues after a crash (SCAN of Redis).
     */
    async scan(cursor: string): Promise<{ cursor: string; inboxes: InboxState[] }> {
      const match = keys.inboxes({ userId: '*' });
      const [next, found] = await redis.scan(cursor, 'MATCH', match, 'COUNT', scanCount);
      const userIds = found.flatMap((key) => parseKey(key)?.ids.userId ?? []);
      const fields = await Promise.all(userIds.map((userId) => redis.hgetall(keys.inboxes({ userId }))));
      const now = Date.now();
      return { cursor: next, inboxes: userIds.flatMap((userId, index) => statesOf(userId, fields[index] ?? {}, now)) };
    },

    /**
     * Deletes messages of an inbox that were taken before an instant, and notes them in the gap of the device. Returns their
     * number. A repeat finds none.
     *
     * @param options.count how many at most
     */
    async expire(device: InboxDevice, before: number, { count }: { count: number }): Promise<number> {
      const { deviceId, createdAt } = device;
      return (await expire(keysOf(device), [deviceId, createdAt, before, count])) as number;
    },

    /**
     * Begins to move the oldest messages that were taken before an instant: the caller stores a page of them, then calls
     * `finishMove`. Undefined if there are none, or the device is connected, suspended or gone. A later move takes the place
     * of one that did not finish.
     */
    async beginMove(device: InboxDevice, moveId: string, before: number): Promise<InboxMove | undefined> {
      const { deviceId, createdAt } = device;
      const limits = [pageCountMax, pageBytesMax];
      const [unfinishedId, ...found] = (await begin(keysOf(device), [
        deviceId,
        createdAt,
        before,
        moveId,
        ...limits,
      ])) as string[];
      if (unfinishedId === undefined) return undefined;
      const entries = Array.from({ length: found.length / 2 }, (_, index) => ({
        messageId: found[2 * index] ?? '',
        stored: found[2 * index + 1] ?? '',
      }));
      return { entries, unfinishedId: unfinishedId === '' ? undefined : unfinishedId };
    },

    /** Moves messages of which the archive has a page. Returns whether they moved; the page counts only then. */
    async finishMove(device: InboxDevice, moveId: string, entries: InboxMove['entries']): Promise<boolean> {
      const { deviceId, createdAt } = device;
      const lastId = entries.at(-1)?.messageId ?? '';
      return (await finish(keysOf(device), [deviceId, createdAt, moveId, lastId, entries.length])) === 1;
    },

    /** Returns how many messages wait for the devices of a user, and their bytes of content in base64. */
    async waiting(userId: string): Promise<{ deviceId: string; count: number; bytes: number }[]> {
      const fields = await redis.hgetall(keys.inboxes({ userId }));
      return deviceIdsOf(fields).map((deviceId) => ({
        deviceId,
        count: Number(fields[`c${deviceId}`] ?? 0),
        bytes: Number(fields[`b${deviceId}`] ?? 0),
      }));
    },
  };
}

type Fields = Readonly<Record<string, string>>;

function statesOf(userId: string, fields: Fields, now: number): InboxState[] {
  const deviceIds = deviceIdsOf(fields);
  return deviceIds.map((deviceId) => {
    const { [`d${deviceId}`]: device = '', [`a${deviceId}`]: stored } = fields;
    const archive = endFrom(device, stored);
    const last = fields[`l${deviceId}`];
    return {
      userId,
      deviceId,
      createdAt: createdAtOf(device),
      hasMessages: last !== undefined && last !== archive?.lastId && Number(fields[`c${deviceId}`] ?? 0) > 0,
      archive,
      isSuspended: fields[`s${deviceId}`] !== undefined,
      isConnected: Number(/\d+$/.exec(fields[`n${deviceId}`] ?? '')?.[0] ?? 0) > now,
      devices: deviceIds.length,
    };
  });
}

function deviceIdsOf(fields: Fields): string[] {
  return Object.keys(fields).flatMap((field) => /^d(\d+)$/.exec(field)?.[1] ?? []);
}

function endFrom(device: string | null | undefined, archive: string | null | undefined): ArchiveEnd | undefined {
  const lastId = archive?.split(':')[1];
  return device == null || lastId === undefined ? undefined : { createdAt: createdAtOf(device), lastId };
}

/** The second part of `registrationId:createdAt:push`. */
function createdAtOf(device: string): number {
  return Number(device.split(':')[1]);
}
