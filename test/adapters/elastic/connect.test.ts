import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { connectElastic, pingElastic } from '../../../adapters/elastic/connect.ts';
import { testEngines } from '../../support/engines.ts';

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
