import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appLinkOf, linkOf } from '../../domain/message-links.ts';
import { languages } from '../../domain/templates/languages.ts';
import { notificationMail, recoveryMail, recoverySms } from '../../domain/templates/messages.ts';

const app = { publicUrl: 'https://vyry.example' };

describe('linkOf()', () => {
  it('leads into the web app, with the token in the fragment, which reaches no server', () => {
    assert.equal(linkOf('choose-password', 'T', app), 'https://vyry.example/app#token=T');
    assert.equal(linkOf('stop-recovery', 'T', app), 'https://vyry.example/app#stop=T');
    assert.equal(linkOf('stop-registration', 'T', app), 'https://vyry.example/app#stop-registration=T');
  });

  it('leads to the page of the operator where there is one', () => {
    const own = { ...app, ownPage: 'https://id.example/me' };
    assert.equal(linkOf('choose-password', 'T', own), 'https://id.example/me#token=T');
    assert.equal(linkOf('stop-recovery', 'T', own), 'https://id.example/me#stop=T');
    assert.equal(linkOf('stop-registration', 'T', own), 'https://id.example/me#stop-registration=T');
  });

  it('is the bare token when no address is known', () => {
    assert.equal(linkOf('stop-registration', 'T', {}), 'T');
    assert.equal(appLinkOf({}), undefined);
  });
});

describe('Messages with links', () => {
  const link = linkOf('choose-password', 'T', app);
  const stopLink = linkOf('stop-recovery', 'S', app);

  for (const texts of languages) {
    it(`${texts.tag}: the links of a mail can be followed, and are in its text too`, () => {
      const { text, html } = recoveryMail(texts, { product: 'Vyry', minutes: 30, link, stopLink });
      for (const address of [link, stopLink]) {
        assert.ok(text.includes(address), text);
        assert.ok(html.includes(`<a href="${address}" dir="ltr">${address}</a>`), html);
      }
      assert.ok(recoverySms(texts, { product: 'Vyry', minutes: 30, link, stopLink }).includes(link));
    });

    it(`${texts.tag}: a notification ends with the address of the web app, unless the account is gone`, () => {
      const appLink = appLinkOf(app);
      const mail = notificationMail(texts, 'device-added', { product: 'Vyry', appLink });
      assert.ok(mail.text.endsWith('\n\nhttps://vyry.example/app\n'), mail.text);
      assert.doesNotMatch(notificationMail(texts, 'account-deleted', { product: 'Vyry', appLink }).text, /https:/);
      assert.doesNotMatch(notificationMail(texts, 'welcome', { product: 'Vyry' }).html, /href|\{/);
    });
  }
});
