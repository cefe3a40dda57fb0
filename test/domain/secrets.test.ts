// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOwnWord, preparePassword } from '../../domain/passwords.ts';
import { isWeakPin } from '../../domain/pins.ts';
import { currentNumber, formerNumbers } from '../../domain/renumbered-numbers.ts';

describe('preparePassword()', () => {
  it('F5: composes characters and reads every blank as one, and changes nothing else', () => {
    const password = 'Grüße-aus-Köln-élève-4471';
    assert.equal(preparePassword(password.normalize('NFD')), password);
    assert.equal(preparePassword('a\u00a0b\u3000c\u2009d'), 'a b c d');
    for (const text of ['ﬁ①４', ' a ', 'ÅßÆ', 'a\u200bb', '👩\u200d💻']) assert.equal(preparePassword(text), text);
  });
});

describe('isOwnWord()', () => {
  it('F14: finds the name, the address and the number, however they are written', () => {
    const words = ['wintergreen', 'Ada Lovelace', 'ada.lovelace@analytical.example', '+447700900123'];
    const own = [
      'wintergreen',
      'WinterGreen!',
      'neergretniw',
      'wintergreen12',
      'Ada Lovelace',
      'ada-lovelace1',
      'ADALOVELACE',
    ];
    const more = ['ada.lovelace@analytical.example', '+447700900123', '07700 900123', '447700900123', '00447700900123'];
    for (const password of [...own, ...more]) assert.equal(isOwnWord(password, words), true, password);
    for (const password of ['Lovelace Ada', 'lovelace', 'lovelace-99'])
      assert.equal(isOwnWord(password, words), true, password);
    const others = ['correct-horse-battery-61', 'violet-harbour-engraves-93', 'wintergreen-harbour-93', 'analytical'];
    for (const password of others) assert.equal(isOwnWord(password, words), false, password);
    assert.equal(isOwnWord('a1b2', ['a', 'xy']), false);
  });
});

describe('isWeakPin()', () => {
  it('F29: finds repeats, runs, dates, patterns of the keypad and frequent PINs', () => {
    const repeats = [
      '0000',
      '1212',
      '121212',
      '112233',
      '1122',
      '111222',
      '123123',
      '690690',
      '1221',
      '123321',
      '12121',
      '1112',
    ];
    const runs = [
      '1234',
      '4321',
      '7890',
      '123456',
      '2468',
      '135791',
      '332211',
      '101112',
      '121314',
      '102030',
      '9876543210',
    ];
    const drawn = [
      '2580',
      '0852',
      '147258',
      '147852',
      '159357',
      '159753',
      '789456',
      '123654',
      '258456',
      '1478',
      '12369874',
    ];
    const dates = ['1990', '2001', '0704', '3112', '19900101', '01011990', '900101', '010190', '123190', '122019'];
    const frequent = ['1004', '5683', '1397', '007007', '314159'];
    for (const pin of [...repeats, ...runs, ...drawn, ...dates, ...frequent]) assert.equal(isWeakPin(pin), true, pin);
  });

  it('F29: accepts the great majority of PINs', () => {
    for (const pin of ['4826', '4711', '830571', '739182', '482619', '274916', '83059', '918273', '60481529']) {
      assert.equal(isWeakPin(pin), false, pin);
    }
    const all = Array.from({ length: 10_000 }, (_, index) => String(index).padStart(4, '0'));
    assert.ok(all.filter(isWeakPin).length < 1600);
  });
});

describe('currentNumber()', () => {
  it('F8: is undone by formerNumbers(), and leaves current numbers alone', () => {
    for (const [before, now] of [
      ['+22997123456', '+2290197123456'],
      ['+22501123456', '+2250101123456'],
      ['+22505123456', '+2250505123456'],
      ['+22507123456', '+2250707123456'],
      ['+22520812345', '+2252120812345'],
      ['+22530012345', '+2252530012345'],
      ['+22520212345', '+2252720212345'],
      ['+22534712345', '+2252734712345'],
      ['+5215512345678', '+525512345678'],
      ['+551187654321', '+5511987654321'],
      ['+841201234567', '+84701234567'],
      ['+841991234567', '+84591234567'],
    ] as const) {
      assert.equal(currentNumber(before), now);
      assert.equal(currentNumber(now), now);
      assert.deepEqual(formerNumbers(now), [before]);
    }
    for (const number of ['+12025550122', '+447700900123', '+491711234567', '+551132654321']) {
      assert.deepEqual([currentNumber(number), formerNumbers(number)], [number, []]);
    }
  });
});
