/** Measures how long it takes to request a recovery. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { call } from '../support/client.ts';
import { median } from '../support/median.ts';
import { registeredPerson } from '../support/people.ts';
import { must } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const { system } = await withSystem();

describe('POST /auth/password/forgot', () => {
  it('D2: takes as long for unknown as for known users, over 200 interleaved pairs', async () => {
    await registeredPerson(system, 300);
    const forget = (identifier: string) =>
      call(system.ready.apiUrl, 'POST', '/api/v1/auth/password/forgot', { body: { identifier } });
    const times: Record<string, number[]> = { known: [], unknown: [] };
    for (let turn = 0; turn < 200; turn++) {
      const pair = [
        ['known', 'person300'],
        ['unknown', `nobody${turn}`],
      ] as const;
      for (const [who, identifier] of turn % 2 ? pair : [...pair].reverse()) {
        const beganAt = performance.now();
        await must(forget(identifier), 202);
        times[who]?.push(performance.now() - beganAt);
      }
    }
    const [one, other] = [median(times.known ?? []), median(times.unknown ?? [])];
    assert.ok(Math.abs(one - other) < Math.max(one, other) / 4, `medians of ${one} ms and ${other} ms`);
  });
});
