/**
 * The outbox: every message that the fakes accepted, in memory, as a telephone or mailbox would have received it.
 */
import { randomUUID } from 'node:crypto';
import type { Channel } from './faults.ts';

/** A message in the outbox; `at` is an ISO 8601 instant, `code` the first word of the body outside links that is 4 to 8 digits. */
export interface Message {
  id: string;
  at: string;
  channel: Channel;
  to: string;
  from: string;
  body: string;
  code?: string;
  provider: string;
  /** For e-mail only. */
  subject?: string;
  /** Message-ID of an e-mail (RFC 5322 section 3.6.4). */
  messageId?: string;
}

/** A filter for messages; `since` is in epoch milliseconds and inclusive. */
interface MessageFilter {
  to?: string | undefined;
  channel?: Channel | undefined;
  since?: number | undefined;
}

/** The store of accepted messages. */
export interface Outbox {
  /** Stores a message under the provider's id, or under a new one. */
  add(message: Omit<Message, 'id' | 'at' | 'code'> & { id?: string }): Message;
  /** Returns the matching messages, the oldest first; recipients are compared case-insensitively. */
  list(filter?: MessageFilter): Message[];
  /** Deletes all messages. */
  clear(): void;
}

/** Creates an empty outbox. */
export function createOutbox(): Outbox {
  let messages: Message[] = [];

  return {
    add(accepted) {
      const words = accepted.body.replace(/https?:\/\/\S+/g, '');
      const code = /(?<![\w-])\d{4,8}(?![\w-])/.exec(words)?.[0];
      const { id = randomUUID(), ...content } = accepted;
      const message: Message = { id, at: new Date().toISOString(), ...content };
      if (code !== undefined) message.code = code;
      messages.push(message);
      return message;
    },
    list({ to, channel, since } = {}) {
      const recipient = to?.toLowerCase();
      return messages.filter(
        (message) =>
          (recipient === undefined || message.to.toLowerCase() === recipient) &&
          (channel === undefined || message.channel === channel) &&
          (since === undefined || Date.parse(message.at) >= since),
      );
    },
    clear() {
      messages = [];
    },
  };
}
