/**
 * The way of old messages from Redis to MongoDB: `beginArchive`, then the page is written in MongoDB, then
 * `removeArchived`. Each step is safe to repeat, and an interruption leaves a message in both places, never in none.
 */
import type { DeviceAddress } from '../../domain/message.ts';
import { loadScript, type Redis } from './connect.ts';
import { keys, parseKey } from './keys.ts';

/** A device with messages in its stream. */
export interface WaitingInbox extends DeviceAddress {
  /** The oldest one. */
  firstId: string;
}

/** A message as its inbox stores it. */
export interface StoredEntry {
  messageId: string;
  /** As `messageOf` reads it. */
  entry: string;
}

/** Keys per step of the scan. */
const scanCount = 1000;

/** Creates the operations that move messages to the archive. */
export function createInboxArchive(redis: Redis) {
  const begin = loadScript(redis, 'inbox-archive-begin');
  const move = loadScript(redis, 'inbox-archive-move');
  return {
    /**
     * Returns a part of all devices with messages in their streams, and the cursor of the next part; `0` begins, and ends.
     * A device may occur twice.
     */
    async scanInboxes(cursor: string): Promise<{ cursor: string; inboxes: WaitingInbox[] }> {
      const pattern = keys.inbox({ userId: '*', deviceId: '*' });
      const [next, names] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount, 'TYPE', 'stream');
      const oldest = await Promise.all(names.map((name) => redis.xrange(name, '-', '+', 'COUNT', 1)));
      const inboxes = names.flatMap((name, index) => {
        const { userId, deviceId } = parseKey(name)?.ids ?? {};
        const firstId = oldest[index]?.[0]?.[0];
        if (userId === undefined || deviceId === undefined || firstId === undefined) return [];
        return [{ userId, deviceId, firstId }];
      });
      return { cursor: next, inboxes };
    },

    /** Returns the oldest messages of a stream that were taken before an instant. */
    async olderThan(device: DeviceAddress, cutoff: number, count: number): Promise<StoredEntry[]> {
      const found = await redis.xrange(keys.inbox(device), '-', `(${cutoff}-0`, 'COUNT', count);
      return found.map(([messageId, [, entry = '']]) => ({ messageId, entry }));
    },

    /**
     * Allows to move messages of a device to its archive. False if it is connected, suspended or gone, or nothing waits.
     * Safe to repeat.
     */
    async beginArchive(device: DeviceAddress, now?: number): Promise<boolean> {
      const names = [keys.inboxes(device), keys.inbox(device)];
      return (await begin(names, [now ?? '', device.deviceId])) === 1;
    },

    /**
     * Removes messages from a stream that the archive has. They still count. Safe to repeat.
     *
     * @returns ids that were acknowledged meanwhile: the archive must not keep them
     */
    async removeArchived(device: DeviceAddress, messageIds: readonly string[]): Promise<string[]> {
      const names = [keys.inboxes(device), keys.inbox(device)];
      return (await move(names, [device.deviceId, ...messageIds])) as string[];
    },
  };
}
