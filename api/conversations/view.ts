/** A side of a conversation as its user sees it. */
import type { Conversation } from '../../contract/messages.ts';
import type { ConversationSide } from '../../domain/conversation.ts';

/** Returns a side as its user sees it. */
export function conversationView({ state, hasReceipts: receipts }: ConversationSide): Conversation {
  return { state, receipts };
}
