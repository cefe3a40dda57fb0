// @rerun never
/** The drill of docs/operate.md: the audit log is lost with its indices, and restored from a snapshot. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { createAuditIndex, readAuditLog } from '../../../adapters/elastic/audit-index.ts';
import { connectElastic } from '../../../adapters/elastic/connect.ts';
import { auditKeysFrom } from '../../../platform/audit.ts';
import { verifyAuditLog } from '../../../platform/audit-verification.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { chainedEvents } from '../../support/audit-events.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';

const elastic = connectElastic({ url: testEngines().elasticsearchUrl ?? '', timeoutMs: 600_000 });
after(() => elastic.close());

describe('A snapshot of the audit log', () => {
  it('restores every event as it was: the verification finds all missing before, and nothing after', async () => {
    const keys = auditKeysFrom(new Secret(randomBytes(32).toString('base64')));
    const prefix = uniqueName();
    const index = `${prefix}-*`;
    // two days
    const events = chainedEvents(keys, 40, Date.UTC(2026, 2, 1, 23, 40));
    const log = createAuditIndex(elastic, { prefix, retentionDays: 90 });
    await log.prepare();
    await log.store(events);
    await elastic.indices.refresh({ index });
    const end = { sequence: 40, chain: events.at(-1)?.vyry.audit?.chain ?? '' };
    const start = { sequence: 0, chain: '' };
    const faults = async () =>
      (await verifyAuditLog(readAuditLog(elastic, prefix), { macKeys: [keys.macKey], start, end })).faults;
    assert.deepEqual(await faults(), []);

    const repository = { name: prefix, repository: { type: 'fs' as const, settings: { location: prefix } } };
    await elastic.snapshot.createRepository(repository);
    const snapshot = { repository: prefix, snapshot: 'daily' };
    await elastic.snapshot.create({
      ...snapshot,
      indices: index,
      include_global_state: false,
      wait_for_completion: true,
    });
    const days = Object.keys(await elastic.indices.get({ index }));
    assert.equal(days.length, 2);
    await elastic.indices.delete({ index: days });
    assert.deepEqual(await faults(), [{ fault: 'missing', from: 1, to: 40 }]);

    await elastic.snapshot.restore({ ...snapshot, indices: index, wait_for_completion: true });
    assert.deepEqual(await faults(), []);
    await elastic.indices.delete({ index: days });
    await elastic.snapshot.delete(snapshot);
    await elastic.snapshot.deleteRepository({ name: prefix });
    await elastic.indices.deleteIndexTemplate({ name: `${prefix}-audit` });
  });
});
