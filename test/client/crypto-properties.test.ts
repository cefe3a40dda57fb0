// @rerun never
import { describe, it } from 'node:test';
import { checkConversations, checkCrashes, prepare } from '../support/crypto-properties.ts';

/** test/nightly/crypto-properties.test.ts has ten thousand runs of each. */
describe('any conversation', () => {
  it('opens each message once, in any order, and nothing that was repeated, reflected or changed', async () => {
    await checkConversations(await prepare({ isBegun: true }), 200);
  });

  it('does so from the first message on, also when both sides begin at the same time', async () => {
    await checkConversations(await prepare({ isBegun: false }), 50);
  });

  it('uses no key twice, and loses and doubles no message, when processes end before or after any change is kept', async () => {
    await checkCrashes(await prepare({ isBegun: true }), 200);
  });
});
