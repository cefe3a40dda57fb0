import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { connectElastic, pingElastic } from '../../../adapters/elastic/connect.ts';
import { notedOutage } from '../../../platform/outages.ts';
import { testEngines } from '../../support/engines.ts';

describe('connectElastic()', () => {
  it('notes which of its errors are an outage, by class and status, and not by their words', async () => {
    let answer = { status: 200, type: '' };
    const server = createServer((_req, res) => {
      const headers = { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' };
      const error = { type: answer.type, reason: 'LOADING, ECONNREFUSED, Topology is closed' };
      res.writeHead(answer.status, headers).end(JSON.stringify({ error, status: answer.status }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const elastic = connectElastic({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    for (const [status, type, reason] of [
      [429, 'circuit_breaking_exception', 'overloaded'],
      [429, 'cluster_block_exception', 'blocked'],
      [403, 'cluster_block_exception', 'blocked'],
      [403, 'security_exception', 'credentials-refused'],
      [400, 'index_closed_exception', 'index-closed'],
      [503, 'search_phase_execution_exception', 'answers-503'],
      [400, 'parsing_exception', undefined],
      [404, 'index_not_found_exception', undefined],
    ] as const) {
      answer = { status, type };
      const err = await elastic.search({}).catch((thrown: unknown) => thrown);
      const expected = reason && { dependency: 'elasticsearch', reason };
      assert.deepEqual(notedOutage(err), expected, `${status} ${type}`);
    }
    await elastic.close();
    server.closeAllConnections();
    server.close();
    const away = connectElastic({ url: 'http://127.0.0.1:1' });
    const err = await away.search({}).catch((thrown: unknown) => thrown);
    assert.deepEqual(notedOutage(err), { dependency: 'elasticsearch', reason: 'no-answer' });
    await away.close();
  });
});

describe('pingElastic()', () => {
  it('resolves only when Elasticsearch responds', async () => {
    const elastic = connectElastic({ url: testEngines().elasticsearchUrl ?? '' });
    await pingElastic(elastic, 600_000);
    await elastic.close();
    const away = connectElastic({ url: 'http://127.0.0.1:1' });
    await assert.rejects(pingElastic(away, 600_000), { name: 'ConnectionError' });
    await away.close();
  });

  it('gives up on a server that does not respond in time', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const elastic = connectElastic({ url: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` });
    await assert.rejects(pingElastic(elastic, 100), { name: 'TimeoutError' });
    await elastic.close();
    silent.closeAllConnections();
    silent.close();
  });
});
