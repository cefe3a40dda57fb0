// @rerun never
/** The account on the page at /app in Chromium: its recovery, its registration lock, its secrets, its data and its end. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chromiumPath, noChromium } from '../../engines/chromium.ts';
import { english as texts } from '../../web/texts/en.ts';
import { codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { personOf } from '../support/journey.ts';
import { goodPassword } from '../support/registrations.ts';
import { eventually } from '../support/until.ts';
import { openWebBrowser, type WebTab } from '../support/web-browser.ts';
import { withSystem } from '../support/with-system.ts';

const skip = chromiumPath() === undefined && noChromium;
const { url, outboxUrl, person } = await withSystem({
  REGISTRATION_STEPS: 'directory,captcha,code,credentials,device',
});
const { username, password: directoryPassword, phone, email } = personOf(1);
const newPassword = 'seven-lanterns-below-the-quarry';
const pin = '749302';

describe('an account, by keyboard only', { skip }, () => {
  let browser: Awaited<ReturnType<typeof openWebBrowser>>;
  let tab: WebTab;
  before(async () => {
    browser = await openWebBrowser(url);
    tab = await (await browser.createProfile()).open();
  });
  after(() => browser?.[Symbol.asyncDispose]());

  it('is recovered by the link of a message, whose other link stops nothing any more', async () => {
    await person(1);
    const { recover, notMe, signIn } = texts;
    await tab.press(signIn.forgotten);
    await tab.write(signIn.identifier, username);
    await tab.press(recover.request);
    await tab.untilText(recover.sent);
    await tab.look('recover');
    const links = await eventually(async () => {
      const found = (await notificationsTo(outboxUrl, email)).flatMap(
        ({ body }) => body.match(/#[\w-]+=[\w-]{43}/g) ?? [],
      );
      return found.length === 2 ? found : undefined;
    });
    const linkOf = (name: string) => `${url}/app${links.find((link) => link.startsWith(`#${name}=`))}`;
    await tab.page.goto(linkOf('token'));
    await tab.write(recover.password, newPassword);
    await tab.press(recover.submit);
    await tab.untilText(recover.done);
    await tab.page.goto(linkOf('stop'));
    await tab.press(notMe.stopRecovery);
    await tab.untilText(notMe.over);
  });

  it('says what is wrong with a password, and is opened by the right one', async () => {
    const { signIn, problems } = texts;
    await tab.go(texts.titles['sign-in']);
    await tab.write(signIn.identifier, username);
    await tab.write(signIn.password, goodPassword);
    await tab.press(signIn.submit);
    await tab.untilText(problems.UNAUTHORIZED);
    await tab.write(signIn.password, newPassword);
    await tab.press(signIn.submit);
    await tab.untilHeading(texts.titles.chats);
  });

  it('gets a PIN, after one that is easy to guess was refused', async () => {
    const { password, register } = texts;
    await tab.go(texts.titles.account);
    await tab.press(texts.titles.password);
    await tab.write(password.newPin, '1234');
    await tab.reach(tab.page.locator('#pin-password'));
    await tab.page.keyboard.insertText(newPassword);
    await tab.press(password.submitPin);
    await tab.untilText(register.weak);
    await tab.look('password');
    await tab.write(password.newPin, pin);
    await tab.press(password.submitPin);
    await tab.untilText(password.changed);
  });

  it('has another name, and another address once its code was typed', async () => {
    const { account } = texts;
    await tab.go(texts.titles.account);
    await tab.write(account.fullName, 'Ada of the Desk');
    await tab.press(account.save);
    await tab.untilText(account.saved);
    await tab.write(account.email, 'new@example.org');
    await tab.page.keyboard.press('Enter');
    await tab.write(account.codeField, await codeFor(outboxUrl, 'new@example.org'));
    await tab.look('account-code');
    await tab.press(account.verify);
    await tab.untilText(account.saved);
    assert.equal(await tab.page.getByLabel(account.email).inputValue(), 'new@example.org');
  });

  it('is exported, and its deletion is planned and stopped', async () => {
    const { data, security } = texts;
    await tab.press(texts.titles.data);
    const saving = tab.page.waitForEvent('download');
    await tab.press(data.download);
    assert.equal((await saving).suggestedFilename(), 'vyry-export.json');
    await tab.reach(tab.page.getByLabel(data.understood));
    await tab.page.keyboard.press('Space');
    await tab.press(data.deleteNow);
    await tab.untilText(data.receipt);
    await tab.look('data');
    await tab.go(texts.titles.security);
    await tab.untilText(security.deletion.split('{')[0] ?? '');
    await tab.look('security');
    await tab.press(texts.titles.data);
    await tab.press(data.stop);
    await tab.untilText(data.stopped);
  });

  it('is locked: another browser registers it again with its PIN, also after a reload, and ends its sessions', async () => {
    const other = await (await browser.createProfile()).open();
    const { register, problems } = texts;
    const sent = (await messagesTo(outboxUrl, phone)).length;
    await other.go(texts.titles.register);
    await other.press(register.start);
    await other.write(register.directoryUsername, username);
    await other.write(register.directoryPassword, directoryPassword);
    await other.press(register.continue);
    await other.press(register.captchaSolve);
    await other.untilText(register.code);
    await other.page.reload();
    await other.press(texts.channels.sms);
    const code = await codeFor(outboxUrl, phone, sent + 1);
    await other.write(register.codeField, code === '000000' ? '000001' : '000000');
    await other.press(register.codeCheck);
    await other.untilText(problems.INVALID_OTP);
    await other.write(register.codeField, ` ${code.slice(0, 3)} ${code.slice(3)}`);
    await other.press(register.codeCheck);
    await other.write(register.password, 'nine-umbrellas-over-the-canal');
    await other.press(register.continue);
    await other.write(register.approvalPin, '111111');
    await other.press(register.continue);
    await other.untilText(register.pinWrong);
    await other.look('register-approval');
    await other.write(register.approvalPin, pin);
    await other.press(register.continue);
    await other.write(register.deviceName, 'Desk of Ada');
    await other.press(register.continue);
    await other.untilHeading(texts.titles.chats);
    await other.go(texts.titles.account);
    await other.press(texts.titles.sessions);
    await other.look('sessions');
    await other.press(texts.sessions.signOut);
    await other.untilHeading(texts.titles['sign-in']);
  });

  it('leaves no error behind', () => {
    assert.deepEqual(browser.problems, []);
  });
});
