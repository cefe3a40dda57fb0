/**
 * The inbox of a device: what arrives is decrypted and kept, one message after the other, then acknowledged, then given to
 * the application.
 */
import type { ReceivedMessage } from '../contract/messages.ts';
import { fromBase64 } from './bytes.ts';
import type { ClientDeps } from './deps.ts';
import { VyryError } from './errors.ts';
import type { Incoming } from './incoming.ts';
import type { Mailbox, Received } from './mailbox.ts';
import { type Message, textOf } from './message.ts';
import type { IncomingMessage } from './store.ts';

/** What an inbox needs. */
export interface InboxDeps extends Pick<ClientDeps, 'store' | 'closing' | 'events'> {
  mailbox: Pick<Mailbox<Incoming>, 'receive' | 'received' | 'take'>;
  /** A message may need the keys of a new identity key that this device was given. */
  settleRotation(message: ReceivedMessage): Promise<void>;
  /** Something follows from a message for the other parts of the client. */
  follow(received: Received<Incoming>, message: ReceivedMessage): void;
}

/** The inbox. */
export interface Inbox {
  /** Keeps messages in their order; it resolves when they can be acknowledged. @throws {Error} the store has failed */
  receive(messages: readonly ReceivedMessage[]): Promise<void>;
  /** The messages for the application. @throws {VyryError} LOOP_RUNNING */
  messages(): AsyncIterableIterator<Message>;
  /** Ends the loop. */
  close(): void;
}

/** Creates the inbox of a mailbox. */
export function createInbox(deps: InboxDeps): Inbox {
  const { mailbox, events } = deps;
  const arrival = createSignal();
  let isLooped = false;
  let last: Promise<void> = Promise.resolve();

  async function receiveOne(message: ReceivedMessage): Promise<void> {
    await deps.settleRotation(message);
    const received = await mailbox.receive(message);
    const { from, messageId } = message;
    if (received.kind === 'undecryptable') {
      const { reason, willRetry } = received;
      events.emit('undecryptable', { messageId, from, reason, willRetry });
    } else if (received.kind !== 'seen' && received.isIdentityChanged) {
      events.emit('identity-changed', { userId: from.userId, isHeld: false });
    }
    if (received.kind === 'receipt')
      events.emit('receipt', { userId: from.userId, messageIds: received.messageIds, kind: received.receipt });
    if (received.kind === 'message') arrival.notify();
    deps.follow(received, message);
  }

  async function* loop(): AsyncGenerator<Message, undefined> {
    try {
      while (!deps.closing.signal.aborted) {
        const arrived = arrival.next();
        const [next] = await mailbox.received();
        if (next === undefined) await arrived;
        else {
          yield messageOf(next);
          await mailbox.take(next.messageId);
        }
      }
    } finally {
      isLooped = false;
    }
  }

  return {
    receive(messages) {
      const receiving = last.then(async () => {
        for (const message of messages) await receiveOne(message);
      });
      last = receiving.catch(() => undefined);
      return receiving;
    },
    messages() {
      if (isLooped) throw new VyryError('LOOP_RUNNING', 'There is a loop over messages already');
      isLooped = true;
      return loop();
    },
    close: arrival.notify,
  };
}

/** Returns a message as the application gets it. */
function messageOf({ plain, peerId, peerMessageId, ...message }: IncomingMessage): Message {
  const content = fromBase64(plain);
  const { messageId, from, timestamp, serverTimestamp } = message;
  return {
    messageId: peerMessageId ?? messageId,
    userId: peerId ?? from.userId,
    from,
    isOwn: peerId !== undefined,
    content,
    get text() {
      return textOf(content);
    },
    timestamp,
    serverTimestamp,
  };
}

/** Creates an event that can be awaited. */
function createSignal() {
  let next = Promise.withResolvers<void>();
  return {
    /** Resolves at the next event after this call. */
    next: (): Promise<void> => next.promise,
    notify(): void {
      next.resolve();
      next = Promise.withResolvers<void>();
    },
  };
}
