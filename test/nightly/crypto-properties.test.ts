// @rerun never
import { describe, it } from 'node:test';
import { checkConversations, checkCrashes, prepare } from '../support/crypto-properties.ts';
import { runApart } from '../support/run-apart.ts';

describe('any conversation, ten thousand times', () => {
  it('opens each message once, in any order, and nothing that was repeated, reflected or changed', async () => {
    await checkConversations(await prepare({ isBegun: true }), 10_000);
  });

  it('does so from the first message on, also when both sides begin at the same time', async () => {
    await runApart('beginnings', ['2500', '2500', '2500', '2500']);
  });

  it('uses no key twice, and loses and doubles no message, when processes end before or after any change is kept', async () => {
    await checkCrashes(await prepare({ isBegun: true }), 10_000);
  });
});
