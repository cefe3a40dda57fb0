// @rerun never
import { describe, it } from 'node:test';
import { chromiumPath, noChromium } from '../../engines/chromium.ts';
import { runApart } from '../support/run-apart.ts';

const skip = chromiumPath() === undefined && noChromium;

describe('a conversation on the store in IndexedDB, 250 times', { skip }, () => {
  it('uses no key twice, and loses and doubles nothing, when its browser is killed in the third quarter of its awaits', async () => {
    await runApart('browser-kills-3', ['125', '125']);
  });
});
