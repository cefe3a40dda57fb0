// @rerun never
import { describe, it } from 'node:test';
import { chromiumPath, noChromium } from '../../engines/chromium.ts';
import { runApart } from '../support/run-apart.ts';

const skip = chromiumPath() === undefined && noChromium;

describe('a conversation on the store in IndexedDB, five hundred times', { skip }, () => {
  it('uses no key twice, and loses and doubles nothing, when its browser is killed between any two awaits of the answer', async () => {
    await runApart('browser-kills-second', ['250', '250']);
  });
});
