import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createAuditIndex, readAuditLog } from '../../adapters/elastic/audit-index.ts';
import { connectElastic, pingElastic } from '../../adapters/elastic/connect.ts';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { hasJavaFor, startElasticsearch } from '../../engines/elasticsearch.ts';
import { auditEvent } from '../support/audit.ts';

const reason = 'Elasticsearch 9 needs Java 21 or later, which is not under /usr/lib/jvm: only 8.19 was tested';
const isPossible = await hasJavaFor('9.1.0');
if (!isPossible) console.log(reason);

let folder: DataFolder | undefined;
after(() => folder?.close());

describe('Elasticsearch 9', { skip: isPossible ? false : reason }, () => {
  it('accepts the same template and events, each once, and finds them by both names', async () => {
    folder = await openTemporaryFolder();
    const { url } = await startElasticsearch({ folder, release: '9.1.0' });
    const elastic = connectElastic({ url, timeoutMs: 600_000 });
    await pingElastic(elastic, 600_000);
    const index = createAuditIndex(elastic, { prefix: 'auth-logs', retentionDays: 30, unknownFields: 'refused' });
    assert.deepEqual(
      [await index.prepare(), await index.prepare()],
      [{ hasLifecycle: false }, { hasLifecycle: false }],
    );
    const events = [1, 2, 3].map((sequence) =>
      auditEvent({ userId: `u-${sequence}`, vyry: { audit: { sequence, chain: '', mac: '' } } }),
    );
    for (const outcome of ['stored', 'duplicate']) {
      assert.deepEqual(
        (await index.store(events)).map((stored) => stored.outcome),
        [outcome, outcome, outcome],
      );
    }
    await elastic.indices.refresh({ index: 'auth-logs-*' });
    const { hits } = await elastic.search({ index: 'auth-logs-*', q: 'user.id:u-2 AND event.outcome:success' });
    assert.equal(hits.hits.length, 1);
    const read: (string | undefined)[] = [];
    for await (const { userId } of readAuditLog(elastic, 'auth-logs')) read.push(userId);
    assert.deepEqual(read, ['u-1', 'u-2', 'u-3']);
    await elastic.close();
  });
});
