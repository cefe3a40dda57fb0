/** The inbox of a device as one list: first its archive in MongoDB, then its stream in Redis. */
import type { Archive } from '../adapters/mongo/archive.ts';
import type { OpenedInbox } from '../adapters/redis/inbox-connections.ts';
import type { Inboxes } from '../adapters/redis/inboxes.ts';
import { compareMessageIds, type DeviceAddress, type InboxMessage } from '../domain/message.ts';
import type { Events } from '../platform/events/events.ts';

/** Dependencies of inboxes. */
export interface InboxDeps {
  inboxes: Pick<Inboxes, 'read' | 'acknowledge' | 'readArchiveEnd' | 'settleArchived'>;
  archive: Pick<Archive, 'read' | 'acknowledge'>;
  events: Pick<Events, 'archiveReturned'>;
}

/** Which messages of an inbox are read. */
export interface InboxRange {
  /** Those after this message id; absent: from the oldest on. */
  after?: string | undefined;
  /** At most so many. */
  count: number;
  /** At most so many bytes of content in base64, but at least one message. */
  bytes: number;
}

/**
 * Returns messages that wait for a device, oldest first.
 *
 * The stream is read before the archive: a message that moves in between is found in both and returned once. In the
 * other order it could be in neither.
 */
export async function readInbox(
  { inboxes, archive, events }: InboxDeps,
  device: DeviceAddress,
  { after, count, bytes }: InboxRange,
): Promise<InboxMessage[]> {
  const inStream = await inboxes.read(device, { after, count, bytes });
  const end = await inboxes.readArchiveEnd(device);
  if (end === undefined || (after !== undefined && compareMessageIds(after, end.lastId) >= 0)) return inStream;
  const archived = await archive.read(device, end, { after, count });
  events.archiveReturned(archived.length);
  const last = archived.at(-1)?.messageId;
  // what is later than the page is not known to be complete before the whole archive was read
  const isWhole = archived.length < count;
  const later = inStream.filter(({ messageId }) => last === undefined || compareMessageIds(messageId, last) > 0);
  return firstWithin([...archived, ...(isWhole ? later : [])], { count, bytes });
}

/** What a suspended device has in the archive is lost and part of its gap, so it is deleted. Safe to repeat. */
export async function withoutLost(
  { inboxes, archive: pages }: { inboxes: Pick<Inboxes, 'settleArchived'>; archive: Pick<Archive, 'erase'> },
  device: DeviceAddress,
  opened: OpenedInbox,
): Promise<OpenedInbox> {
  const { archive, ...live } = opened;
  if (!opened.wasSuspended || archive === undefined) return opened;
  await pages.erase(device.userId, device.deviceId);
  await inboxes.settleArchived(device, { archive });
  return live;
}

/** Removes messages from the inbox of a device. Unknown ids are ignored. Returns how many were removed. Safe to repeat. */
export async function acknowledgeInbox(
  { inboxes, archive }: InboxDeps,
  device: DeviceAddress,
  messageIds: readonly string[],
): Promise<number> {
  const { unknown, archive: state } = await inboxes.acknowledge(device, messageIds);
  const removed = messageIds.length - unknown.length;
  if (state === undefined || unknown.length === 0) return removed;
  const end = await inboxes.readArchiveEnd(device);
  if (end === undefined) return removed;
  const { count, bytes, isEmpty } = await archive.acknowledge(device, end, unknown);
  await inboxes.settleArchived(device, { count, bytes, archive: isEmpty ? state : undefined });
  return removed + count;
}

/** Returns the first of some messages, as many as a range allows. */
export function firstWithin(
  messages: readonly InboxMessage[],
  { count, bytes }: Pick<InboxRange, 'count' | 'bytes'>,
): InboxMessage[] {
  let size = 0;
  const end = messages.findIndex(({ content }, index) => {
    size += content.length;
    return index > 0 && size > bytes;
  });
  return messages.slice(0, Math.min(count, end === -1 ? count : end));
}
