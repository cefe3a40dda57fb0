/**
 * The cache of conversations: `conversation:{userId}:{peerId}` has the code of what a user decided about another one, for a
 * day. MongoDB has the truth.
 *
 * Consistency: whoever fills the cache does so only where it is empty, so it never replaces what a change wrote. A change
 * empties it, writes MongoDB, and then writes what MongoDB has until that is what it wrote: of parallel changes the last
 * one to write reads after all others. When Redis is unavailable, calls throw.
 */
import { type ConversationCode, rememberedSeconds } from '../../domain/message.ts';
import type { Redis } from './connect.ts';
import { keys } from './keys.ts';
import { presenceChannel } from './node-channel.ts';

/** A side of a conversation: what `userId` decided about `peerId`. */
export interface ConversationSide {
  userId: string;
  peerId: string;
}

/** The cache of conversations. */
export type ConversationCache = ReturnType<typeof createConversationCache>;

/** Creates the cache of conversations. */
export function createConversationCache(redis: Redis) {
  return {
    /** Returns what is cached, or undefined. */
    async read(side: ConversationSide): Promise<ConversationCode | undefined> {
      return ((await redis.get(keys.conversation(side))) ?? undefined) as ConversationCode | undefined;
    },

    /** Caches what MongoDB has, unless something is cached. */
    async fill(side: ConversationSide, code: ConversationCode): Promise<void> {
      await redis.set(keys.conversation(side), code, 'EX', rememberedSeconds, 'NX');
    },

    /**
     * Changes a conversation and tells who follows the presence of the user. After an interruption in between, the cache is
     * empty or new.
     */
    async change(
      side: ConversationSide,
      { write, read }: { write: () => Promise<unknown>; read: () => Promise<ConversationCode> },
    ): Promise<void> {
      const key = keys.conversation(side);
      await redis.del(key);
      await write();
      // ends: when nobody changes it in between
      for (let code = await read(); ; ) {
        await redis.set(key, code, 'EX', rememberedSeconds);
        const latest = await read();
        if (latest === code) break;
        code = latest;
      }
      await redis.publish(presenceChannel(side.userId), 'conversation');
    },

    /** Forgets what is cached. */
    async forget(side: ConversationSide): Promise<void> {
      await redis.del(keys.conversation(side));
    },
  };
}
