/**
 * Messages between devices. The server carries their content and cannot read it.
 *
 * Terminology
 * - inbox: the messages that a device has not acknowledged, oldest first.
 * - message id: `<milliseconds>-<sequence>`, one for all devices of a send, unique and growing within the inboxes of a
 *   user. Its milliseconds are the time of the server at which the message was taken.
 * - conversation: what one user decided about another one. Each of them has a side.
 * - gap: messages that a device has not received and will never receive.
 * - lease: that a device is connected to a process, for a while.
 * - archive: the part of an inbox that waited for so long that it is in MongoDB. It is older than the rest.
 *
 * Instants are milliseconds since the Unix epoch.
 */

/** What a message is for its recipient. `sync`: from another device of the same user. */
export const messageTypes = ['message', 'prekey', 'retry', 'receipt', 'sync', 'group'] as const;
/** The type of a message. */
export type MessageType = (typeof messageTypes)[number];

/** Longest content of one message, in bytes before base64. */
export const contentBytesMax = 96 * 1024;
/** Most messages that the inbox of a device may have. */
export const inboxCountMax = 10_000;
/** Most bytes of content in base64 that the inbox of a device may have. */
export const inboxBytesMax = 64 * 1024 * 1024;
/** How long a message waits for its device. */
export const inboxMs = 30 * 86_400_000;
/** Sends that are remembered of a device towards a recipient, so that a repeated one is recognized. */
export const rememberedSends = 128;
/** How long they are remembered after the last one. */
export const rememberedSeconds = 86_400;
/** How long a device counts as connected after its process renewed its lease. */
export const leaseMs = 45_000;

/** A device of a user. */
export interface DeviceAddress {
  userId: string;
  deviceId: string;
}

/** A message in an inbox. */
export interface InboxMessage {
  messageId: string;
  from: DeviceAddress;
  type: MessageType;
  /** Base64. */
  content: string;
  /** When it was sent, as the sender says. */
  timestamp: number;
  /** Wakes up its device. */
  isUrgent: boolean;
}

/** Messages that a device lost. `expired`: they waited for too long. `overflow`: too many waited. */
export interface InboxGap {
  /** When the first and the last one were taken. */
  from: number;
  to: number;
  count: number;
  reason: 'expired' | 'overflow';
}

/** Where the archive of a device ends: what is later is in Redis. */
export interface ArchiveEnd {
  /** When the device was added: another device may have had its id before. */
  createdAt: number;
  /** The last message that moved. */
  lastId: string;
}

/** What users decide about each other. */
export const conversationStates = ['accepted', 'blocked', 'requested'] as const;
/** `requested`: the other one has written and waits for an answer. */
export type ConversationState = (typeof conversationStates)[number];

/**
 * What a user decided about another one, as a send needs it. `a`: accepted. `n`: nothing, and nothing was received. `r`:
 * nothing, and the one message of a stranger was received. `ba`, `bn`, `br`: blocked, which was one of these before.
 */
export const conversationCodes = ['a', 'n', 'r', 'ba', 'bn', 'br'] as const;
/** The code of a conversation. */
export type ConversationCode = (typeof conversationCodes)[number];

/** The types as entries have them: a letter, because most messages are short. */
const typeLetters = {
  message: 'm',
  prekey: 'p',
  retry: 't',
  receipt: 'r',
  sync: 's',
  group: 'g',
} as const satisfies Record<MessageType, string>;
const typesByLetter = new Map(messageTypes.map((type): [string, MessageType] => [typeLetters[type], type]));

/**
 * Returns what an inbox stores of a message beside its id. Its parts are joined by blanks, which none of them has; the
 * content is last.
 */
export function entryOf({ from, type, timestamp, isUrgent, content }: Omit<InboxMessage, 'messageId'>): string {
  return `${from.userId} ${from.deviceId} ${typeLetters[type]} ${timestamp} ${isUrgent ? 1 : 0} ${content}`;
}

/** Returns the message of an entry that an inbox stores. */
export function messageOf(messageId: string, entry: string): InboxMessage {
  const [userId = '', deviceId = '', letter = '', timestamp, urgent, content = ''] = entry.split(' ');
  return {
    messageId,
    from: { userId, deviceId },
    type: typesByLetter.get(letter) ?? 'message',
    content,
    timestamp: Number(timestamp),
    isUrgent: urgent === '1',
  };
}

/** Returns the instant at which the server took a message. */
export function takenAt(messageId: string): number {
  return Number(messageId.split('-', 1)[0]);
}

/** Returns whether a text has the form of a message id. */
export function isMessageId(text: string): boolean {
  return /^[1-9]\d{0,14}-(0|[1-9]\d{0,8})$/.test(text);
}

/** Returns a negative number if the first of two message ids is the earlier one, 0 if they are equal. */
export function compareMessageIds(one: string, other: string): number {
  const [ms = 0, sequence = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherSequence = 0] = other.split('-').map(Number);
  return ms - otherMs || sequence - otherSequence;
}

/**
 * Returns where an archive ends.
 *
 * @param createdAt when the device was added
 * @param state the state of its archive as Redis has it: `<milliseconds of the first message>:<last message id>`
 */
export function archiveEndOf(createdAt: number, state: string): ArchiveEnd {
  return { createdAt, lastId: state.slice(state.indexOf(':') + 1) };
}

/**
 * Returns how long a linked device is idle before its user is warned, and how long after the warning it is suspended at the
 * earliest: 80 % and 20 % of the time after which it is suspended. All in milliseconds.
 */
export function idleSharesOf(idleMs: number): { warnMs: number; graceMs: number } {
  const warnMs = Math.floor(idleMs * 0.8);
  return { warnMs, graceMs: idleMs - warnMs };
}
