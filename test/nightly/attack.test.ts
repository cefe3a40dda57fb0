/** Every kind of attack at once, and the alerts that they fire. A small one is in test/journeys/attack.test.ts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Firing } from '../../kibana/firings.ts';
import { type Attacked, attackers, attackSystem } from '../support/attack.ts';
import { until } from '../support/until.ts';

const minuteMs = 60_000;

let attacked: Attacked;
let endedAt: number;

before(async () => {
  attacked = await attackSystem(async ({ spray, useBruteForce, guessCodes, pumpCodes, hammerLimits }) => {
    await Promise.all([spray(), useBruteForce(), guessCodes(), pumpCodes(), hammerLimits()]);
    endedAt = performance.now();
  });
});
after(() => attacked?.[Symbol.asyncDispose]());

/** Waits until the stored events fire the expected alerts. */
async function untilFired(assertion: (fired: Firing[]) => void): Promise<void> {
  await until(async () => {
    assertion(await attacked.replay());
    return true;
  });
}

describe('An attack of every kind', () => {
  it('fires each expected alert once and within a minute, with the right address, and no other', async () => {
    await untilFired((fired) => {
      const byName = (name: string) => fired.filter(({ alert }) => alert === name).map(({ group }) => group);
      assert.deepEqual(byName('Password spraying from one address'), [attackers.sprayer]);
      assert.deepEqual(byName('Brute force from one address'), [attackers.brute]);
      assert.deepEqual(byName('Pumping of codes from one address'), [attackers.pumper]);
      assert.deepEqual(byName('Burst of refusals by limits'), ['all']);
      assert.equal(byName('Guessing of codes').length, 1);
      // four names of the brute force, one of the attack that keeps exceeding a limit
      const names = byName('Many wrong passwords for one name');
      assert.deepEqual([names.length, new Set(names).size], [5, 5]);
      assert.equal(fired.length, 10, JSON.stringify(fired));
    });
    const foundMs = performance.now() - endedAt;
    assert.ok(foundMs < minuteMs, `${foundMs} ms`);
  });
});
