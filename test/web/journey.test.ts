// @rerun never
/** The page at /app in Chromium: what a person does with it, by keyboard only. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chromiumPath, noChromium } from '../../engines/chromium.ts';
import { buildWeb, bytesMax } from '../../web/build.ts';
import { english } from '../../web/texts/en.ts';
import { codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { createFakeCamera, type FakeCamera } from '../support/fake-camera.ts';
import { personOf } from '../support/journey.ts';
import { goodPassword } from '../support/registrations.ts';
import { eventually, until } from '../support/until.ts';
import { openWebBrowser, type WebTab } from '../support/web-browser.ts';
import { deliverPush, notificationsOf, subscribeAtFake } from '../support/web-push.ts';
import { withSystem } from '../support/with-system.ts';

const skip = chromiumPath() === undefined && noChromium;
const { url, outboxUrl, person } = await withSystem({
  REGISTRATION_STEPS: 'directory,captcha,code,credentials,device',
});
const texts = english;

describe('two people and three browsers, by keyboard only', { skip }, () => {
  let browser: Awaited<ReturnType<typeof openWebBrowser>>;
  let camera: FakeCamera;
  const tabs: Record<'ada' | 'linked' | 'grace', WebTab> = {} as typeof tabs;
  const profiles: Record<
    'ada' | 'linked' | 'grace',
    Awaited<ReturnType<typeof browser.createProfile>>
  > = {} as typeof profiles;
  before(async () => {
    camera = await createFakeCamera();
    browser = await openWebBrowser(url, camera.flags);
    for (const name of ['ada', 'linked', 'grace'] as const) {
      profiles[name] = await browser.createProfile();
      tabs[name] = await profiles[name].open();
    }
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await camera?.[Symbol.asyncDispose]();
  });

  it('registers with directory, captcha, code, password and the keys of the browser', async () => {
    const { ada } = tabs;
    const { register } = texts;
    const { username, password, phone } = personOf(1);
    await ada.untilHeading(texts.titles['sign-in']);
    await ada.look('sign-in');
    await ada.go(texts.titles.register);
    await ada.untilHeading(texts.titles.register);
    await ada.look('register');
    await ada.press(register.start);
    await ada.write(register.directoryUsername, username);
    await ada.write(register.directoryPassword, password);
    await ada.press(register.continue);
    await ada.press(register.captchaSolve);
    await ada.press(texts.channels.sms);
    await ada.write(register.codeField, await codeFor(outboxUrl, phone));
    await ada.look('register-code');
    await ada.press(register.codeCheck);
    await ada.write(register.password, goodPassword);
    await ada.press(register.continue);
    await ada.write(register.deviceName, 'Desk of Ada');
    await ada.press(register.continue);
    await ada.untilHeading(texts.titles.chats);
    await ada.untilText(texts.connection.connected);
    await ada.look('chats-empty');
  });

  it('links another browser by its QR code before the camera, and approves it with its digits', async () => {
    const { ada, linked } = tabs;
    const { link, approve } = texts;
    await linked.go(texts.titles.link);
    await linked.write(link.deviceName, 'Laptop of Ada');
    await linked.press(link.begin);
    await camera.show((await linked.page.locator('.code').textContent()) ?? '');
    await linked.look('link');
    await profiles.ada.context.grantPermissions(['camera'], { origin: url });
    await ada.go(texts.titles.devices);
    await ada.press(texts.devices.link);
    await ada.press(texts.scan.camera);
    await ada.untilText(approve.warning);
    await ada.look('approve');
    await ada.press(approve.itIsMe);
    const digits = await linked.page.locator('.digits').textContent();
    await linked.look('link-digits');
    await ada.write(approve.digits, digits ?? '');
    await ada.press(approve.link);
    await ada.untilText(approve.outcomes.linked);
    await linked.untilHeading(texts.titles.chats);
    await linked.untilText(texts.connection.connected);
    await ada.go(texts.titles.devices);
    await ada.untilText('Laptop of Ada');
    await ada.look('devices');
  });

  it('writes to a stranger who accepts, both ways, with marks, on both browsers of a person', async () => {
    const { ada, linked, grace } = tabs;
    const { chat, chats, people, deviceNeeded } = texts;
    const { name } = await person(2);
    await grace.write(texts.signIn.identifier, name);
    await grace.write(texts.signIn.password, goodPassword);
    await grace.press(texts.signIn.submit);
    await grace.press(deviceNeeded.add);
    await grace.untilText(texts.connection.connected);

    await ada.go(texts.titles.chats);
    await ada.press(chats.begin);
    const code = await ada.page.locator('.code').textContent();
    await ada.look('people');
    await grace.go(texts.titles.chats);
    await grace.press(chats.begin);
    // nobody has allowed the camera here
    await grace.press(texts.scan.camera);
    await grace.untilText(texts.scan.refused);
    await grace.write(people.scanLabel, code ?? '');
    await grace.press(texts.scan.submit);
    await writeMessage(grace, 'Hello Ada');
    await grace.untilText(chat.states.sent);

    for (const tab of [ada, linked]) {
      await tab.go(texts.titles.chats);
      await tab.untilText('Hello Ada');
    }
    await ada.look('chats-request');
    await openOnlyConversation(ada);
    await ada.untilText(chat.isRequest);
    await ada.look('chat-request');
    await ada.press(chat.accept);
    await writeMessage(ada, 'Hello Grace');
    await grace.untilText('Hello Grace');
    await ada.untilText(chat.states.read);
    await grace.untilText(chat.states.read);
    await openOnlyConversation(linked);
    await linked.untilText('Hello Grace');
    await writeMessage(linked, 'From my laptop');
    await grace.untilText('From my laptop');
    await ada.untilText('From my laptop');
    await ada.look('chat');
  });

  it('shows the same safety number to both people', async () => {
    const { ada, grace } = tabs;
    const numbers: (string | null)[] = [];
    for (const tab of [ada, grace]) {
      await tab.reach(tab.page.locator('summary', { hasText: texts.chat.more }));
      await tab.page.keyboard.press('Enter');
      await tab.press(texts.titles.safety);
      await tab.untilText(texts.safety.unverified);
      numbers.push(await tab.page.locator('.digits').textContent());
    }
    assert.equal(numbers[0], numbers[1]);
    await ada.write(texts.safety.scanLabel, numbers[1] ?? '');
    await ada.press(texts.scan.submit);
    await ada.untilText(texts.safety.verified);
    await ada.look('safety');
    for (const tab of [ada, grace]) await tab.go(texts.titles.chats);
    for (const tab of [ada, grace]) await openOnlyConversation(tab);
  });

  it('keeps what is written offline, and sends it when the network is back', async () => {
    const { ada, grace } = tabs;
    await profiles.ada.context.setOffline(true);
    await ada.untilText(/^Offline since/);
    await writeMessage(ada, 'Written offline');
    await ada.untilText(texts.chat.states.queued);
    await ada.look('chat-offline');
    await profiles.ada.context.setOffline(false);
    await ada.untilText(texts.connection.connected);
    await grace.untilText('Written offline');
    await ada.page.getByText(texts.chat.states.queued).waitFor({ state: 'detached' });
  });

  it('says in a second tab that it is open elsewhere, and is there after a reload', async () => {
    const { ada } = tabs;
    const second = await profiles.ada.open();
    await second.untilHeading(texts.frame.openElsewhere);
    await second.look('open-elsewhere');
    await second.page.close();
    await ada.page.reload();
    await ada.untilText('Written offline');
    await ada.untilText(texts.connection.connected);
  });

  it('removes the linked browser, which is signed out, and tells the other person of the new key', async () => {
    const { ada, linked, grace } = tabs;
    await ada.go(texts.titles.devices);
    await ada.press(`${texts.devices.remove}: Laptop of Ada`);
    await ada.press(texts.devices.remove);
    await ada.untilText(texts.devices.rotated);
    await linked.untilHeading(texts.titles['sign-in']);
    await ada.go(texts.titles.chats);
    await openOnlyConversation(ada);
    await writeMessage(ada, 'With a new key');
    await grace.untilText('With a new key');
    await grace.look('chat-new-key');
  });

  it('shows a notification when a message comes while the page is closed', async (t) => {
    const { ada, grace } = tabs;
    const { context } = profiles.ada;
    await context.grantPermissions(['notifications'], { origin: url });
    const subscriptions = await subscribeAtFake(context, outboxUrl);
    await ada.page.reload();
    await ada.go(texts.titles.devices);
    await ada.press(texts.push.turnOn);
    await ada.untilText(texts.push.states.on);
    await ada.look('devices-push');
    const [worker] = context.serviceWorkers();
    assert.ok(worker);
    await ada.page.goto('about:blank');
    await writeMessage(grace, 'Are you there?');
    const wakeUp = await eventually(async () => {
      const sent = await Promise.all(subscriptions.map(({ endpoint }) => notificationsTo(outboxUrl, endpoint)));
      return sent.flat()[0];
    });
    t.diagnostic(`the fake push service has decrypted: ${wakeUp.body}`);
    assert.doesNotMatch(wakeUp.body, /there/);
    assert.deepEqual(await notificationsOf(worker), []);
    await deliverPush(ada.page, { origin: url, data: wakeUp.body });
    await until(async () => (await notificationsOf(worker)).length > 0);
    assert.deepEqual(await notificationsOf(worker), ['Vyry']);
    await ada.page.goto(`${url}/app`);
    await ada.untilText('Are you there?');
  });

  it('approves a registration of the same person by the digits of its browser, which gets the key of the account', async () => {
    const { ada, grace } = tabs;
    const { register, approve, connection } = texts;
    const { username, password, phone } = personOf(1);
    const tablet = await (await browser.createProfile()).open();
    const sent = (await messagesTo(outboxUrl, phone)).length;
    await tablet.go(texts.titles.register);
    await tablet.press(register.start);
    await tablet.write(register.directoryUsername, username);
    await tablet.write(register.directoryPassword, password);
    await tablet.press(register.continue);
    await tablet.press(register.captchaSolve);
    await tablet.press(texts.channels.sms);
    await tablet.write(register.codeField, await codeFor(outboxUrl, phone, sent + 1));
    await tablet.press(register.codeCheck);
    await tablet.write(register.password, goodPassword);
    await tablet.press(register.continue);
    await tablet.press(register.approvalAsk);

    await ada.reach(ada.page.getByRole('alert').getByRole('link', { name: connection.look }));
    await ada.look('approval-asked');
    await ada.page.keyboard.press('Enter');
    await ada.untilText(approve.kinds.approval);
    await ada.press(approve.itIsMe);
    const digits = (await tablet.page.locator('.digits').textContent()) ?? '';
    await tablet.look('register-digits');
    await ada.write(approve.digits, digits === '000000' ? '000001' : '000000');
    await ada.press(approve.link);
    await ada.untilText(approve.refusals.LINK_CODE);
    await ada.write(approve.digits, digits);
    await ada.press(approve.link);
    await ada.untilText(approve.outcomes.approved);

    await tablet.write(register.deviceName, 'Tablet of Ada');
    await tablet.press(register.continue);
    await tablet.untilHeading(texts.titles.chats);
    await tablet.untilText(connection.connected);
    await writeMessage(grace, 'To all your browsers');
    await openOnlyConversation(tablet);
    await tablet.untilText('To all your browsers');
    await ada.go(texts.titles.devices);
    await ada.untilText('Tablet of Ada');
    await ada.go(texts.titles.chats);
    await openOnlyConversation(ada);
    await ada.untilText('To all your browsers');
  });

  it('leaves no error behind', () => {
    assert.deepEqual(browser.problems, []);
  });
});

describe('the first visit', { skip }, () => {
  it('loads few bytes in few requests, and paints', async (t) => {
    await using browser = await openWebBrowser(url);
    const { context } = await browser.createProfile();
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    const requests: string[] = [];
    let bytes = 0;
    page.on('request', (request) => requests.push(request.url()));
    network.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength;
    });
    await page.goto(`${url}/app`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForFunction(() => performance.getEntriesByType('paint').length === 2);
    const paint = await page.evaluate(() =>
      performance.getEntriesByType('paint').map(({ name, startTime }) => `${name} ${startTime.toFixed(0)} ms`),
    );
    const { first, all, parts, report } = await buildWeb();
    const ofParts = parts.reduce((total, { compressed }) => total + compressed, 0);
    assert.equal(Math.round(ofParts), all, 'the parts are all that is loaded');
    t.diagnostic(report);
    t.diagnostic(`first visit: ${requests.length} requests, ${bytes} bytes with headers, ${paint.join(', ')}`);
    assert.ok(bytes <= bytesMax.first, `${bytes} bytes in the network`);
    assert.ok(first <= bytesMax.first && all <= bytesMax.all, report);
    assert.ok(requests.length <= 16, requests.join());
    assert.ok(
      requests.every((request) => request.startsWith(url)),
      requests.join(),
    );
  });
});

async function writeMessage(tab: WebTab, text: string): Promise<void> {
  await tab.write(texts.chat.message, text);
  await tab.page.keyboard.press('Enter');
  await tab.untilText(text);
}

async function openOnlyConversation(tab: WebTab): Promise<void> {
  await tab.reach(tab.page.locator('a.row').first());
  await tab.page.keyboard.press('Enter');
}
