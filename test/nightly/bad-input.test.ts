/** Measures how long a body takes that is crafted to be slow to parse. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { call } from '../support/client.ts';
import { withSystem } from '../support/with-system.ts';

const { system } = await withSystem();

/** Deep, wide and broken bodies, which make parsers and regular expressions slow. */
const heavyBodies = [
  '['.repeat(100_000),
  `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`,
  `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join(',')}}`,
  JSON.stringify({ email: `${'a'.repeat(50_000)}@` }),
  JSON.stringify({ phone: '-'.repeat(90_000) }),
  JSON.stringify({ fullName: ' '.repeat(90_000) }),
];

describe('R1: a body that is crafted to be slow to parse', () => {
  it('is refused within 2 s', async () => {
    for (const body of heavyBodies) {
      const beganAt = performance.now();
      const { status } = await call(system.ready.apiUrl, 'POST', '/api/v1/registrations', { body });
      assert.ok(performance.now() - beganAt < 2000, body.slice(0, 40));
      assert.ok([400, 413].includes(status), `${status} ${body.slice(0, 40)}`);
    }
  });
});
