/**
 * The cache of conversations: `conversation:{userId}:peerId` has the code of a side for a day, so that a send needs no
 * round trip to MongoDB. The script of a send reads it, and writes that a stranger has sent the one message.
 *
 * Consistency: a change of a side deletes the code, writes MongoDB, then stores the code. Whoever reads the side in
 * MongoDB to fill the cache stores only what is absent, so a fill that read the old side never replaces the new one. Of
 * parallel changes the last one to store may have made the earlier write: api/conversation-sides.ts reads MongoDB once
 * more after it has stored, until both agree. When Redis is unavailable, calls throw.
 */
import type { ConversationCode } from '../../domain/message.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The cache of conversations. */
export type ConversationCache = ReturnType<typeof createConversationCache>;

const { seconds } = keyFamilies.conversation.life;

/** Creates the cache. A side is named by its user and the other one. */
export function createConversationCache(redis: Redis) {
  return {
    /** Deletes the code of a side that is about to change. */
    async forget(userId: string, peerId: string): Promise<void> {
      await redis.del(keys.conversation({ userId, peerId }));
    },

    /** Stores the code of a side that has changed. */
    async keep(userId: string, peerId: string, code: ConversationCode): Promise<void> {
      await redis.set(keys.conversation({ userId, peerId }), code, 'EX', seconds);
    },

    /** Stores the code of a side that was read, unless the cache has one. */
    async fill(userId: string, peerId: string, code: ConversationCode): Promise<void> {
      await redis.set(keys.conversation({ userId, peerId }), code, 'EX', seconds, 'NX');
    },
  };
}
