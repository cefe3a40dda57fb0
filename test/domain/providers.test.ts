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
  it('refuse what is not known, listed twice, or never chosen', () => {
    for (const text of ['telegraph:1', 'twilio:x', 'twilio,twilio', 'twilio:0', 'twilio=1', 'twilio:-1'])
      assert.throws(() => readWeights(text, known), RangeError, text);
    for (const text of ['in=twilio', 'IN', 'IN=', 'IN=twilio;IN=infobip', 'India=twilio'])
      assert.throws(() => readCountryWeights(text, known), RangeError, text);
  });
});

describe('readWeights() with a name that stands alone', () => {
  it('takes it alone and refuses it beside others', () => {
    assert.deepEqual([...readWeights('nobody', [...known, 'nobody'], 'nobody')], [['nobody', 1]]);
    assert.throws(() => readWeights('twilio,nobody:0', [...known, 'nobody'], 'nobody'), RangeError);
    assert.equal(readWeights('twilio,infobip', [...known, 'nobody'], 'nobody').size, 2);
  });
});

describe('orderOf()', () => {
  it('tries first whom chance picks by weight, then the others', () => {
    assert.deepEqual(orderOf(choice, { available, failed: none, draw: 0.79 }), ['twilio', 'infobip']);
    assert.deepEqual(orderOf(choice, { available, failed: none, draw: 0.81 }), ['infobip', 'twilio']);
  });

  it('knows countries of their own', () => {
    for (const draw of [0, 0.5, 0.999])
      assert.deepEqual(orderOf(choice, { available, country: 'IN', failed: none, draw }), ['infobip', 'twilio']);
    assert.deepEqual(orderOf(choice, { available, country: '+44', failed: none, draw: 0 }), ['infobip']);
  });

  it('tries last who failed before, and leaves nobody out for it', () => {
    const failed = new Set(['twilio']);
    assert.deepEqual(orderOf(choice, { available, failed, draw: 0 }), ['infobip', 'twilio']);
    assert.deepEqual(orderOf(choice, { available, failed: new Set(available), draw: 0 }), ['twilio', 'infobip']);
  });

  it('uses those that are configured when none has a weight', () => {
    const empty = { weights: new Map(), byCountry: new Map() };
    assert.deepEqual(orderOf(empty, { available, failed: none, draw: 0.5 }), available);
  });
});
