/**
 * Conversations: what one user decided about another one.
 *
 * Terminology
 * - side: the decision of one user about the other one. Each of them has one, and neither sees that of the other.
 * - stranger: a user who was not accepted. A stranger may send one message, and waits for an answer then.
 *
 * A blocked user sees what the user would see without the block: the side keeps what it was before.
 */
import type { ConversationCode, ConversationState } from './message.ts';

/** A side of a conversation. */
export interface ConversationSide {
  state: ConversationState;
  /**
   * What a blocked side was before. Of a requested side: `n`, if the stranger has not sent the one message yet.
   */
  was?: 'a' | 'n' | 'r';
  /** Whether the other user may get receipts, typing and presence. */
  hasReceipts: boolean;
}

/** What a user decides. */
export interface ConversationChange {
  state: ConversationState;
  /** Unchanged if omitted; true for a new side. */
  hasReceipts?: boolean | undefined;
}

/** Returns the code of a side; undefined is a user about whom nothing was decided and who has sent nothing. */
export function conversationCode(side: ConversationSide | undefined): ConversationCode {
  if (side === undefined) return 'n';
  if (side.state === 'accepted') return 'a';
  if (side.state === 'blocked') return `b${side.was ?? 'n'}`;
  return side.was === 'n' ? 'n' : 'r';
}

/**
 * Returns a side after a decision. `requested` undoes an acceptance or a block: the other user is a stranger again, who
 * has sent the one message if any was received from that user before.
 */
export function changedSide(
  side: ConversationSide | undefined,
  { state, hasReceipts = side?.hasReceipts ?? true }: ConversationChange,
): ConversationSide {
  if (state === 'accepted') return { state, hasReceipts };
  const code = conversationCode(side);
  const before = beforeBlock(code);
  if (state === 'blocked') return { state, was: before, hasReceipts };
  return { state, ...(before === 'n' && { was: before }), hasReceipts };
}

/** Returns a side after a message to the other user: who writes accepts. A blocked one stays. */
export function acceptedSide(side: ConversationSide | undefined): ConversationSide {
  return side?.state === 'blocked' ? side : changedSide(side, { state: 'accepted' });
}

/** Returns a side after the one message of a stranger. Anything else than a stranger who has sent nothing stays. */
export function begunSide(side: ConversationSide | undefined): ConversationSide {
  if (side === undefined) return { state: 'requested', hasReceipts: true };
  if (side.was !== 'n') return side;
  const { was: _before, ...rest } = side;
  return side.state === 'blocked' ? { ...rest, was: 'r' } : rest;
}

function beforeBlock(code: ConversationCode): 'a' | 'n' | 'r' {
  return code === 'ba' || code === 'bn' || code === 'br' ? (code.slice(1) as 'a' | 'n' | 'r') : code;
}
