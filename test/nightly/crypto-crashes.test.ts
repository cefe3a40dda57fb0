// @rerun never
import { describe, it } from 'node:test';
import { runApart } from '../support/run-apart.ts';

describe('a conversation on the file store, a thousand times', () => {
  it('uses no key twice, and loses and doubles nothing, when its process is killed between any two awaits', async () => {
    await runApart('kills', ['250', '250', '250', '250']);
  });
});
