/**
 * Publications to the processes that devices are connected to: channel `node:<nodeId>`. Redis delivers a publication at most
 * once and stores none, so a process compares what arrives with what its connection delivered, and reads the inbox
 * where something is missing. In Redis Cluster every node has every publication.
 *
 * A publication is a text of parts that are joined by NUL, which none of them has.
 */
import { type DeviceAddress, type InboxMessage, messageOf } from '../../domain/message.ts';
import type { ConnectionEnd } from '../../domain/session.ts';
import { channels } from './keys.ts';

/** The connection of a device to a process. */
interface DeviceConnection extends DeviceAddress {
  connectionId: string;
}

/** What reaches the connection of a device beside its inbox. */
export type Delivery = DeviceConnection &
  (
    | {
        kind: 'message';
        message: InboxMessage;
        /** The entry before it in the stream of the inbox; empty if the stream never had one. */
        previousId: string;
      }
    /** A message that is not stored. */
    | { kind: 'online'; message: InboxMessage }
    /** A message may have been stored without its delivery: the connection reads the inbox. */
    | { kind: 'check' }
  );

/** What a process is told about one of its connections. */
export type NodePublication =
  | Delivery
  | (DeviceConnection & { kind: 'event'; event: string; payload: unknown })
  | (DeviceConnection & { kind: 'close'; reason: ConnectionEnd });

/** The channel on which it is published that sessions ended, as JSON of `EndedSessions`. */
export const sessionsEndedChannel = channels.sessionsEnded();

/** Sessions that ended. Whoever hears it reads which sessions the user still has. */
export interface EndedSessions {
  userId: string;
  /** Absent if several may have ended. */
  sessionId?: string;
  reason: ConnectionEnd;
}

/** Returns the channel of a process. */
export function nodeChannel(nodeId: string): string {
  return channels.node({ nodeId });
}

/**
 * Returns the channel on which it is published that a user came online or went offline, or changed a conversation. The
 * publication has no reliable content: whoever hears it reads the present state.
 */
export function presenceChannel(userId: string): string {
  return channels.presence({ userId });
}

/** Returns a publication of `node:<nodeId>`, or undefined if it is of another version. */
export function parsePublication(text: string): NodePublication | undefined {
  const [kind, userId = '', deviceId = '', connectionId = '', ...parts] = text.split('\0');
  const of = { userId, deviceId, connectionId };
  const [first = '', second = '', third = ''] = parts;
  if (kind === 'm') return { kind: 'message', ...of, previousId: second, message: messageOf(first, third) };
  if (kind === 'o') return { kind: 'online', ...of, message: messageOf(first, second) };
  if (kind === 'c') return { kind: 'check', ...of };
  if (kind === 'e') return { kind: 'event', ...of, event: first, payload: JSON.parse(second) };
  if (kind === 'x') return { kind: 'close', ...of, reason: first as ConnectionEnd };
  return undefined;
}
