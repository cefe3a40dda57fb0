import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectElastic } from '../../../adapters/elastic/connect.ts';
import { testEngines } from '../../support/engines.ts';

describe('connectElastic()', () => {
  it('tells whether Elasticsearch answers, within seconds', async () => {
    const elastic = connectElastic(testEngines().elasticsearchUrl ?? '');
    await elastic.ping();
    await elastic.close();
    const away = connectElastic('http://127.0.0.1:1');
    const begin = performance.now();
    await assert.rejects(away.ping());
    assert.ok(performance.now() - begin < 5000);
    await away.close();
  });
});
