/** Measures the time of a log-in: it does not reveal whether a user exists. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, call } from '../support/client.ts';
import { median } from '../support/median.ts';
import { registeredPerson } from '../support/people.ts';
import { must } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const { system } = await withSystem({ DIRECTORY_TRIES: '1000' });

const post = (path: string, body: unknown): Promise<Answer> =>
  call(system.ready.apiUrl, 'POST', `/api/v1/auth${path}`, { body });

describe('The time of a log-in', () => {
  /** How much longer a known user waits than an unknown one at the same moment: medians over 200 pairs, in ms. */
  async function compare(ask: (identifier: string) => Promise<unknown>, known: string) {
    const timed = async (identifier: string) => {
      const beganAt = performance.now();
      await ask(identifier);
      return performance.now() - beganAt;
    };
    // one name each, so that limits per name count the same
    const stranger = 'nobody-at-all';
    const longer: number[] = [];
    const all: number[] = [];
    for (let turn = 0; turn < 200; turn++) {
      const isFirst = turn % 2 === 0;
      const pair = isFirst ? [known, stranger] : [stranger, known];
      const [first = 0, second = 0] = await Promise.all(pair.map(timed));
      longer.push(isFirst ? first - second : second - first);
      all.push(first, second);
    }
    return { longer: median(longer), usual: median(all) };
  }

  function assertAlike({ longer, usual }: { longer: number; usual: number }): void {
    assert.ok(Math.abs(longer) < usual / 3, `the known user waited ${longer} ms longer, of ${usual} ms`);
  }

  it('D2: by code does not reveal whether a user exists, over 200 interleaved pairs', async () => {
    await registeredPerson(system, 750);
    assertAlike(await compare((identifier) => must(post('/login/init', { identifier }), 202), 'person750'));
  });

  it('D2: by password does not reveal whether a user exists, over 200 interleaved pairs', async () => {
    await registeredPerson(system, 751);
    const password = 'not-the-password-1';
    assertAlike(await compare((identifier) => must(post('/login', { identifier, password }), 401), 'person751'));
  });
});
