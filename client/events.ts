/** What a client tells its application, beside messages: events and their listeners. */
import type { ServerToClientEvents } from '../contract/socket-events.ts';
import type { UndecryptableReason } from './crypto/failures.ts';
import type { VyryError } from './errors.ts';
import type { DeviceAddress } from './store.ts';

/** What an announcement of the server says. */
type Announced<E extends keyof ServerToClientEvents> = Parameters<ServerToClientEvents[E]>[0];

/** A message that the server has stored for every device of its recipient. */
export interface SentMessage {
  clientMessageId: string;
  userId: string;
  /** Receipts name it by this id. */
  messageId: string;
  /** ISO 8601 */
  serverTimestamp: string;
}

/** The events by their names. */
export interface VyryEvents {
  /** The server has stored a message, which has left the outbox. */
  sent: SentMessage;
  /** The server has refused a message for good, which has left the outbox. */
  refused: { clientMessageId: string; userId: string; error: VyryError };
  /** A message waits in the outbox; `error.retryAfterSeconds` says when it is tried again, if that is known. */
  delayed: { clientMessageId: string; userId: string; error: VyryError };
  /** A person got or has read messages. */
  receipt: { userId: string; messageIds: string[]; kind: 'delivered' | 'read' };
  typing: Announced<'typing:new'>;
  presence: Announced<'presence:changed'>;
  /** Messages that this device will not get: they waited for too long, or were too many. */
  gap: Announced<'inbox:gap'>;
  /**
   * A person has another identity key: a new device, or somebody in between. With `isHeld` the earlier one was verified, and
   * nothing is sent until `identities.accept`.
   */
  'identity-changed': { userId: string; isHeld: boolean };
  /** The server tells why a person has another identity key. The key itself comes with a message: `identity-changed`. */
  'identity-announced': Announced<'identity:changed'>;
  /** A device of this account was added, renamed or removed. */
  'devices-changed': Announced<'devices:changed'>;
  /** A device asks to be linked, or a registration to be approved, by this account. */
  'link-requested': Announced<'device-link:requested'>;
  'link-changed': Announced<'device-link:changed'>;
  /** A message could not be decrypted. With `willRetry` its sender is asked to send it again. */
  undecryptable: { messageId: string; from: DeviceAddress; reason: UndecryptableReason; willRetry: boolean };
  /** The server has ended the connection for this reason. After `replaced` the client does not connect again by itself. */
  'session-ended': Announced<'session:ended'>;
  /** Something in the background has failed; the client tries again where that can help. */
  error: VyryError;
}

/** Adds listeners, and calls them. */
export interface Emitter {
  /** Adds a listener, and returns a function that removes it. */
  on<E extends keyof VyryEvents>(event: E, listener: (payload: VyryEvents[E]) => void): () => void;
  /** Calls the listeners. What one throws is reported as an uncaught error of the application, and ends nothing here. */
  emit<E extends keyof VyryEvents>(event: E, payload: VyryEvents[E]): void;
}

/** Creates an emitter without listeners. */
export function createEmitter(): Emitter {
  const listeners = new Map<keyof VyryEvents, Set<(payload: never) => void>>();
  const listenersOf = <E extends keyof VyryEvents>(event: E) => {
    const known = listeners.get(event) ?? new Set();
    listeners.set(event, known);
    return known as Set<(payload: VyryEvents[E]) => void>;
  };
  return {
    on(event, listener) {
      listenersOf(event).add(listener);
      return () => listenersOf(event).delete(listener);
    },
    emit(event, payload) {
      for (const listener of [...listenersOf(event)]) callListener(() => listener(payload));
    },
  };
}

/** An error of a listener is the application's: it must not keep a message from being acknowledged. */
export function callListener(listener: () => void): void {
  try {
    listener();
  } catch (err) {
    queueMicrotask(() => {
      throw err;
    });
  }
}
