// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findMutants, findSurvivors } from '../support/crypto-mutants.ts';

describe('the tests of the encryption', () => {
  it('notice when any of its checks is removed', async (t) => {
    const mutants = await findMutants();
    const say = (text: string) => t.diagnostic(text);
    const half = mutants.length / 2;
    const parts = [mutants.slice(0, half), mutants.slice(half)];
    const survivors = await Promise.all(parts.map((part) => findSurvivors(part, say)));
    assert.deepEqual(survivors.flat(), []);
  });
});
