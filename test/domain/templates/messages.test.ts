import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { notificationChannels, notificationKinds } from '../../../domain/notifications.ts';
import { languageFor, languages, templatesOf } from '../../../domain/templates/languages.ts';
import {
  codeMail,
  codeSms,
  codeSpeech,
  notificationMail,
  notificationSms,
} from '../../../domain/templates/messages.ts';
import { smsSize } from '../../../domain/templates/segments.ts';

const context = { product: 'Vyry', code: '123456', minutes: 60 };
const english = templatesOf('en');

describe('Every language', () => {
  it('is one of twenty', () => {
    assert.equal(new Set(languages.map(({ tag }) => tag)).size, 20);
  });

  for (const texts of languages) {
    it(`${texts.tag}: the code is one SMS segment, with the line for Android`, () => {
      const body = codeSms(texts, context, 'AbCdEfGhIjK');
      assert.equal(smsSize(body).segments, 1, body);
      assert.ok(body.startsWith('123456') && body.endsWith('\nAbCdEfGhIjK'), body);
      assert.ok(body.length > 34, 'it is a sentence');
    });

    it(`${texts.tag}: no placeholder is left, the subject has no code, and the page has a text direction`, () => {
      const mails = [
        codeMail(texts, context),
        ...notificationKinds.map((kind) => notificationMail(texts, kind, { product: 'Vyry' })),
      ];
      for (const { subject, text, html } of mails) {
        assert.doesNotMatch(subject + text + html, /[{}]/);
        assert.match(subject + text, /Vyry/);
        assert.doesNotMatch(subject, /123456/);
        assert.ok(html.includes(`lang="${texts.tag}" dir="${texts.direction}"`));
        assert.doesNotMatch(html, /src=|href=/);
      }
      assert.match(mails[0]?.text ?? '', /123456/);
      assert.match(mails[0]?.html ?? '', />123456</);
    });

    it(`${texts.tag}: a notification by SMS is one segment, names the product and contains no code`, () => {
      for (const kind of notificationKinds.filter((one) => notificationChannels[one].includes('sms'))) {
        const body = notificationSms(texts, kind, { product: 'Vyry' });
        assert.equal(smsSize(body).segments, 1, body);
        assert.match(body, /Vyry/);
        assert.doesNotMatch(body, /[{}]|\d{4}/);
      }
    });

    it(`${texts.tag}: a call speaks the digits one by one`, () => {
      const { digits, pressKey, yourCodeIs } = codeSpeech(texts, english, context);
      assert.deepEqual(digits, ['1', '2', '3', '4', '5', '6']);
      assert.doesNotMatch(pressKey + yourCodeIs, /[{}\d]/);
    });
  }
});

describe('docs/messages.md', () => {
  it('contains the SMS of every language and its length', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../../docs/messages.md'), 'utf8');
    for (const texts of languages) {
      const body = codeSms(texts, { ...context, minutes: 3 }, 'AbCdEfGhIjK');
      const { alphabet, units, segments } = smsSize(body);
      const row = `| ${texts.tag} | ${alphabet} | ${units} | ${segments} | ${body.replace('\n', ' ⏎ ')} |`;
      assert.ok(page.includes(`${row}\n`), row);
    }
  });
});

describe('codeSms()', () => {
  it('falls back to code and product name when the name is too long for the sentence', () => {
    const body = codeSms(templatesOf('ru'), { ...context, product: 'Очень длинное название нашего продукта' });
    assert.equal(body, '123456 Очень длинное название нашего продукта');
  });
});

describe('codeMail()', () => {
  it('escapes the product name', () => {
    assert.match(codeMail(english, { ...context, product: '<b>&' }).html, /&lt;b&gt;&amp;/);
  });
});

describe('smsSize()', () => {
  it('counts septets for GSM-7, two for its extension characters, and UTF-16 units for the rest', () => {
    assert.deepEqual(smsSize('a'.repeat(160)), { alphabet: 'GSM-7', units: 160, segments: 1 });
    assert.deepEqual(smsSize('a'.repeat(159).concat('€')), { alphabet: 'GSM-7', units: 161, segments: 2 });
    assert.deepEqual(smsSize('ж'.repeat(70)), { alphabet: 'UCS-2', units: 70, segments: 1 });
    assert.deepEqual(smsSize('ж'.repeat(71)), { alphabet: 'UCS-2', units: 71, segments: 2 });
    assert.equal(smsSize('ó').alphabet, 'UCS-2');
  });
});

describe('languageFor()', () => {
  const cases: [locale: string | undefined, acceptLanguage: string | undefined, expected: string | undefined][] = [
    ['de', 'fr', 'de'],
    ['de-CH-1996', undefined, 'de'],
    ['zh-Hant-HK', undefined, 'zh-Hant'],
    ['zh-TW', undefined, 'zh-Hant'],
    ['zh-CN', undefined, 'zh-Hans'],
    ['tlh', 'pt-BR,en;q=0.5', 'pt'],
    [undefined, 'en;q=0.3, fr;q=0.8', 'fr'],
    [undefined, 'de;q=0, nl', 'nl'],
    [undefined, 'de-x-fr', 'de'],
    [undefined, '*', undefined],
    [undefined, 'x;y;z,,,;q=9', undefined],
    [undefined, undefined, undefined],
  ];
  for (const [locale, accept, expected] of cases) {
    it(`${locale} and ${accept}: ${expected}`, () => assert.equal(languageFor(locale, accept), expected));
  }
});
