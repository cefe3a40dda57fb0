/**
 * Inboxes: the messages that devices have not acknowledged.
 *
 * `inboxes:{userId}` HASH has one small field for each fact about a user and its devices, so that one read tells a send
 * everything:
 * - `set`, `size`: version of the device set that it mirrors, and number of devices
 * - `last`: id of the last message; `rt`: when the limit of the recipient is free again (GCRA)
 * - `seen`: when a connection ended last
 * and by the id of a device
 * - `d`: registration id, when it was added, 1 with a push registration
 * - `l`: id of the last entry of its stream; `c`, `b`: number and bytes of the messages that wait, with those in MongoDB
 * - `n`: lease: process, connection and end
 * - `a`: the archive in MongoDB may have pages: when its first message was taken, and the last message that moved
 * - `m`: the move that began and did not finish; `e`: the last message of the last page of the archive that expired
 * - `g`: gap: first and last instant, number, `e` or `o`
 * - `s`: suspended since; `w`: a wake-up was asked for at
 *
 * `inbox:{userId}:{deviceId}` STREAM has a message in each entry, as `entryOf` says; an empty one is deleted.
 * `sent:{userId}:{senderId}:{senderDeviceId}` HASH remembers the last sends of a device to a user, with the answer of each and
 * a ring of their names and its limits, in fields that begin with a blank: ` 0`…, ` n` (their number), ` pair`, ` recipient`.
 *
 * Consistency: one script changes all keys of a user, which have one hash tag. Scripts use the time of Redis; a given
 * `now`, in milliseconds, replaces it. Each call is safe to repeat unless it says otherwise. When Redis is unavailable,
 * calls throw.
 */
import type { Redis } from './connect.ts';
import { createInboxArchive } from './inbox-archive.ts';
import { createInboxConnections } from './inbox-connections.ts';
import { createInboxContents } from './inbox-contents.ts';
import { createInboxDevices } from './inbox-devices.ts';
import { createInboxSenders } from './inbox-senders.ts';
import { createSends, type SendOptions } from './inbox-sends.ts';

/** The store of inboxes. */
export type Inboxes = ReturnType<typeof createInboxes>;

/** Creates the store of inboxes. */
export function createInboxes(redis: Redis, options: SendOptions = {}) {
  return {
    ...createSends(redis, options),
    ...createInboxSenders(redis),
    ...createInboxConnections(redis),
    ...createInboxContents(redis),
    ...createInboxDevices(redis),
    ...createInboxArchive(redis),
  };
}
