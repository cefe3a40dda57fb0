import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isoCountryOf } from '../../domain/countries.ts';

describe('isoCountryOf()', () => {
  it('names a country by ISO 3166-1, also where countries share a calling code, or have none', () => {
    assert.deepEqual(['DE', '+44', '+1', '+7', '+800'].map(isoCountryOf), ['DE', 'GB', 'US', 'RU', 'ZZ']);
  });
});
