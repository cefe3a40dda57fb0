/**
 * Archive of inboxes: messages that waited for so long that they moved from Redis to MongoDB, up to 64 on a page, in
 * `archive` by device and first message. Redis says where the archive of a device ends (`ArchiveEnd`); the switch of a
 * message from Redis to here is the moment at which that end passes it. What a page has behind the end is in Redis still
 * and counts for nothing here, so each message is in one place at any time, wherever the process that moves it dies.
 *
 * The ids of pages begin with user and device, so that `_id` finds those of a device, in order. Only expiry needs
 * another index, which `prepare` creates.
 *
 * Consistency: each call changes single documents. When MongoDB is unavailable, calls throw; every call may be repeated.
 */
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import {
  type ArchiveEnd,
  compareMessageIds,
  type DeviceAddress,
  type InboxMessage,
  inboxMessageOf,
  takenAt,
} from '../../domain/message.ts';

/** The archive of inboxes. */
export type Archive = ReturnType<typeof createArchive>;

/** Messages of a device that move to the archive, oldest first, at most 64. */
export interface ArchivePage extends DeviceAddress {
  /** When the device was added, in milliseconds since the Unix epoch. */
  createdAt: number;
  entries: ArchiveEntry[];
}

/** A message as it is stored in Redis. */
export interface ArchiveEntry {
  messageId: string;
  stored: string;
}

/** What an acknowledgement removed from the archive. */
export interface ArchiveRemoval {
  /** Messages, and their bytes in stored form. */
  count: number;
  bytes: number;
  /** Nothing of the device is left in the archive. */
  isEmpty: boolean;
}

/** A page whose messages expire: nobody reads or acknowledges them any more. */
export interface ExpiredPage extends DeviceAddress {
  pageId: string;
  createdAt: number;
  /** The first and the last message. */
  firstId: string;
  lastId: string;
  count: number;
  bytes: number;
}

interface PageDocument {
  _id: string;
  /** By message id. */
  entries: Record<string, string>;
  /** When the last message was taken. */
  lastAt: number;
  /** Set while the page expires. */
  isExpired?: boolean;
}

type Pages = Model<PageDocument>;

const schema = new Schema<PageDocument>(
  {
    _id: { type: String, required: true },
    entries: { type: Schema.Types.Mixed, required: true },
    lastAt: { type: Number, required: true },
    isExpired: Boolean,
  },
  { collection: 'archive', versionKey: false, strict: 'throw', minimize: false, autoIndex: false },
);
schema.index({ lastAt: 1 });

/** Pages that are read at once. */
const pagesAtOnce = 8;

/** Creates the archive. */
export function createArchive(connection: Connection) {
  const pages = connection.model<PageDocument>('ArchivePage', schema);
  return {
    /** Creates the index of expiry. Safe to repeat. */
    async prepare(): Promise<void> {
      await pages.createIndexes();
    },

    /** Stores pages of any devices. Safe to repeat. They count once the archives of the devices end behind them. */
    async put(all: readonly ArchivePage[]): Promise<void> {
      if (all.length === 0) return;
      const documents = all.map(documentOf);
      // lean: what was built here needs neither casts nor checks
      await pages.bulkWrite(
        documents.map(({ _id, ...replacement }) => ({ replaceOne: { filter: { _id }, replacement, upsert: true } })),
        { ordered: false },
      );
    },

    /** Removes what an earlier move left behind the end of an archive. Safe to repeat. */
    async discard(device: DeviceAddress, end: ArchiveEnd): Promise<void> {
      const { createdAt, lastId } = end;
      const prefix = prefixOf(device, createdAt);
      await pages.deleteMany({ _id: trusted({ $gt: `${prefix}${paddedId(lastId)}`, $lt: endOf(prefix) }) });
    },

    /**
     * Returns messages of a device, oldest first, from a message on (without it) up to the end of its archive.
     *
     * @param options.count how many at most
     */
    read: (
      device: DeviceAddress,
      end: ArchiveEnd,
      options: { after?: string | undefined; count: number },
    ): Promise<InboxMessage[]> => readPages(pages, device, end, options),

    /** Removes messages of a device from its archive; those that it does not have are ignored. Safe to repeat. */
    acknowledge: (device: DeviceAddress, end: ArchiveEnd, messageIds: readonly string[]): Promise<ArchiveRemoval> =>
      removeMessages(pages, device, end, messageIds),

    /**
     * Takes pages whose last message was taken before an instant: from then on nobody reads or acknowledges their messages.
     * The caller records the loss, then calls `remove`. A repeat returns those that were not removed.
     *
     * @param options.count how many at most
     */
    async takeExpired(before: number, { count }: { count: number }): Promise<ExpiredPage[]> {
      const old = await pages
        .find({ lastAt: trusted({ $lt: before }) }, { _id: 1 })
        .sort({ lastAt: 1 })
        .limit(count)
        .lean();
      const taken: ExpiredPage[] = [];
      for (const { _id } of old) {
        const page = await pages.findOneAndUpdate({ _id }, { $set: { isExpired: true } }, { new: true }).lean();
        if (page !== null) taken.push(expiredOf(page));
      }
      return taken;
    },

    /** Removes an expired page. Safe to repeat. */
    async remove({ pageId }: Pick<ExpiredPage, 'pageId'>): Promise<void> {
      await pages.deleteOne({ _id: pageId });
    },

    /** Deletes the archive of a device, or of all devices of a user. Safe to repeat. */
    async erase(userId: string, deviceId?: string): Promise<void> {
      const prefix = deviceId === undefined ? `${userId}/` : `${userId}/${deviceId}/`;
      await pages.deleteMany(within(prefix));
    },

    /** Returns how many messages of a user are in the archive, also those that expire. */
    async count(userId: string): Promise<number> {
      const found = await pages.find(within(`${userId}/`), { entries: 1 }).lean();
      return found.reduce((sum, { entries }) => sum + Object.keys(entries).length, 0);
    },
  };
}

/** Reads page after page, because messages that were acknowledged leave pages of any size. */
async function readPages(
  pages: Pages,
  device: DeviceAddress,
  { createdAt, lastId }: ArchiveEnd,
  { after, count }: { after?: string | undefined; count: number },
): Promise<InboxMessage[]> {
  const prefix = prefixOf(device, createdAt);
  const messages: InboxMessage[] = [];
  let from = after === undefined ? prefix : await pageWith(pages, prefix, after);
  for (;;) {
    const found = await pages
      .find({ _id: trusted({ $gte: from, $lte: `${prefix}${paddedId(lastId)}` }) })
      .sort({ _id: 1 })
      .limit(pagesAtOnce)
      .lean();
    for (const page of found.filter(({ isExpired }) => isExpired !== true)) {
      const ids = idsOf(page).filter((id) => after === undefined || compareMessageIds(id, after) > 0);
      messages.push(...ids.map((id) => inboxMessageOf(id, page.entries[id] ?? '')));
      if (messages.length >= count) return messages.slice(0, count);
    }
    const last = found.at(-1);
    if (last === undefined || found.length < pagesAtOnce) return messages;
    from = `${last._id}/`;
  }
}

/** Returns the id of the page that a message is on, or the first id at which it could be. */
async function pageWith(pages: Pages, prefix: string, messageId: string): Promise<string> {
  const own = `${prefix}${paddedId(messageId)}`;
  const page = await pages
    .findOne({ _id: trusted({ $gte: prefix, $lte: own }) }, { _id: 1 })
    .sort({ _id: -1 })
    .lean();
  return page?._id ?? own;
}

async function removeMessages(
  pages: Pages,
  device: DeviceAddress,
  { createdAt, lastId }: ArchiveEnd,
  messageIds: readonly string[],
): Promise<ArchiveRemoval> {
  const prefix = prefixOf(device, createdAt);
  const sought = messageIds.filter((id) => compareMessageIds(id, lastId) <= 0).sort(compareMessageIds);
  const [first, last] = [sought[0], sought.at(-1)];
  const removal = { count: 0, bytes: 0 };
  if (first !== undefined && last !== undefined) {
    const from = await pageWith(pages, prefix, first);
    const found = await pages.find({ _id: trusted({ $gte: from, $lte: `${prefix}${paddedId(last)}` }) }).lean();
    for (const page of found) {
      const removed = await removeFrom(pages, page, new Set(sought));
      removal.count += removed.length;
      removal.bytes += removed.reduce((sum, stored) => sum + stored.length, 0);
    }
  }
  const left = await pages.findOne(
    { _id: trusted({ $gte: prefix, $lte: `${prefix}${paddedId(lastId)}` }) },
    { _id: 1 },
  );
  return { ...removal, isEmpty: left === null };
}

/**
 * Removes messages from a page, and the page with the last one. Returns those that this call removed: of parallel calls
 * one changes the document.
 */
async function removeFrom(pages: Pages, seen: PageDocument, messageIds: ReadonlySet<string>): Promise<string[]> {
  const { _id } = seen;
  const isLiving = { _id, isExpired: trusted({ $exists: false }) };
  const theirs = idsOf(seen).filter((id) => messageIds.has(id));
  if (theirs.length === 0) return [];
  const $unset = Object.fromEntries(theirs.map((id) => [`entries.${id}`, 1]));
  // a page only shrinks, so one that these messages would empty has no others
  const isWhole = theirs.length === idsOf(seen).length;
  const before = isWhole
    ? await pages.findOneAndDelete(isLiving).lean()
    : await pages.findOneAndUpdate(isLiving, { $unset }, { new: false }).lean();
  if (before === null) return [];
  const removed = theirs.flatMap((id) => before.entries[id] ?? []);
  if (!isWhole && removed.length === Object.keys(before.entries).length) await pages.deleteOne({ _id, entries: {} });
  return removed;
}

function documentOf({ createdAt, entries, ...device }: ArchivePage): PageDocument {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) throw new Error('A page of the archive has messages');
  return {
    _id: `${prefixOf(device, createdAt)}${paddedId(first.messageId)}`,
    entries: Object.fromEntries(entries.map(({ messageId, stored }) => [messageId, stored])),
    lastAt: takenAt(last.messageId),
  };
}

function expiredOf(page: PageDocument): ExpiredPage {
  const [userId = '', deviceId = '', createdAt = ''] = page._id.split('/');
  const ids = idsOf(page);
  const bytes = Object.values(page.entries).reduce((sum, stored) => sum + stored.length, 0);
  const [firstId = '', lastId = ''] = [ids[0], ids.at(-1)];
  return {
    pageId: page._id,
    userId,
    deviceId,
    createdAt: Number(createdAt),
    firstId,
    lastId,
    count: ids.length,
    bytes,
  };
}

/** The messages of a page in their order. */
function idsOf({ entries }: Pick<PageDocument, 'entries'>): string[] {
  return Object.keys(entries).sort(compareMessageIds);
}

/** All pages whose id begins with a text that ends with a slash. */
function within(prefix: string) {
  return { _id: trusted({ $gte: prefix, $lt: endOf(prefix) }) };
}

/** The first text behind those that begin with a prefix that ends with a slash. */
function endOf(prefix: string): string {
  return `${prefix.slice(0, -1)}0`;
}

function prefixOf({ userId, deviceId }: DeviceAddress, createdAt: number): string {
  return `${userId}/${deviceId}/${createdAt}/`;
}

/** A message id whose order as a text is that of the messages. */
function paddedId(messageId: string): string {
  const [ms = '', sequence = ''] = messageId.split('-');
  return `${ms.padStart(15, '0')}-${sequence.padStart(9, '0')}`;
}
