// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createConversationCache } from '../../../adapters/redis/conversations.ts';
import type { ConversationCode } from '../../../domain/message.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

describe('the cache of conversations', () => {
  it('ends with what MongoDB has after parallel changes, and no filler replaces that', async () => {
    const cache = createConversationCache(redis);
    const side = { userId: uniqueName('bob'), peerId: uniqueName('ann') };
    let stored: ConversationCode = 'n';
    const change = (code: ConversationCode) =>
      cache.change(side, {
        write: async () => {
          stored = code;
        },
        read: async () => stored,
      });
    const fill = async () => cache.fill(side, stored);
    await Promise.all([change('a'), fill(), change('ba'), fill(), change('a'), change('bn'), fill()]);
    assert.equal(await cache.read(side), stored);
    await cache.fill(side, 'r');
    assert.equal(await cache.read(side), stored);
    await cache.forget(side);
    assert.equal(await cache.read(side), undefined);
  });
});
