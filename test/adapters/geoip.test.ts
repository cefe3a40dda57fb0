import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openPlaces } from '../../adapters/geoip.ts';
import { writePlaces } from '../support/geoip.ts';

const folder = mkdtempSync(join(tmpdir(), 'places-'));
after(() => rmSync(folder, { recursive: true }));

describe('openPlaces()', () => {
  it('names city and country of known networks only', async () => {
    const file = join(folder, 'cities.mmdb');
    writePlaces(file, {
      '203.0.113.0/24': { city: 'Paris', country: 'France' },
      '198.51.100.128/25': { country: 'Ghana' },
    });
    const { placeOf } = await openPlaces({ places: file });
    assert.equal(placeOf('203.0.113.9'), 'Paris, France');
    assert.equal(placeOf('198.51.100.200'), 'Ghana');
    assert.equal(placeOf('198.51.100.2'), null);
    assert.equal(placeOf(''), null, 'a connection that has ended');
  });

  it('knows no place without a database, and refuses a file that is none', async () => {
    assert.equal((await openPlaces({})).placeOf('203.0.113.9'), null);
    await assert.rejects(openPlaces({ places: import.meta.filename }), Error);
    await assert.rejects(openPlaces({ networks: join(folder, 'missing.mmdb') }), { code: 'ENOENT' });
  });
});
