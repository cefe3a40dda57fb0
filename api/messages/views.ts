/** Messages and gaps as devices get them, by REST and by sockets. */
import type { InboxGap as GapView, ReceivedMessage } from '../../contract/messages.ts';
import { type InboxGap, type InboxMessage, takenAt } from '../../domain/message.ts';

/** Returns a message as its device gets it. */
export function messageView({ messageId, from, type, content, timestamp }: InboxMessage): ReceivedMessage {
  return {
    messageId,
    from,
    type,
    content,
    timestamp: instant(timestamp),
    serverTimestamp: instant(takenAt(messageId)),
  };
}

/** Returns a gap as its device gets it. */
export function gapView({ from, to, count, reason }: InboxGap): GapView {
  return { from: instant(from), to: instant(to), count, reason };
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
