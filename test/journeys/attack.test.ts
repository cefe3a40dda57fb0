// @rerun never
/**
 * An attack on a whole system, as the security team sees it. The events pass through Redis and the role `audit`, the
 * alert rules are replayed over the stored events, and the rendered security dashboard shows the attack. The alerts
 * that need many calls are fired by test/nightly/attack.test.ts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Firing } from '../../kibana/firings.ts';
import { pageOf } from '../../kibana/pictures.ts';
import { readSavedObjects } from '../../kibana/saved-object.ts';
import { type Attacked, attackers, attackSystem } from '../support/attack.ts';
import { until } from '../support/until.ts';

const minuteMs = 60_000;

let attacked: Attacked;

before(async () => {
  attacked = await attackSystem(({ spray, guessCodes, hammerLimits }) =>
    Promise.all([spray(), guessCodes(), hammerLimits()]),
  );
});
after(() => attacked?.[Symbol.asyncDispose]());

/** Waits until the stored events fire the expected alerts. */
async function untilFired(assertion: (fired: Firing[]) => void): Promise<void> {
  await until(async () => {
    assertion(await attacked.replay());
    return true;
  });
}

describe('An attack', () => {
  it('fires each expected alert once, with the right address, and no other', async () => {
    await untilFired((fired) => {
      const byName = (name: string) => fired.filter(({ alert }) => alert === name).map(({ group }) => group);
      assert.deepEqual(byName('Password spraying from one address'), [attackers.sprayer]);
      assert.deepEqual(byName('Burst of refusals by limits'), ['all']);
      assert.equal(byName('Guessing of codes').length, 1);
      assert.equal(byName('Many wrong passwords for one name').length, 1);
      assert.equal(fired.length, 4, JSON.stringify(fired));
    });
  });

  it('is on the rendered security dashboard', async () => {
    const objects = readSavedObjects(readFileSync(new URL('../../kibana/vyry.ndjson', import.meta.url), 'utf8'));
    const pages = objects.filter(({ type }) => type === 'dashboard');
    const security = pages.find(({ attributes }) => /security/i.test(String(attributes.title)));
    assert.ok(security);
    const range = {
      from: new Date(attacked.beganAt - minuteMs).toISOString(),
      to: new Date(Date.now() + minuteMs).toISOString(),
    };
    const page = await pageOf(security, objects, attacked.events, range);
    assert.ok(page.includes(attackers.hammer), 'the address that keeps exceeding a limit');
    assert.ok(page.includes('directory-tries'));
  });
});
