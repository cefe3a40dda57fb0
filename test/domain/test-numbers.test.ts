import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFictitious, lastDigitsOf, readTestNumbers } from '../../domain/test-numbers.ts';

describe('readTestNumbers()', () => {
  it('parses numbers with their codes', () => {
    assert.deepEqual(
      [...readTestNumbers(' +15550100001=123456, +447700900101=000000,')],
      [
        ['+15550100001', '123456'],
        ['+447700900101', '000000'],
      ],
    );
    assert.equal(readTestNumbers('').size, 0);
  });

  it('refuses invalid and duplicate entries, without naming number or code', () => {
    for (const text of [
      '+15550100001',
      '15550100001=123456',
      '+15550100001=12345',
      '+15550100001=1234567',
      '+15550100001=abcdef',
      '+15550100001=123456;+15550100002=123456',
      '+15550100001=123456,+15550100001=654321',
    ]) {
      assert.throws(
        () => readTestNumbers(text),
        (err: Error) => err instanceof RangeError && !/654321|1234567|5550100002/.test(err.message),
        text,
      );
    }
  });
});

describe('isFictitious()', () => {
  it('recognizes the number ranges reserved for fiction', () => {
    for (const number of ['+15550100001', '+12025550100', '+12025550199', '+447700900123', '+33639981234'])
      assert.ok(isFictitious(number), number);
    for (const number of [
      '+12025550200',
      '+12025551234',
      '+447700901123',
      '+33639971234',
      '+4915212345678',
      '+1555010000',
    ])
      assert.equal(isFictitious(number), false, number);
  });
});

describe('lastDigitsOf()', () => {
  it('returns the last six digits of a number', () => {
    assert.equal(lastDigitsOf('+447700900123'), '900123');
  });
});
