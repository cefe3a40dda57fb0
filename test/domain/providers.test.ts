import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { orderOf, readCountryWeights, readWeights } from '../../domain/providers.ts';

const known = ['twilio', 'infobip'];
const available = known;
const none = new Set<string>();
const choice = {
  weights: readWeights('twilio:80,infobip:20', known),
  byCountry: readCountryWeights('IN=infobip:100,twilio:0; +44=infobip', known),
};

describe('readWeights() and readCountryWeights()', () => {
  it('refuse unknown providers, duplicates, and lists in which no provider can be chosen', () => {
    for (const text of ['telegraph:1', 'twilio:x', 'twilio,twilio', 'twilio:0', 'twilio=1', 'twilio:-1'])
      assert.throws(() => readWeights(text, known), RangeError, text);
    for (const text of ['in=twilio', 'IN', 'IN=', 'IN=twilio;IN=infobip', 'India=twilio'])
      assert.throws(() => readCountryWeights(text, known), RangeError, text);
  });
});

describe('readWeights() with an exclusive name', () => {
  it('accepts it alone and refuses it next to others', () => {
    assert.deepEqual([...readWeights('nobody', [...known, 'nobody'], 'nobody')], [['nobody', 1]]);
    assert.throws(() => readWeights('twilio,nobody:0', [...known, 'nobody'], 'nobody'), RangeError);
    assert.equal(readWeights('twilio,infobip', [...known, 'nobody'], 'nobody').size, 2);
  });
});

describe('orderOf()', () => {
  it('returns the provider drawn by weight first, then the others', () => {
    assert.deepEqual(orderOf(choice, { available, failed: none, draw: 0.79 }), ['twilio', 'infobip']);
    assert.deepEqual(orderOf(choice, { available, failed: none, draw: 0.81 }), ['infobip', 'twilio']);
  });

  it('uses the weights of the country', () => {
    for (const draw of [0, 0.5, 0.999])
      assert.deepEqual(orderOf(choice, { available, country: 'IN', failed: none, draw }), ['infobip', 'twilio']);
    assert.deepEqual(orderOf(choice, { available, country: '+44', failed: none, draw: 0 }), ['infobip']);
  });

  it('returns failed providers last, and omits none', () => {
    const failed = new Set(['twilio']);
    assert.deepEqual(orderOf(choice, { available, failed, draw: 0 }), ['infobip', 'twilio']);
    assert.deepEqual(orderOf(choice, { available, failed: new Set(available), draw: 0 }), ['twilio', 'infobip']);
  });

  it('returns the configured providers when none has a weight', () => {
    const empty = { weights: new Map(), byCountry: new Map() };
    assert.deepEqual(orderOf(empty, { available, failed: none, draw: 0.5 }), available);
  });
});
