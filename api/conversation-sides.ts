/**
 * The sides of conversations, in MongoDB and in their cache. adapters/redis/conversations.ts says why the cache never keeps
 * an old side.
 */
import type { ConversationSide as Side } from '../adapters/redis/conversations.ts';
import { type ConversationChange, type ConversationSide, conversationCode } from '../domain/conversation.ts';
import type { ConversationCode } from '../domain/message.ts';
import type { ApiDeps } from './deps.ts';

/** The stores of conversations. */
export type ConversationDeps = Pick<ApiDeps, 'conversations' | 'conversationCache'>;

/** The dependencies of a change. */
export type ConversationChangeDeps = ConversationDeps & { events: Pick<ApiDeps['events'], 'conversationChanged'> };

/** Stores the decision of a user about another one. Returns the side. Safe to repeat. */
export async function changeSide(
  deps: ConversationChangeDeps,
  side: Side,
  change: ConversationChange,
): Promise<ConversationSide> {
  const { userId, peerId } = side;
  const was = (await deps.conversations.read(userId, peerId))?.state;
  const changed = await write(deps, side, () => deps.conversations.change(userId, peerId, change));
  deps.events.conversationChanged({ userId, peerId, state: changed.state, was });
  return changed;
}

/** Accepts a user to whom another one has written, unless that user is blocked. Safe to repeat. */
export async function acceptSide(deps: ConversationChangeDeps, side: Side): Promise<void> {
  const { userId, peerId } = side;
  const { state } = await write(deps, side, () => deps.conversations.accept(userId, peerId));
  if (state === 'accepted') deps.events.conversationChanged({ userId, peerId, state, was: undefined });
}

/** Makes a change in MongoDB and in the cache. */
async function write(
  deps: ConversationDeps,
  side: Side,
  change: () => Promise<ConversationSide>,
): Promise<ConversationSide> {
  let changed: ConversationSide | undefined;
  await deps.conversationCache.change(side, {
    async write() {
      changed = await change();
    },
    read: () => readCode(deps, side),
  });
  if (changed === undefined) throw new Error('A change of a conversation was not made');
  return changed;
}

/**
 * Returns the code of a side that the cache does not have, and caches a decision. Without one nothing is cached, so that
 * sends to anybody leave nothing behind.
 */
export async function fillSide(deps: ConversationDeps, side: Side): Promise<ConversationCode> {
  const code = await readCode(deps, side);
  if (code !== 'n') await deps.conversationCache.fill(side, code);
  return code;
}

/** Returns the code of a side as MongoDB has it. */
export async function readCode(
  { conversations }: Pick<ConversationDeps, 'conversations'>,
  { userId, peerId }: Side,
): Promise<ConversationCode> {
  return conversationCode(await conversations.read(userId, peerId));
}
