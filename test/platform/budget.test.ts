import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../domain/failures.ts';
import {
  callTime,
  createBudget,
  outsideBudget,
  runWithoutBudget,
  withinBudget,
  withNewBudget,
} from '../../platform/budget.ts';
import { traces } from '../../platform/log.ts';

/** Far longer than the tests take. */
const longMs = 3_600_000;
const trace = { requestId: 'request', traceparent: '' };
const isOutOfTime = (err: unknown) => err instanceof Failure && err.context.reason === 'out-of-time';

describe('the budget of a request', () => {
  it('ends a request that has no answer in time, and lets every other result through', async () => {
    await assert.rejects(
      withNewBudget(10, () => new Promise(() => undefined)),
      isOutOfTime,
    );
    assert.equal(await withNewBudget(longMs, async () => 'done'), 'done');
    await assert.rejects(
      withNewBudget(longMs, () => Promise.reject(new TypeError('bug'))),
      TypeError,
    );
  });

  it('gives each call no more than what is left, and nothing less than it needs', async () => {
    assert.equal(callTime(5000), 5000);
    await withNewBudget(longMs, async () => {
      assert.equal(callTime(5000), 5000);
      assert.ok(callTime(2 * longMs) < longMs);
      assert.ok(Number.isInteger(callTime(2 * longMs)));
      assert.equal(
        runWithoutBudget(() => callTime(2 * longMs)),
        2 * longMs,
      );
    });
    const used = { ...createBudget(longMs), endsAt: 0 };
    assert.equal(
      traces.run({ ...trace, budget: used }, () => callTime(5000)),
      1,
    );
  });

  it('is one for all that a request starts, and binds nothing after its end', async () => {
    const budget = createBudget(longMs);
    const later = Promise.withResolvers<void>();
    let background: Promise<number> | undefined;
    await traces.run({ ...trace, budget }, () =>
      withinBudget(1, async () => {
        background = later.promise.then(() => callTime(2 * longMs));
      }),
    );
    assert.equal(budget.isOver, true);
    later.resolve();
    assert.equal(await background, 2 * longMs);
  });

  it('does not count a wait for somebody else, which has its own limit', async () => {
    const budget = createBudget(longMs);
    const { endsAt } = budget;
    await traces.run({ ...trace, budget }, () =>
      outsideBudget(async () => {
        assert.equal(callTime(2 * longMs), 2 * longMs);
        budget.waitsSince -= 1000;
      }),
    );
    assert.ok(budget.endsAt >= endsAt + 1000);
    const ended = withNewBudget(10, async () => {
      await outsideBudget(async () => {
        await assert.rejects(
          withNewBudget(100, () => new Promise(() => undefined)),
          isOutOfTime,
        );
      });
      return 'waited';
    });
    assert.equal(await ended, 'waited');
  });
});
