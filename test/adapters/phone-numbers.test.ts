import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type PhoneNumber, parsePhoneNumber, phoneRefusal } from '../../adapters/phone-numbers.ts';

function assertTable(table: Record<string, string | undefined>, region?: string): void {
  for (const [text, expected] of Object.entries(table)) {
    assert.equal(parsePhoneNumber(text, region)?.e164, expected, JSON.stringify(text));
  }
}

function numberOf(text: string): PhoneNumber {
  const number = parsePhoneNumber(text);
  assert.ok(number);
  return number;
}

describe('parsePhoneNumber()', () => {
  it('normalizes the common notations of a number to E.164, or refuses them', () => {
    assertTable({
      '+491711234567': '+491711234567',
      '+49 171 1234567': '+491711234567',
      '+49-171-123-45-67': '+491711234567',
      '+49.171.1234567': '+491711234567',
      '+49/171/1234567': '+491711234567',
      '+49(0)171 1234567': '+491711234567',
      '+49 (0) 171 1234567': '+491711234567',
      '+4901711234567': '+491711234567',
      '+49\u00a0171\u00a01234567': '+491711234567',
      '0049171 1234567': undefined,
      '0171 1234567': undefined,
      'tel:+49-171-1234567': '+491711234567',
      'tel:171-1234567;phone-context=+49': undefined,
      '\uff0b49 171 1234567': '+491711234567',
    });
  });

  it('reads national numbers of the given country, and international numbers of any country', () => {
    const german = {
      '0049171 1234567': '+491711234567',
      '0171 1234567': '+491711234567',
      '+12025550102': '+12025550102',
    };
    assertTable(german, 'DE');
    assertTable({ '(202) 555-0102': '+12025550102' }, 'US');
    assertTable({ '07700 900101': '+447700900101' }, 'GB');
  });

  it('refuses input that cannot be a number', () => {
    const refused = [
      '',
      '+',
      '+0',
      '12345',
      'abc',
      '+1202555010',
      '+120255501022222',
      '+999123456789',
      '+1 800 FLOWERS',
    ];
    assertTable(Object.fromEntries(refused.map((text) => [text, undefined])));
    assertTable({ '112': undefined, '110': undefined }, 'DE');
  });

  it('refuses text around a number: words, extensions, second numbers, control characters', () => {
    const refused = [
      'call +49 171 1234567 now',
      '+49 171 1234567 ext. 5',
      '+49 171 1234567 x5',
      '+49 171 1234567;ext=5',
      '+49 171 1234567, +49 171 7654321',
      '+49171123\u00004567',
      '+49 171 1234567\r\nBcc: v@example.com',
      '+'.repeat(1000),
      '1'.repeat(10_000),
    ];
    assertTable(Object.fromEntries(refused.map((text) => [text, undefined])));
  });

  it('F4: reads numbers as people paste and type them', () => {
    const expected = '+12025550122';
    assertTable({
      '\u202a+12025550122\u202c': expected,
      '\u200e\u2066+1 202-555-0122\u2069\ufeff': expected,
      '\u00a0+1\u2060202\u200b5550122 \t\n': expected,
      '(+1) 202 555 0122': expected,
      '（＋１）２０２ ５５５ ０１２２': expected,
      '+\u0661\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0662\u0662': expected,
      '+\u0967\u0968\u0966\u0968\u096b\u096b\u096b\u0966\u0967\u0968\u0968': expected,
      'TEL:+1-202-555-0122': expected,
      '+1 202\u2011555\u20130122': expected,
    });
  });

  it('F8: reads a number of before a change of its numbering plan as the number of today', () => {
    assertTable({
      '+22997123456': '+2290197123456',
      '+229 97 12 34 56': '+2290197123456',
      '+2290197123456': '+2290197123456',
      '+22507123456': '+2250707123456',
      '+22544123456': '+2250544123456',
      '+22521812345': '+2252121812345',
      '+22522012345': '+2252522012345',
      '+225 20 21 23 45': '+2252720212345',
      '+22531912345': '+2252731912345',
      '+5215512345678': '+525512345678',
      '+551187654321': '+5511987654321',
      '+841691234567': '+84391234567',
    });
    assert.equal(phoneRefusal(numberOf('+22997123456'), ['BJ']), undefined);
  });

  it('returns the calling code, and the country if the number has one', () => {
    assert.deepEqual(parsePhoneNumber('+12425550100'.replace('555', '359')), {
      e164: '+12423590100',
      country: 'BS',
      callingCode: '1',
    });
    assert.equal(parsePhoneNumber('+77010000000')?.country, 'KZ');
    assert.deepEqual(parsePhoneNumber('+80012345678'), { e164: '+80012345678', callingCode: '800' });
  });

  it('accepts its own output unchanged', () => {
    for (const text of ['+49 171 1234567', '+447700900101', '+1 202 555 0102']) {
      const { e164 = '' } = parsePhoneNumber(text) ?? {};
      assert.match(e164, /^\+[1-9]\d{6,14}$/);
      assert.equal(parsePhoneNumber(e164)?.e164, e164);
    }
  });
});
