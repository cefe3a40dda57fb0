/**
 * Archive of inboxes: messages that waited for so long that they moved from Redis to MongoDB, up to 64 on a page, in
 * `archive` by device, first message and move. Redis says where the archive of a device ends (`ArchiveEnd`): a message
 * moves at the moment at which that end passes it. What a page has behind the end is in Redis still and counts for nothing
 * here, so each message is in one place at any time, wherever the process that moves it dies.
 *
 * The ids of pages begin with user and device, so that `_id` finds those of a device, in order. Only expiry needs
 * another index, which `prepare` creates.
 *
 * Consistency: each call changes single documents, and no two moves write the same one. When MongoDB is unavailable, calls
 * throw; every call may be repeated.
 */
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import {
  type ArchiveEnd,
  compareMessageIds,
  type DeviceAddress,
  type InboxMessage,
  messageOf,
  takenAt,
} from '../../domain/message.ts';

/** The archive of inboxes. */
export type Archive = ReturnType<typeof createArchive>;

/** Messages of a device that move to the archive, oldest first, at most 64. */
export interface ArchivePage extends DeviceAddress {
  /** When the device was added, in milliseconds since the Unix epoch. */
  createdAt: number;
  /** The id of the move that stores the page. */
  moveId: string;
  entries: ArchiveEntry[];
}

/** A message as inboxes store it. */
interface ArchiveEntry {
  messageId: string;
  /** As `messageOf` reads it. */
  entry: string;
}

/** What an acknowledgement removed from the archive. */
interface ArchiveRemoval {
  /** Messages, and their bytes of content in base64. */
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
  moveId: string;
  /** Set while the page expires. */
  isExpired?: boolean;
}

type Pages = Model<PageDocument>;

const schema = new Schema<PageDocument>(
  {
    _id: { type: String, required: true },
    entries: { type: Schema.Types.Mixed, required: true },
    lastAt: { type: Number, required: true },
    moveId: { type: String, required: true },
    isExpired: Boolean,
  },
  { collection: 'archive', versionKey: false, strict: 'throw', minimize: false },
);

/** Pages that are read at once. */
const pagesAtOnce = 8;

/** Creates the archive. */
export function createArchive(connection: Connection) {
  const pages = connection.model<PageDocument>('ArchivePage', schema);
  return {
    /** Stores pages of any devices. Safe to repeat. They count once the archives of the devices end behind them. */
    async put(all: readonly ArchivePage[]): Promise<void> {
      if (all.length === 0) return;
      await pages.bulkWrite(
        all.map(documentOf).map((page) => ({
          replaceOne: { filter: { _id: page._id }, replacement: page, upsert: true },
        })),
        { ordered: false },
      );
    },

    /** Removes the page of a move that did not happen. Safe to repeat. */
    async discard(device: DeviceAddress, move: Pick<ArchivePage, 'createdAt' | 'moveId'>): Promise<void> {
      await pages.deleteMany({ ...within(prefixOf(device, move.createdAt)), moveId: move.moveId });
    },

    /** Deletes the archive of a device up to its end. Safe to repeat, also when later messages have moved. */
    async drop(device: DeviceAddress, end: ArchiveEnd): Promise<void> {
      await pages.deleteMany(upTo(device, end));
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

    /** Returns how many messages of a user are in the archive, also those that expire. */
    async count(userId: string): Promise<number> {
      const found = await pages.find(within(`${userId}/`), { entries: 1 }).lean();
      return found.reduce((sum, { entries }) => sum + Object.keys(entries).length, 0);
    },

    ...createRemovals(pages),
  };
}

/** The operations that end the wait of archived messages. */
function createRemovals(pages: Pages) {
  return {
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
        .sort({ lastAt: 1, _id: 1 })
        .limit(count)
        .lean();
      const taken: ExpiredPage[] = [];
      for (const { _id } of old) {
        const page = await pages
          .findOneAndUpdate({ _id }, { $set: { isExpired: true } }, { returnDocument: 'after' })
          .lean();
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
  };
}

/** Acknowledged messages leave pages of any size, so pages are read until there are enough messages. */
async function readPages(
  pages: Pages,
  device: DeviceAddress,
  end: ArchiveEnd,
  { after, count }: { after?: string | undefined; count: number },
): Promise<InboxMessage[]> {
  const messages: InboxMessage[] = [];
  for await (const page of pagesFrom(pages, device, end, after)) {
    // a move that was overtaken by another one may have left a second copy
    const last = messages.at(-1)?.messageId ?? after ?? '0-0';
    const ids = idsOf(page).filter((id) => compareMessageIds(id, last) > 0 && compareMessageIds(id, end.lastId) <= 0);
    messages.push(...ids.map((id) => messageOf(id, page.entries[id] ?? '')));
    if (messages.length >= count) break;
  }
  return messages.slice(0, count);
}

/** Reads the pages of a device that do not expire, from the one with a message on, some at a time. */
async function* pagesFrom(
  pages: Pages,
  device: DeviceAddress,
  end: ArchiveEnd,
  after: string | undefined,
): AsyncGenerator<PageDocument> {
  let from: string | undefined = await pageWith(pages, device, end, after);
  while (from !== undefined) {
    const found: PageDocument[] = await pages
      .find(upTo(device, end, from))
      .sort({ _id: 1 })
      .limit(pagesAtOnce)
      .lean();
    yield* found.filter(({ isExpired }) => isExpired !== true);
    from = found.length < pagesAtOnce ? undefined : `${found.at(-1)?._id}/`;
  }
}

/** Returns the id of the page that a message is on, or the first id at which it could be. */
async function pageWith(
  pages: Pages,
  device: DeviceAddress,
  { createdAt }: ArchiveEnd,
  messageId: string | undefined,
): Promise<string> {
  const prefix = prefixOf(device, createdAt);
  if (messageId === undefined) return prefix;
  const filter = { _id: trusted({ $gte: prefix, $lt: behind(prefix, messageId) }) };
  const page = await pages.findOne(filter, { _id: 1 }).sort({ _id: -1 }).lean();
  return page?._id ?? prefix;
}

async function removeMessages(
  pages: Pages,
  device: DeviceAddress,
  end: ArchiveEnd,
  messageIds: readonly string[],
): Promise<ArchiveRemoval> {
  const sought = messageIds.filter((id) => compareMessageIds(id, end.lastId) <= 0);
  const removal = { count: 0, bytes: 0 };
  const having = sought.map((id) => ({ [`entries.${id}`]: trusted({ $exists: true }) }));
  const found = having.length === 0 ? [] : await pages.find({ ...upTo(device, end), $or: having }).lean();
  for (const page of found) {
    const removed = await removeFrom(pages, page, new Set(sought));
    removal.count += removed.length;
    removal.bytes += bytesOf(removed);
  }
  const left = await pages.findOne(upTo(device, end), { _id: 1 }).lean();
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
    : await pages.findOneAndUpdate(isLiving, { $unset }, { returnDocument: 'before' }).lean();
  if (before === null) return [];
  const removed = theirs.flatMap((id) => before.entries[id] ?? []);
  if (!isWhole && removed.length === Object.keys(before.entries).length) await pages.deleteOne({ _id, entries: {} });
  return removed;
}

function documentOf({ createdAt, moveId, entries, ...device }: ArchivePage): PageDocument {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) throw new Error('A page of the archive has messages');
  return {
    _id: `${prefixOf(device, createdAt)}${paddedId(first.messageId)}/${moveId}`,
    moveId,
    entries: Object.fromEntries(entries.map(({ messageId, entry }) => [messageId, entry])),
    lastAt: takenAt(last.messageId),
  };
}

function expiredOf(page: PageDocument): ExpiredPage {
  const [userId = '', deviceId = '', createdAt = ''] = page._id.split('/');
  const ids = idsOf(page);
  const bytes = bytesOf(Object.values(page.entries));
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

function bytesOf(entries: readonly string[]): number {
  return entries.reduce((sum, entry) => sum + messageOf('', entry).content.length, 0);
}

/** The messages of a page in their order. */
function idsOf({ entries }: Pick<PageDocument, 'entries'>): string[] {
  return Object.keys(entries).sort(compareMessageIds);
}

/** All pages whose id begins with a text that ends with a slash. */
function within(prefix: string) {
  return { _id: trusted({ $gte: prefix, $lt: endOf(prefix) }) };
}

/** The pages of a device that begin at or before the end of its archive. */
function upTo(device: DeviceAddress, { createdAt, lastId }: ArchiveEnd, from?: string) {
  const prefix = prefixOf(device, createdAt);
  return { _id: trusted({ $gte: from ?? prefix, $lt: behind(prefix, lastId) }) };
}

/** The first text behind the ids of pages that begin with a message or before it. */
function behind(prefix: string, messageId: string): string {
  return `${prefix}${paddedId(messageId)}0`;
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
