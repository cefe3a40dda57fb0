/**
 * Sends: one script for each recipient stores a message in all inboxes at once, or refuses it and changes nothing.
 *
 * Consistency: the script is atomic, and `clientMessageId` makes it safe to repeat. When Redis is unavailable, calls throw.
 */
import { hash } from 'node:crypto';
import { spacingMs, type Window } from '../../domain/limits.ts';
import {
  type ConversationCode,
  type DeviceAddress,
  entryOf,
  type InboxMessage,
  inboxBytesMax,
  inboxCountMax,
  type MessageType,
  rememberedSeconds,
  rememberedSends,
  takenAt,
} from '../../domain/message.ts';
import { wakeUpSeconds } from '../../domain/push.ts';
import { loadScript, type Redis, type Script } from './connect.ts';
import { createReplicatedGroups, groupedScript } from './grouped-script.ts';
import { keys } from './keys.ts';
import type { Delivery } from './node-channel.ts';

/** When a send is answered: when Redis has it, has written it to its append-only file, or when its replicas have it. */
export type MessageDurability = 'memory' | 'disk' | 'replica';

/** The copy of a message for one device. */
export interface DeviceMessage {
  deviceId: string;
  registrationId: number;
  type: MessageType;
  /** Base64. */
  content: string;
}

/** A message to all devices of a user; to one's own account, to all other devices. */
export interface Send {
  /** The recipient. */
  to: string;
  from: DeviceAddress;
  clientMessageId: string;
  /** Tells apart what is sent under one `clientMessageId`: 22 characters. */
  bodyHash: string;
  messages: readonly DeviceMessage[];
  /** When it was sent, as the sender says. */
  timestamp: number;
  /** For connected devices only: it is not stored. */
  isOnline?: boolean;
  /** Wakes up devices that are not connected; by default it does. */
  isUrgent?: boolean;
  /** What MongoDB has, after `conversation-unknown`. */
  conversation?: ConversationCode | undefined;
  limits: { pair: Window; recipient: Window };
  /** The process that sends: it delivers to its own connections from the answer. */
  nodeId: string;
}

/** What became of a send. Everything but `stored` and `duplicate` changed nothing. */
export type SendResult =
  | {
      outcome: 'stored';
      messageId: string;
      serverTimestamp: number;
      /** Devices to wake up: none was asked for since they connected. */
      wake: string[];
      /** For connections of the process that sends. */
      local: Delivery[];
      /** It was the one message of a stranger, also of a blocked one: MongoDB does not have that yet. */
      began: boolean;
    }
  | { outcome: 'duplicate'; messageId: string; serverTimestamp: number; local: Delivery[] }
  /** Other content was sent under the `clientMessageId`. */
  | { outcome: 'clash' }
  /** The mirror of the device set is missing: write it and repeat. */
  | { outcome: 'devices-unknown' }
  /** The conversation is not cached: repeat with it. */
  | { outcome: 'conversation-unknown' }
  | { outcome: 'stale'; staleDevices: string[] }
  | { outcome: 'mismatched'; missingDevices: string[]; extraDevices: string[] }
  | { outcome: 'not-accepted' }
  | {
      outcome: 'limited';
      limit: 'messages-per-pair' | 'messages-per-recipient' | 'inbox';
      /** Absent for a full inbox: nobody knows when its device reads it. */
      retryAfterSeconds?: number;
    };

/** How much an inbox may hold. */
interface InboxCaps {
  count: number;
  bytes: number;
}

/** How sends are stored. */
export interface SendOptions {
  /** Default: `memory`. */
  durability?: MessageDurability;
  /** A connection for nothing else. `replica` needs it, because WAIT blocks it. */
  sends?: Redis;
  /** How long `replica` waits, in milliseconds. Default 2 s. */
  replicaTimeoutMs?: number;
  /** Default: those of domain/message.ts. */
  caps?: InboxCaps;
  /** Called when a device was suspended, because a send found its inbox full or `suspend` was called. */
  onSuspended?: (device: DeviceAddress) => void;
}

/** The caps of domain/message.ts. */
const inboxCaps: InboxCaps = { count: inboxCountMax, bytes: inboxBytesMax };

/** Creates the operation that sends. */
export function createSends(redis: Redis, options: SendOptions = {}) {
  const { caps = inboxCaps } = options;
  const run = createRunner(redis, options);
  const suspend = createSuspension(redis, options);
  const others = redis.isCluster ? '1' : '';

  /**
   * Stores a message for every device of a user, or refuses it. Safe to repeat with the same `clientMessageId`.
   *
   * @throws {Failure} unavailable fewer replicas than are connected have it in time; it may be stored even so
   */
  async function send(message: Send, now?: number): Promise<SendResult> {
    const entries = message.messages.map((one) => entryOf(messageFor(message, one)));
    const [sendKeys, args] = callOf(message, entries, { caps, others, now });
    // ends: each time a device is suspended that took messages before
    for (;;) {
      const reply = (await run(sendKeys, args)) as Reply;
      if (reply[0] !== 'full') return resultOf(message, reply);
      const full = reply[1] as string[];
      for (let index = 0; index < full.length; index += 2) {
        const device = { userId: message.to, deviceId: full[index] ?? '' };
        await suspend(device, { bytes: Number(full[index + 1]), now });
      }
    }
  }

  return {
    send,

    /**
     * Suspends a device: its messages are dropped, the gap counts them, and it gets no more until it connects. False if it
     * is suspended already, or no other device of the user takes messages. Safe to repeat.
     */
    suspend: (device: DeviceAddress, now?: number): Promise<boolean> => suspend(device, { now }),
  };
}

/** The answer of the script: the outcome and what belongs to it. */
type Reply = [outcome: string, ...rest: unknown[]];

function messageFor(send: Send, { type, content }: DeviceMessage): Omit<InboxMessage, 'messageId'> {
  const { from, timestamp, isUrgent = true } = send;
  return { from, type, content, timestamp, isUrgent };
}

/** The keys and arguments of the script. */
function callOf(
  send: Send,
  entries: readonly string[],
  { caps, others, now }: { caps: InboxCaps; others: string; now: number | undefined },
): [string[], (string | number)[]] {
  const { to: userId, from, messages, conversation = '', limits, nodeId } = send;
  const { isOnline = false, isUrgent = true } = send;
  const args: (string | number)[] = [
    ...[now ?? '', userId, nodeId, from.userId === userId ? from.deviceId : ''],
    ...[nameOf(send.clientMessageId), send.bodyHash, conversation],
    ...[messages.some(({ type }) => type === 'receipt') ? 1 : '', isOnline ? 1 : '', isUrgent ? 1 : ''],
    ...[spacingMs(limits.pair), limits.pair.windowSeconds * 1000],
    ...[spacingMs(limits.recipient), limits.recipient.windowSeconds * 1000],
    ...[caps.count, caps.bytes, rememberedSends, rememberedSeconds, wakeUpSeconds, others],
  ];
  const inboxes: string[] = [];
  for (const [index, { deviceId, registrationId, content }] of messages.entries()) {
    inboxes.push(keys.inbox({ userId, deviceId }));
    args.push(deviceId, registrationId, content.length, entries[index] ?? '');
  }
  const sent = keys.sentMessages({ userId, senderId: from.userId, senderDeviceId: from.deviceId });
  const peer = keys.conversation({ userId, peerId: from.userId });
  return [[keys.inboxes({ userId }), sent, peer, ...inboxes], args];
}

/** 96 bits tell the last sends of a device apart, and are shorter than most ids of clients. */
function nameOf(clientMessageId: string): string {
  return hash('sha256', clientMessageId, 'base64url').slice(0, 16);
}

function resultOf(send: Send, [outcome, ...rest]: Reply): SendResult {
  switch (outcome) {
    case 'stored':
      return stored(send, rest);
    case 'duplicate':
      return repeated(send, rest);
    case 'stale':
      return { outcome, staleDevices: sorted(rest[0]) };
    case 'mismatched':
      return { outcome, missingDevices: sorted(rest[0]), extraDevices: sorted(rest[1]) };
    case 'limited':
      return limited(rest);
    default:
      return { outcome: outcome as 'clash' };
  }
}

function stored(send: Send, rest: unknown[]): SendResult {
  const [messageId, began, wake, near] = rest as [string, number, string[], string[]];
  const kind = send.isOnline === true ? 'online' : 'message';
  const local: Delivery[] = [];
  for (let index = 0; index < near.length; index += 3) {
    const [deviceId = '', connectionId = '', previousId = ''] = near.slice(index, index + 3);
    const copy = send.messages.find((one) => one.deviceId === deviceId);
    if (copy === undefined) continue;
    const message: InboxMessage = { messageId, ...messageFor(send, copy) };
    local.push({ kind, userId: send.to, deviceId, connectionId, message, previousId });
  }
  return {
    outcome: 'stored',
    messageId,
    serverTimestamp: takenAt(messageId),
    wake,
    local,
    began: began === 1,
  };
}

function repeated({ to: userId }: Send, rest: unknown[]): SendResult {
  const [messageId, near] = rest as [string, string[]];
  const local: Delivery[] = [];
  for (let index = 0; index < near.length; index += 2) {
    const [deviceId = '', connectionId = ''] = near.slice(index, index + 2);
    local.push({ kind: 'check', userId, deviceId, connectionId });
  }
  return { outcome: 'duplicate', messageId, serverTimestamp: takenAt(messageId), local };
}

function limited([limit, waitMs]: unknown[]): SendResult {
  return {
    outcome: 'limited',
    limit: limit as 'inbox',
    ...(waitMs !== undefined && { retryAfterSeconds: Math.max(1, Math.ceil(Number(waitMs) / 1000)) }),
  };
}

function sorted(deviceIds: unknown): string[] {
  return [...(deviceIds as string[])].sort((one, other) => Number(one) - Number(other));
}

function createSuspension(redis: Redis, { caps = inboxCaps, onSuspended }: SendOptions) {
  const script = loadScript(redis, 'inbox-suspend');
  return async (device: DeviceAddress, { bytes, now }: { bytes?: number; now?: number | undefined } = {}) => {
    const { userId, deviceId } = device;
    const args = [now ?? '', userId, deviceId, caps.count, caps.bytes, bytes ?? ''];
    const isDone = (await script([keys.inboxes({ userId }), keys.inbox(device)], args)) === 1;
    if (isDone) onSuspended?.(device);
    return isDone;
  };
}

/** Runs the script of sends as the durability says. In Redis Cluster each send goes to the node of its recipient. */
function createRunner(redis: Redis, { durability = 'memory', sends, replicaTimeoutMs = 2000 }: SendOptions): Script {
  if (durability === 'replica') {
    if (sends === undefined) throw new Error('Replicas need a connection for sends alone');
    return createReplicatedGroups(sends, 'message-send', { timeoutMs: replicaTimeoutMs });
  }
  return groupedScript(sends ?? redis, 'message-send');
}
