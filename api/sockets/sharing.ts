/** What users share with each other beside messages: that they received and read them, that they type and are online. */
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';

/** The dependencies of what users share. */
export type ConversationDeps = Pick<ApiDeps, 'conversations'>;

/** Returns whether a user shares it with another one: both have accepted the conversation, and the user allows it. */
export async function isShared({ conversations }: ConversationDeps, userId: string, peerId: string): Promise<boolean> {
  const [own, other] = await Promise.all([conversations.read(userId, peerId), conversations.read(peerId, userId)]);
  return own?.state === 'accepted' && own.hasReceipts && other?.state === 'accepted';
}

/**
 * Requires that a user shares it with another one. The failure is the same for strangers, blocked users and those who
 * share nothing.
 *
 * @throws {Failure} conversation-closed
 */
export async function requireShared(deps: ConversationDeps, userId: string, peerId: string): Promise<void> {
  if (!(await isShared(deps, userId, peerId))) throw new Failure('conversation-closed');
}
