import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cleanName, isPersonName } from '../../domain/person-names.ts';
import { asciiDigits, cleanText, readDigits } from '../../domain/text.ts';
import { isDirectoryName, isReserved, isUsername, skeletonOf } from '../../domain/usernames.ts';

function assertAll(expected: boolean, is: (text: string) => boolean, texts: string[]): void {
  for (const text of texts) assert.equal(is(text), expected, JSON.stringify(text));
}

describe('isUsername()', () => {
  it('F6: accepts letters and digits of one script, and signs', () => {
    assertAll(true, isUsername, [
      'victor',
      'Élodie',
      'e\u0301lodie',
      'кирилл',
      '张伟',
      'アレックス',
      'ada_l.9-x',
      'gal·la',
      'علی',
    ]);
  });

  it('F6: refuses what looks like an address, a number, an id or an option', () => {
    const ids = ['0123456789abcdef0123456789abcdef', '0D9B5E1A-9a52-4f0e-8d11-3d0f62d7a001'];
    const numbers = ['+12025550177', '(+1)2025550177', 'tel:+12025550177', '12025550177', '1234'];
    assertAll(false, isUsername, [
      'victim@example.com',
      '@victim',
      'mailto:a',
      'a,b',
      '--yes',
      '...',
      ...numbers,
      ...ids,
    ]);
  });

  it('F6: refuses what the IdentifierClass of RFC 8264 does not contain, and mixed scripts', () => {
    const invisible = [
      '\ufe0f',
      '\u200d',
      '\u200b',
      '\u2060',
      '\u00ad',
      '\u034f',
      '\u3164',
      '\u115f',
      '\u{e0061}',
      '\u061c',
    ];
    assertAll(
      false,
      isUsername,
      invisible.map((mark) => `victor${mark}`),
    );
    const others = [
      'ﬁx',
      '\u212aiss',
      '①ab',
      'ⅷa',
      'a b',
      'a\u00a0b',
      '\u0301a',
      'a\u0488',
      '☕ab',
      'ㅂa',
      'a\u0640b',
      'ᄀab',
      'a·b',
    ];
    assertAll(false, isUsername, others);
    assertAll(false, isUsername, ['аdmin', 'ad\u03bcin', 'adaعلی', 'א\u0660\u06f0']);
  });
});

describe('skeletonOf()', () => {
  it('F6: is the same for names that look alike, and different for others', () => {
    for (const [one, other] of [
      ['victor', 'vict0r'],
      ['paypal', 'раураl'],
      ['modern', 'modem'],
      ['Liam', '1iam'],
      ['scope', 'ѕсоре'],
      ['lee', 'Iee'.toLowerCase().replace('i', '1')],
    ] as const) {
      assert.equal(skeletonOf(one), skeletonOf(other), `${one} ${other}`);
    }
    assert.equal(new Set(['victor', 'viktor', 'vector', 'victoria', 'виктор'].map(skeletonOf)).size, 5);
  });

  it('F6: keeps reserved names, and what looks like them, for nobody', () => {
    assertAll(true, isReserved, ['admin', 'ADMIN', 'adm1n'.replace('1', 'ı'), 'r00t', 'postmaster', 'support', 'nu11']);
    assertAll(false, isReserved, ['ada', 'admiral', 'rooted', 'supporter']);
  });
});

describe('isDirectoryName()', () => {
  it('F28: also accepts single blanks and forms of addresses', () => {
    assertAll(true, isDirectoryName, [
      'John Smith',
      'ada@corp.example',
      '4711',
      'CORP\\ada',
      'o’brien'.replace('’', "'"),
    ]);
    assertAll(false, isDirectoryName, ['', ' a', 'a  b', 'a\nb', 'a\u200bb', 'x'.repeat(257)]);
  });
});

describe('isPersonName()', () => {
  const isName = (text: string) => isPersonName(cleanName(text));

  it('F7: accepts joiners and selectors where a script or a sign needs them', () => {
    const names = ['علی\u200cرضا', 'क्\u200dष', 'ശ്രീന്\u200d', 'ක්\u200dෂ', '葛\u{e0100}城', '❤\ufe0f', '👩\u200d💻 Ada'];
    assertAll(true, isName, [...names, 'Ada Lovelace', "Seán O'Brien-Śmith Jr.", 'Nguyễn Văn A', '𠮷田', 'X Æ A-12']);
  });

  it('F7: refuses direction marks, separators, and joiners elsewhere', () => {
    const marks = [
      '\u061c',
      '\u200e',
      '\u200f',
      '\u202a',
      '\u202e',
      '\u2066',
      '\u2069',
      '\u2028',
      '\u2029',
      '\u0085',
      '\u200b',
    ];
    const others = [
      '\u200d',
      '\u200c',
      '\ufeff',
      '\u00ad',
      '\ufe0f',
      '\u034f',
      '\u{e0041}',
      '\u180e',
      '\ud800',
      '\ue000',
      '\n',
    ];
    for (const mark of [...marks, ...others]) {
      assertAll(false, isName, [`Ada${mark}`, `${mark}Ada`, `Ada${mark}Lovelace`]);
    }
  });

  it('F7: refuses names that nobody sees, and markup', () => {
    assertAll(false, isName, [
      '',
      ' ',
      '\u00a0',
      '\u3164',
      '\u2800',
      '\u115f\u1160',
      '\u0301',
      'a\u200c',
      '<b>Ada</b>',
    ]);
    assertAll(false, isName, ['x'.repeat(201)]);
    assert.equal(cleanName(' \u00a0Ada \u3000 Lovelace '), 'Ada Lovelace');
  });
});

describe('readDigits()', () => {
  it('F4: reads codes as messages show them and keyboards write them', () => {
    const typed = [
      '123 456',
      '123-456',
      ' 123\u00a0456\n',
      '１２３４５６',
      '١٢٣٤٥٦',
      '۱۲۳۴۵۶',
      '१२३४५६',
      '123\u2011456',
      '\u202a123456\u202c',
    ];
    for (const text of typed) assert.equal(readDigits(text), '123456', JSON.stringify(text));
    for (const text of ['12a456', '123.456x', '½23456', '123\u0000456']) assert.doesNotMatch(readDigits(text), /^\d+$/);
  });

  it('F4: knows the value of every decimal digit of Unicode', () => {
    for (const zero of [0x30, 0x660, 0x6f0, 0x966, 0xe50, 0x1040, 0xff10, 0x1d7ce, 0x1d7f6, 0x1e950, 0x1fbf0]) {
      const digits = Array.from({ length: 10 }, (_, value) => String.fromCodePoint(zero + value)).join('');
      assert.equal(asciiDigits(digits), '0123456789', zero.toString(16));
    }
    assert.equal(cleanText('\u2067\ufeff  a b \u00ad\u2069\r\n'), 'a b');
  });
});
