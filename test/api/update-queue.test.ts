import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as otherWork } from 'node:timers/promises';
import { createUpdateQueue } from '../../api/registrations/update-queue.ts';
import { Failure } from '../../domain/failures.ts';

/** A queue whose time a test lets pass, and updates that end when the test says so. */
function scene(max: number) {
  let waits: (() => void)[] = [];
  const queue = createUpdateQueue(max, () => new Promise<void>((done) => waits.push(done)));
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  return {
    begun,
    /** Asks for an update; it begins when it is its turn. */
    ask(name: string, isFirst = false): Promise<string> {
      const end = Promise.withResolvers<string>();
      ends.set(name, end);
      const answer = queue.run({ isFirst }, () => {
        begun.push(name);
        return end.promise;
      });
      answer.catch(() => undefined);
      return answer;
    },
    async end(name: string): Promise<void> {
      ends.get(name)?.resolve(name);
      await otherWork();
    },
    async fail(name: string): Promise<void> {
      ends.get(name)?.reject(new Error(name));
      await otherWork();
    },
    /** Lets a second pass. */
    async pass(): Promise<void> {
      const due = waits;
      waits = [];
      for (const wake of due) wake();
      await otherWork();
    },
  };
}

describe('createUpdateQueue()', () => {
  it('lets so many updates pass at once, and the next one when one has ended or failed', async () => {
    const { ask, begun, end, fail } = scene(2);
    const answers = ['a', 'b', 'c', 'd'].map((name) => ask(name));
    await otherWork();
    assert.deepEqual(begun, ['a', 'b']);
    await end('b');
    assert.deepEqual(begun, ['a', 'b', 'c']);
    await fail('a');
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
    await end('c');
    await end('d');
    assert.deepEqual(
      (await Promise.allSettled(answers)).map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
    );
  });

  it('lets updates of running registrations pass before first ones, each in order', async () => {
    const { ask, begun, end } = scene(1);
    void ask('a');
    void ask('first 1', true);
    void ask('first 2', true);
    void ask('b');
    void ask('c');
    for (const name of ['a', 'b', 'c', 'first 1', 'first 2']) {
      await otherWork();
      await end(name);
    }
    assert.deepEqual(begun, ['a', 'b', 'c', 'first 1', 'first 2']);
  });

  it('refuses a first update that has waited for a second, and says when to come again', async () => {
    const { ask, begun, end, pass } = scene(1);
    void ask('a');
    void ask('b');
    const refused = ask('first', true);
    await otherWork();
    await pass();
    await assert.rejects(refused, (err: unknown) => {
      assert.ok(err instanceof Failure);
      assert.equal(err.code, 'unavailable');
      const { retryAfterSeconds = 0, reason } = err.context;
      assert.equal(reason, 'too-many-registrations');
      assert.ok(retryAfterSeconds >= 2 && retryAfterSeconds <= 4);
      return true;
    });
    await end('a');
    await end('b');
    assert.deepEqual(begun, ['a', 'b']);
  });

  it('never refuses an update of a running registration', async () => {
    const { ask, begun, pass } = scene(1);
    void ask('a');
    void ask('b');
    void ask('c');
    await otherWork();
    await pass();
    await pass();
    assert.deepEqual(begun, ['a', 'b', 'c']);
  });

  it('gives the place of an update away after a second, once', async () => {
    const { ask, begun, end, pass } = scene(1);
    void ask('waits for the directory');
    void ask('b');
    void ask('c');
    await otherWork();
    await pass();
    assert.deepEqual(begun, ['waits for the directory', 'b']);
    await end('waits for the directory');
    assert.deepEqual(begun, ['waits for the directory', 'b'], 'its place is the one of b');
    await end('b');
    assert.deepEqual(begun, ['waits for the directory', 'b', 'c']);
  });
});
