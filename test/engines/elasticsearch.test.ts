import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '@elastic/elasticsearch';
import { testEngines } from '../support/engines.ts';

describe('startElasticsearch()', () => {
  it('indexes and finds a document with the official client', async () => {
    const client = new Client({ node: testEngines().elasticsearchUrl ?? '', requestTimeout: 600_000 });
    const index = `engines-${process.pid}`;
    await client.index({ index, document: { event: 'registration.started' }, refresh: true });
    const found = await client.search({ index, query: { match: { event: 'registration.started' } } });
    assert.equal(found.hits.hits.length, 1);
    assert.equal((await client.cluster.health()).status !== 'red', true);
    await client.indices.delete({ index });
    await client.close();
  });
});
