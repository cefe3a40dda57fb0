/**
 * The words of a conversation on this device: an entry is a message, or a line that says what happened between messages.
 * Pure rules; web/history.ts keeps the entries.
 */

/** How far an own message has come. A later state never gives way to an earlier one. */
const sendStates = ['queued', 'sent', 'delivered', 'read'] as const;
/** One of these states. */
export type SendState = (typeof sendStates)[number];

interface EntryOf<Kind extends string> {
  /** Unique on this device: the id of the server for what was received, that of the client for what was sent. */
  id: string;
  kind: Kind;
  /** The other person; empty for an entry that concerns every conversation. */
  userId: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
}

/** A message of the other person. */
interface ReceivedEntry extends EntryOf<'received'> {
  text: string;
  /** The person of this device has seen it. */
  isRead: boolean;
}

/** A message of this person, written here or on another own device. */
export interface OwnEntry extends EntryOf<'own'> {
  text: string;
  state: SendState;
  /** The ids of its copies at the devices of the other person, which receipts name. */
  messageIds: string[];
  /** The code of the error for which the server will never accept it. */
  refusedFor?: string;
}

/** Messages that this device has not received and will never receive. */
interface GapEntry extends EntryOf<'gap'> {
  /** Milliseconds since the Unix epoch, of the first and the last of them. */
  from: number;
  to: number;
  count: number;
  reason: 'expired' | 'overflow';
}

/** A message that this device could not decrypt. */
interface UndecryptableEntry extends EntryOf<'undecryptable'> {
  /** The sender was asked to send it again. */
  willRetry: boolean;
}

/** A new identity key of the other person. */
interface IdentityEntry extends EntryOf<'identity'> {
  reason: 'rotated' | 'reregistered' | 'unknown';
}

/** What a conversation on the screen consists of. */
export type Entry = ReceivedEntry | OwnEntry | GapEntry | UndecryptableEntry | IdentityEntry;

/** Returns the state after a report: the one that is further. */
export function furtherState(state: SendState, reported: SendState): SendState {
  return sendStates.indexOf(reported) > sendStates.indexOf(state) ? reported : state;
}

/**
 * Returns whether the last entry about an identity key already tells of the one that was just noticed: the server has
 * announced it, and nothing was received with it yet.
 */
export function isIdentityAnnounced(entries: readonly Entry[]): boolean {
  const last = entries.findLast(({ kind }) => kind === 'identity' || kind === 'received');
  return last?.kind === 'identity' && last.reason !== 'unknown';
}

/** Entries of one day, for a heading between days. */
export interface Day {
  /** Milliseconds since the Unix epoch, of the first entry. */
  at: number;
  entries: Entry[];
}

/** Groups entries by the days of this device's time zone, oldest first. */
export function groupByDay(entries: readonly Entry[]): Day[] {
  const days: Day[] = [];
  for (const entry of entries.toSorted((one, other) => one.at - other.at)) {
    const last = days.at(-1);
    if (last && isSameDay(last.at, entry.at)) last.entries.push(entry);
    else days.push({ at: entry.at, entries: [entry] });
  }
  return days;
}

function isSameDay(one: number, other: number): boolean {
  return new Date(one).toDateString() === new Date(other).toDateString();
}
