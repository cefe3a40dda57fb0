/**
 * The way of old messages from Redis to MongoDB, and the end of those that wait for too long.
 *
 * A move: `beginMove`, then the page is written in MongoDB, then `finishMove` removes its messages from the stream and
 * puts the end of the archive behind them, in one script. What the archive has behind its end counts for nothing, and what
 * is before it is not in the stream: a message is in one of them, wherever the process that moves it is interrupted.
 */
import { type ArchiveEnd, archiveEndOf, type DeviceAddress } from '../../domain/message.ts';
import { loadScript, primariesOf, type Redis, timeOf } from './connect.ts';
import { type InboxState, statesOf } from './inbox-devices.ts';
import { keys, parseKey } from './keys.ts';

/** A device. Another one may have its id later. */
export interface DatedDevice extends DeviceAddress {
  /** When it was added, in milliseconds since the Unix epoch. */
  createdAt: number;
}

/** A message as its inbox stores it. */
export interface StoredEntry {
  messageId: string;
  /** As `messageOf` reads it. */
  entry: string;
}

/** Messages that begin to move. */
export interface InboxMove {
  /** Oldest first, at least one. */
  entries: StoredEntry[];
  /** An earlier move that did not finish: its page is discarded before another one is stored. */
  unfinishedId: string | undefined;
}

/** Messages of a page. */
export const pageCountMax = 64;
/** Bytes of a page, unless one message has more. A document of MongoDB has at most 16 MiB. */
const pageBytesMax = 1024 * 1024;
/** Keys per step of the scan. */
const scanCount = 1000;

/** Creates the operations that move messages to the archive, and that let them expire. */
export function createInboxArchive(redis: Redis) {
  const begin = loadScript(redis, 'inbox-move-begin');
  const finish = loadScript(redis, 'inbox-move-finish');
  const expire = loadScript(redis, 'inbox-expire');
  const keysOf = (device: DeviceAddress) => [keys.inboxes(device), keys.inbox(device)];
  return {
    /**
     * Returns the inboxes of a part of all users, and the cursor of the next part; `0` begins, and ends. An inbox may occur
     * twice, and one that exists all the time occurs, also when the scan continues after an interruption. In a Redis Cluster
     * the nodes follow each other: a cursor that begins with the number of a node, as in `1:0`, continues there.
     */
    async scanInboxes(cursor: string): Promise<{ cursor: string; inboxes: InboxState[][] }> {
      const pattern = keys.inboxes({ userId: '*' });
      const [[next, names], now] = await Promise.all([scanNext(redis, cursor, pattern), timeOf(redis)]);
      const stored = await Promise.all(names.map((name) => redis.hgetall(name)));
      const inboxes = names.map((name, index) => statesOf(parseKey(name)?.ids.userId ?? '', stored[index] ?? {}, now));
      return { cursor: next, inboxes };
    },

    /** Returns where the archive of a device ends; undefined if it has no pages. */
    async readArchiveEnd({ userId, deviceId }: DeviceAddress): Promise<ArchiveEnd | undefined> {
      const [device, archive] = await redis.hmget(keys.inboxes({ userId }), `d${deviceId}`, `a${deviceId}`);
      return device == null || archive == null ? undefined : archiveEndOf(Number(device.split(':')[1]), archive);
    },

    /**
     * Begins to move the oldest messages that were taken before an instant. Undefined if there are none, or the device is
     * connected, suspended or gone. A move takes the place of an earlier one that did not finish.
     */
    async beginMove(device: DatedDevice, moveId: string, before: number): Promise<InboxMove | undefined> {
      const args = [device.deviceId, device.createdAt, before, moveId, pageCountMax, pageBytesMax];
      const [unfinishedId, ...found] = (await begin(keysOf(device), args)) as string[];
      if (unfinishedId === undefined) return undefined;
      const entries: StoredEntry[] = [];
      for (let index = 0; index < found.length; index += 2) {
        entries.push({ messageId: found[index] ?? '', entry: found[index + 1] ?? '' });
      }
      return { entries, unfinishedId: unfinishedId === '' ? undefined : unfinishedId };
    },

    /**
     * Moves the messages of a page. Nothing moves if one of them was acknowledged since the move began, the device connected
     * or another move began: false, and the page counts for nothing.
     */
    async finishMove(device: DatedDevice, moveId: string, entries: readonly StoredEntry[]): Promise<boolean> {
      const args = [device.deviceId, device.createdAt, moveId, entries.at(-1)?.messageId ?? '', entries.length];
      return (await finish(keysOf(device), args)) === 1;
    },

    /**
     * Deletes messages of a stream that were taken before an instant, at most `count`, and notes them in the gap of the
     * device. Returns their number. A repeat finds those that are left.
     */
    async expireMessages(device: DatedDevice, before: number, count: number): Promise<number> {
      return Number(await expire(keysOf(device), [device.deviceId, device.createdAt, before, count]));
    },
  };
}

/** Scans a part of the keys of one node. The nodes are in the order of their addresses, so that a cursor stays valid. */
async function scanNext(redis: Redis, cursor: string, pattern: string): Promise<[next: string, names: string[]]> {
  const [, number = '0', within = cursor] = /^(\d+):(\d+)$/.exec(cursor) ?? [];
  const nodes = (await primariesOf(redis)).sort((one, other) => (addressOf(one) < addressOf(other) ? -1 : 1));
  const [next, names] = (await nodes[Number(number)]?.scan(within, 'MATCH', pattern, 'COUNT', scanCount)) ?? ['0', []];
  const last = Number(number) + 1 >= nodes.length;
  if (next === '0') return [last ? '0' : `${Number(number) + 1}:0`, names];
  return [number === '0' ? next : `${number}:${next}`, names];
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
