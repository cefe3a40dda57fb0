/**
 * The sides of conversations, in MongoDB and in their cache. adapters/redis/conversation-cache.ts says why the cache never
 * keeps an old side.
 */
import { type ConversationSide, conversationCode } from '../domain/conversation.ts';
import type { ConversationCode } from '../domain/message.ts';
import type { ApiDeps } from './deps.ts';

/** The stores of conversations. */
export type ConversationDeps = Pick<ApiDeps, 'conversations' | 'conversationCache'>;

/** A user, and the one about whom the user decides. */
export interface Side {
  userId: string;
  peerId: string;
}

/** Changes a side in MongoDB and in the cache, and returns it. Safe to repeat. */
export async function changeSide(
  { conversations, conversationCache }: ConversationDeps,
  { userId, peerId }: Side,
  change: () => Promise<ConversationSide>,
): Promise<ConversationSide> {
  await conversationCache.forget(userId, peerId);
  const changed = await change();
  // ends: when another code is read, a parallel change was made
  for (let code = conversationCode(changed); ; ) {
    await conversationCache.keep(userId, peerId, code);
    const current = conversationCode(await conversations.read(userId, peerId));
    if (current === code) return changed;
    code = current;
  }
}

/** Returns the code of a side that the cache does not have, and fills the cache. */
export async function fillSide(
  { conversations, conversationCache }: ConversationDeps,
  { userId, peerId }: Side,
): Promise<ConversationCode> {
  const code = conversationCode(await conversations.read(userId, peerId));
  await conversationCache.fill(userId, peerId, code);
  return code;
}
