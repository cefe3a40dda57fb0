// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectMongo, type Database } from '../../adapters/mongo/connect.ts';
import { type Conversations, createConversations } from '../../adapters/mongo/conversations.ts';
import type { Redis } from '../../adapters/redis/connect.ts';
import {
  type ConversationCache,
  createConversationCache,
  type ConversationSide as Side,
} from '../../adapters/redis/conversations.ts';
import { keys } from '../../adapters/redis/keys.ts';
import { changeSide, fillSide } from '../../api/conversation-sides.ts';
import { conversationCode } from '../../domain/conversation.ts';
import type { ConversationState } from '../../domain/message.ts';
import { withDatabase } from '../../engines/processes.ts';
import { newId } from '../../platform/crypto.ts';
import { testEngines } from '../support/engines.ts';
import { atOnce, connectTestRedis, uniqueName } from '../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
let database: Database;
let redis: Redis;
let conversations: Conversations;
let conversationCache: ConversationCache;

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  redis = connectTestRedis();
  conversations = createConversations(database.connection);
  conversationCache = createConversationCache(redis);
  await database.ping();
});
after(async () => {
  redis.disconnect();
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

function unexpected(err: unknown): void {
  throw err;
}

const newSide = (): Side => ({ userId: newId(), peerId: newId() });
const cached = (side: Side) => redis.get(keys.conversation(side));
const stored = async ({ userId, peerId }: Side) => conversationCode(await conversations.read(userId, peerId));

function decide(side: Side, state: ConversationState) {
  const events = { conversationChanged: () => undefined };
  return changeSide({ conversations, conversationCache, events }, side, { state });
}

describe('A decision', () => {
  it('is in the cache for a day, and leaves nothing for the other user to see', async () => {
    const side = newSide();
    assert.deepEqual(await decide(side, 'blocked'), { state: 'blocked', was: 'n', hasReceipts: true });
    assert.deepEqual([await cached(side), await redis.ttl(keys.conversation(side))], ['bn', 86_400]);
    assert.equal(await conversations.read(side.peerId, side.userId), undefined);
    assert.deepEqual(await conversations.list(side.peerId), []);
    await decide(side, 'accepted');
    assert.deepEqual([await cached(side), await stored(side)], ['a', 'a']);
  });

  it('of parallel ones the cache has the one that MongoDB has', async () => {
    for (let round = 0; round < 10; round++) {
      const side = newSide();
      const states = ['accepted', 'blocked', 'requested', 'blocked', 'accepted'] as const;
      await Promise.all(states.map((state) => decide(side, state)));
      assert.equal(await cached(side), await stored(side));
    }
  });

  it('is not replaced by a reader that read the side before it', async () => {
    const side = newSide();
    await decide(side, 'accepted');
    await redis.del(keys.conversation(side));
    const slow = {
      conversationCache,
      conversations: {
        ...conversations,
        async read(userId: string, peerId: string) {
          const old = await conversations.read(userId, peerId);
          await decide(side, 'blocked');
          return old;
        },
      },
    };
    await fillSide(slow, side);
    assert.equal(await cached(side), 'ba');
  });

  it('blocks or accepts for good while the other one writes', async () => {
    for (let round = 0; round < 10; round++) {
      const { userId, peerId } = newSide();
      const acts = [
        () => conversations.accept(userId, peerId),
        () => conversations.begin(userId, peerId),
        () => conversations.change(userId, peerId, { state: 'blocked' }),
        () => conversations.accept(userId, peerId),
      ];
      await Promise.all(acts.map((act) => act()));
      assert.equal((await conversations.read(userId, peerId))?.state, 'blocked');
    }
  });

  it('of parallel ones about one user counts each once', async () => {
    const { userId, peerId } = newSide();
    const begun = await atOnce(8, () => conversations.begin(userId, peerId));
    assert.deepEqual(begun, Array(8).fill({ state: 'requested', hasReceipts: true }));
    const document = await database.connection
      .collection('conversations')
      .findOne({ _id: `${userId}/${peerId}` as never });
    assert.equal(document?.version, 1);
  });
});

describe('The conversations of a user', () => {
  it('name those who accepted the user', async () => {
    const userId = newId();
    const [friend, stranger, blocker] = [newId(), newId(), newId()];
    await conversations.accept(friend, userId);
    await conversations.begin(stranger, userId);
    await conversations.accept(blocker, userId);
    await conversations.change(blocker, userId, { state: 'blocked' });
    await conversations.accept(userId, newId());
    assert.deepEqual(await conversations.contactsOf(userId), [friend]);
  });

  it('are erased on both sides, and those of others stay', async () => {
    const [userId, friend, other] = [newId(), newId(), newId()];
    await conversations.accept(userId, friend);
    await conversations.accept(friend, userId);
    await conversations.accept(other, userId);
    await conversations.accept(friend, other);
    await conversations.erase(userId);
    const left = await database.connection.collection('conversations').find().toArray();
    assert.deepEqual(
      left.map(({ _id }) => String(_id)).filter((id) => id.includes(userId)),
      [],
    );
    assert.deepEqual(
      (await conversations.list(friend)).map(({ peerId }) => peerId),
      [other],
    );
    await conversations.erase(userId);
  });
});
