// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chromiumPath, noChromium } from '../../engines/chromium.ts';
import { checkKilledBrowsers } from '../support/browser-crash-runs.ts';
import { openTabs } from '../support/browser-page.ts';
import type { StoreCommands } from '../support/store-page.ts';

const skip = chromiumPath() === undefined && noChromium;

describe('the store in IndexedDB', { skip }, () => {
  let tabs: Awaited<ReturnType<typeof openTabs<StoreCommands>>>;
  before(async () => {
    tabs = await openTabs<StoreCommands>('test/support/store-page.ts');
  });
  after(() => tabs[Symbol.asyncDispose]());

  it('keeps the contract of stores', async () => {
    await (await tabs.open()).call('contract');
  });

  it('belongs to one tab; the end of that tab, and of a page that is loaded again, frees it', async () => {
    const [one, other] = [await tabs.open(), await tabs.open()];
    assert.equal(await one.call('open', 'shared'), 'opened');
    assert.equal(await one.call('write', 'shared', 'u-1'), 'kept');
    assert.equal(await other.call('open', 'shared'), 'STORE_LOCKED');
    assert.equal(await one.call('open', 'shared'), 'STORE_LOCKED', 'in the same tab');
    await one.page.reload();
    assert.equal(await one.call('open', 'shared'), 'opened');
    await one.page.close();
    assert.equal(await other.call('open', 'shared'), 'opened');
    assert.equal(await other.call('read', 'shared'), 'u-1');
    assert.equal(await other.call('open', 'another account'), 'opened');
  });

  it('encrypts what it keeps with a key that no script can take along, and asks for strict durability', async () => {
    const tab = await tabs.open();
    await tab.call('open', 'secret');
    await tab.call('write', 'secret', 'u-plain-text');
    const seen = await tab.call('inspect', 'secret');
    assert.equal(seen.exported, 'InvalidAccessError');
    assert.ok(seen.texts.length > 0 && !seen.texts.includes('u-plain-text'));
    assert.deepEqual(seen.durabilities, ['strict']);
  });

  it('refuses a record in the place of another one, and leaves it as it is', async () => {
    const tab = await tabs.open();
    await tab.call('open', 'swapped');
    await tab.call('write', 'swapped', 'u-1');
    await tab.call('close', 'swapped');
    await tab.call('swap', 'swapped', 'userId', 'deviceId');
    assert.equal(await tab.call('open', 'swapped'), 'STORE_DAMAGED');
    assert.equal(await tab.call('open', 'swapped'), 'STORE_DAMAGED', 'it is not locked');
  });

  it('says STORE_FULL when the browser has no room, changes nothing, and goes on when there is room again', async () => {
    // the browser remembers for a while how much room an origin had
    await using own = await openTabs<StoreCommands>('test/support/store-page.ts');
    const tab = await own.open();
    const browser = await tab.page.context().newCDPSession(tab.page);
    const setQuota = (quota: { quotaSize?: number }) =>
      browser.send('Storage.overrideQuotaForOrigin', { origin: own.origin, ...quota });
    await setQuota({ quotaSize: 300_000 });
    await tab.call('open', 'full');
    await tab.call('write', 'full', 'u-1');
    assert.equal(await tab.call('write', 'full', 'x'.repeat(1_000_000)), 'STORE_FULL');
    assert.equal(await tab.call('read', 'full'), 'u-1');
    await setQuota({});
    assert.equal(await tab.call('write', 'full', 'y'.repeat(1_000_000)), 'kept');
  });
});

describe('a conversation on the store in IndexedDB', { skip }, () => {
  it('loses and doubles nothing when its browser is killed between any two awaits', async () => {
    // test/nightly/browser-crashes-*.test.ts kill a thousand
    assert.ok((await checkKilledBrowsers(3)) > 0);
  });
});
