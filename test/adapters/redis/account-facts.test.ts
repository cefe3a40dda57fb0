// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AccountFacts, createAccountFacts, createFactChanges } from '../../../adapters/redis/account-facts.ts';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import { newId } from '../../../platform/crypto.ts';
import { assertLife, connectTestRedis, testCipher } from '../../support/redis.ts';

interface Facts {
  name: string;
}

let redis: Redis;
let facts: AccountFacts<Facts>;
let change: ReturnType<typeof createFactChanges>;
const cipher = testCipher('facts');

before(() => {
  redis = connectTestRedis();
  facts = createAccountFacts(redis, cipher);
  change = createFactChanges(redis);
});
after(() => redis.disconnect());

/** A person as a database has it, which counts its reads. */
function personNamed(first: string) {
  const userId = newId();
  const key = keys.accountFacts({ userId });
  let [name, reads] = [first, 0];
  return {
    userId,
    key,
    get reads() {
      return reads;
    },
    write: async (next: string) => {
      name = next;
    },
    rename: (next: string) =>
      change(userId, async () => {
        name = next;
      }),
    load: async (): Promise<Facts> => {
      reads += 1;
      return { name };
    },
    read: async () =>
      (
        await facts.read(userId, async () => {
          reads += 1;
          return { name };
        })
      )?.name,
  };
}

describe('createAccountFacts()', () => {
  it('asks the database once, and keeps the answer encrypted for a day', async () => {
    const person = personNamed('Ada Lovelace');
    await assertLife(redis, { key: person.key, seconds: 86_400 }, person.read);
    assert.equal(await person.read(), 'Ada Lovelace');
    assert.equal(person.reads, 1);
    assert.doesNotMatch(JSON.stringify(await redis.hgetall(person.key)), /Ada|Lovelace/);
  });

  it('asks the database about a person who does not exist each time', async () => {
    const userId = newId();
    let reads = 0;
    const load = async () => {
      reads += 1;
      return undefined;
    };
    assert.equal(await facts.read(userId, load), undefined);
    assert.equal(await facts.read(userId, load), undefined);
    assert.equal(reads, 2);
  });

  it('takes facts of another key, or moved from another person, for none', async () => {
    const [one, other] = [personNamed('one'), personNamed('other')];
    await Promise.all([one.read(), other.read()]);
    await redis.hset(one.key, 'facts', (await redis.hget(other.key, 'facts')) ?? '');
    assert.equal(await one.read(), 'one');
    const rotated = createAccountFacts<Facts>(redis, testCipher('facts'));
    assert.deepEqual(await rotated.read(one.userId, one.load), { name: 'one' });
    assert.equal(one.reads, 3);
  });
});

describe('a change of a person', () => {
  it('is seen by every read after it, and its facts are kept again', async () => {
    const person = personNamed('before');
    await person.read();
    await person.rename('after');
    assert.equal(await person.read(), 'after');
    assert.equal(await person.read(), 'after');
    assert.equal(person.reads, 2);
  });

  it('lets nobody use or store facts from its begin to its end', async () => {
    const person = personNamed('before');
    await person.read();
    await change(person.userId, async () => {
      assert.equal(await redis.hexists(person.key, 'facts'), 0);
      assert.equal(await person.read(), 'before');
      await person.write('after');
      assert.equal(await person.read(), 'after');
      assert.equal(await redis.hexists(person.key, 'facts'), 0);
    });
    assert.equal(await person.read(), 'after');
  });

  it('keeps what was read before it from being stored after it', async () => {
    const person = personNamed('before');
    const [isRead, mayStore] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = facts.read(person.userId, async () => {
      const read = await person.load();
      isRead.resolve();
      await mayStore.promise;
      return read;
    });
    await isRead.promise;
    await person.rename('after');
    mayStore.resolve();
    assert.deepEqual(await slow, { name: 'before' });
    assert.equal(await person.read(), 'after');
  });

  it('protects what it writes also while another change of the person ends', async () => {
    const person = personNamed('before');
    const [hasBegun, mayWrite] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = change(person.userId, async () => {
      hasBegun.resolve();
      await mayWrite.promise;
      await person.write('slow');
    });
    await hasBegun.promise;
    await person.rename('quick');
    assert.equal(await person.read(), 'quick');
    assert.equal(await redis.hexists(person.key, 'facts'), 0);
    mayWrite.resolve();
    await slow;
    assert.equal(await person.read(), 'slow');
  });

  it('that is lost with its process leaves no facts, and after a minute they are kept again', async () => {
    const person = personNamed('before');
    await person.read();
    const lose = () =>
      change(person.userId, async () => {
        await person.write('after');
        throw new Error('The process died');
      });
    await assertLife(redis, { key: person.key, seconds: 60 }, () => assert.rejects(lose, /died/));
    assert.equal(await person.read(), 'after');
    assert.equal(await redis.hexists(person.key, 'facts'), 0);
    const [mark = ''] = await redis.hkeys(person.key);
    await redis.hset(person.key, mark, 1);
    assert.equal(await person.read(), 'after');
    assert.equal(await redis.hexists(person.key, 'facts'), 1);
  });

  it('is seen at once by readers that read all the time, whichever way they meet', async () => {
    const person = personNamed('0');
    let newest = 0;
    let isDone = false;
    const reading = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!isDone) {
          const written = newest;
          assert.ok(Number(await person.read()) >= written, 'an older name than one that was written before');
        }
      }),
    );
    for (let next = 1; next <= 100; next++) {
      await person.rename(String(next));
      newest = next;
    }
    isDone = true;
    await reading;
    assert.equal(await person.read(), '100');
  });
});
