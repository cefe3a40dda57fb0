import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectElastic, pingElastic } from '../../../adapters/elastic/connect.ts';
import { testEngines } from '../../support/engines.ts';

describe('pingElastic()', () => {
  it('tells whether Elasticsearch answers, within seconds', async () => {
    const elastic = connectElastic({ url: testEngines().elasticsearchUrl ?? '' });
    await pingElastic(elastic);
    await elastic.close();
    const away = connectElastic({ url: 'http://127.0.0.1:1' });
    const begin = performance.now();
    await assert.rejects(pingElastic(away));
    assert.ok(performance.now() - begin < 5000);
    await away.close();
  });
});
