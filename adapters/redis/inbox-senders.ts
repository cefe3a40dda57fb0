/**
 * The sender's side of a message: the limit of the sending device, and what is cached about the sender.
 *
 * `message-limit:{userId}:{deviceId}` STRING has the instant until which the limit of the device is used up (GCRA).
 */
import { spacingMs, type Window } from '../../domain/limits.ts';
import type { ConversationCode, DeviceAddress } from '../../domain/message.ts';
import type { Redis } from './connect.ts';
import { groupedScript } from './grouped-script.ts';
import { keys } from './keys.ts';
import type { LimitState } from './rate-limits.ts';

/** What a sender needs to know of its own side before a message is stored. */
export interface SenderSide {
  /** The limit of the sending device. A message that it refuses is not counted. */
  limit: LimitState;
  /** How many devices the sender has; undefined if that is not cached. */
  devices: number | undefined;
  /** What the sender decided about the recipient; undefined if that is not cached. */
  conversation: ConversationCode | undefined;
}

/** Creates the operation on the side of senders. */
export function createInboxSenders(redis: Redis) {
  const run = groupedScript(redis, 'message-sender');
  return {
    /** Counts a message of a device to a user, and returns the sender's side. */
    async beginSend(sender: DeviceAddress, peerId: string, window: Window, now?: number): Promise<SenderSide> {
      const { userId } = sender;
      const names = [keys.messageLimit(sender), keys.inboxes({ userId }), keys.conversation({ userId, peerId })];
      const reply = await run(names, [now ?? '', spacingMs(window), window.windowSeconds * 1000]);
      const [waitMs, usedMs, devices, conversation] = reply as [number, number, string | null, ConversationCode | null];
      return {
        limit: stateOf(window, waitMs, usedMs),
        devices: devices ? Number(devices) : undefined,
        conversation: conversation ?? undefined,
      };
    },
  };
}

/** Returns the state of a limit that refuses a message for `waitMs`, and of whose window `usedMs` are used up. */
function stateOf(window: Window, waitMs: number, usedMs: number): LimitState {
  const { max } = window;
  const spacing = spacingMs(window);
  // the script rounds up, so a message is free again when its last millisecond has begun
  const used = Math.floor((usedMs - 1) / spacing) + 1;
  const nextMs = waitMs > 0 ? waitMs : usedMs - (used - 1) * spacing;
  return {
    allowed: waitMs === 0,
    max,
    remaining: Math.max(0, max - used),
    resetSeconds: Math.max(1, Math.ceil(nextMs / 1000)),
  };
}
