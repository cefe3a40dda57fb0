/** What waits in the inboxes of devices, and what they lost. */
import { type DeviceAddress, type InboxGap, type InboxMessage, messageOf } from '../../domain/message.ts';
import { loadScript, type Redis } from './connect.ts';
import { groupedScript } from './grouped-script.ts';
import { keys } from './keys.ts';

/** Which entries of an inbox are read. */
export interface InboxPart {
  /** Those after this message id. */
  after?: string | undefined;
  /** Those up to this message id. */
  upTo?: string | undefined;
  /** At most so many. */
  count: number;
  /** At most so many bytes, but at least one entry. */
  bytes?: number;
}

/** What became of acknowledgements. */
export interface Acknowledged {
  /** Ids that the stream does not have; the archive may have them. */
  unknown: string[];
  /** The state of the archive, for `settleArchived`; undefined if it has no pages. */
  archive?: string;
}

/** What left the archive of a device. */
interface ArchiveChange {
  /** Messages that were removed, and the bytes of their contents. */
  count?: number;
  bytes?: number;
  /** The state of the archive that was found empty, as it was read before the search. */
  archive?: string | undefined;
  /** Messages that the device will never get. */
  gap?: InboxGap;
  /** The last message of a page that expired: a page counts once. */
  expiredId?: string;
}

/** Returns the gap of a field of the hash, or undefined. */
export function gapOf(field: string | null | undefined): InboxGap | undefined {
  const [from, to, count, reason] = field?.split(':') ?? [];
  if (!from) return undefined;
  return {
    from: Number(from),
    to: Number(to),
    count: Number(count),
    reason: reason === 'e' ? 'expired' : 'overflow',
  };
}

/** Creates the operations on the contents of inboxes. */
export function createInboxContents(redis: Redis) {
  const read = loadScript(redis, 'inbox-read');
  const acknowledge = groupedScript(redis, 'message-acknowledge');
  return {
    /** Returns messages of the stream of a device, oldest first. Those in its archive are older. */
    async read(device: DeviceAddress, { after, upTo, count, bytes }: InboxPart): Promise<InboxMessage[]> {
      const args = [after === undefined ? '-' : `(${after}`, upTo ?? '+', count, bytes ?? Number.MAX_SAFE_INTEGER];
      const found = (await read([keys.inbox(device)], args)) as string[];
      const messages: InboxMessage[] = [];
      for (let index = 0; index < found.length; index += 2) {
        messages.push(messageOf(found[index] ?? '', found[index + 1] ?? ''));
      }
      return messages;
    },

    /** Removes messages from the stream of a device. Ids that it does not have change nothing. Safe to repeat. */
    async acknowledge(device: DeviceAddress, messageIds: readonly string[]): Promise<Acknowledged> {
      const names = [keys.inboxes(device), keys.inbox(device)];
      const [archive, unknown] = (await acknowledge(names, [device.deviceId, ...messageIds])) as [string, string[]];
      return { unknown, ...(archive !== '' && { archive }) };
    },

    ...createGaps(redis),
  };
}

function createGaps(redis: Redis) {
  const settle = loadScript(redis, 'inbox-settle');
  const clear = loadScript(redis, 'inbox-gap-clear');

  const settleArchived = async (device: DeviceAddress, change: ArchiveChange) => {
    const { count = 0, bytes = 0, archive = '', gap, expiredId = '' } = change;
    const lost = gap === undefined ? ['', '', '', ''] : [gap.from, gap.to, gap.count, gap.reason.charAt(0)];
    const args = [device.deviceId, count, bytes, archive, ...lost, expiredId];
    return (await settle([keys.inboxes(device)], args)) === 1;
  };
  return {
    /**
     * Counts messages that left the archive of a device, notes those that it will never get, and that the archive has no
     * page any more, unless it got one since. Not safe to repeat, except with `expiredId`: it follows the removal. False if
     * there is no such device, or the page counted before.
     */
    settleArchived,

    /** Adds to what a device is told that it lost. False if there is no such device. */
    noteGap: (device: DeviceAddress, gap: InboxGap): Promise<boolean> => settleArchived(device, { gap }),

    /** Returns what a device lost and was not told, or undefined. */
    async readGap(device: DeviceAddress): Promise<InboxGap | undefined> {
      return gapOf(await redis.hget(keys.inboxes(device), `g${device.deviceId}`));
    },

    /** Removes a gap that a device was told. What was added to it meanwhile stays. Safe to repeat. */
    async clearGap(device: DeviceAddress, told: InboxGap): Promise<void> {
      await clear([keys.inboxes(device)], [device.deviceId, told.to, told.count]);
    },

    /** Lets the next message wake a device up: the wake-up that was asked for did not begin. */
    async clearWake(device: DeviceAddress): Promise<void> {
      await redis.hdel(keys.inboxes(device), `w${device.deviceId}`);
    },
  };
}
