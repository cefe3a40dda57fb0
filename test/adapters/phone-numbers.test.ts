import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePhoneNumber } from '../../adapters/phone-numbers.ts';

function assertTable(table: Record<string, string | undefined>, region?: string): void {
  for (const [text, expected] of Object.entries(table)) {
    assert.equal(parsePhoneNumber(text, region)?.e164, expected, JSON.stringify(text));
  }
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
      'tel:+49-171-1234567': undefined,
      'tel:171-1234567;phone-context=+49': undefined,
      '\uff0b49 171 1234567': undefined,
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
