// @rerun never
/** What a stolen process can do with the account of its role in Elasticsearch: a server with security, and every privilege in use. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createAuditIndex, readAuditLog } from '../../adapters/elastic/audit-index.ts';
import { hasAuditTemplate, readNewest } from '../../adapters/elastic/audit-reader.ts';
import { type Elastic, pingElastic } from '../../adapters/elastic/connect.ts';
import { rewriteEvents } from '../../adapters/elastic/erasure.ts';
import { auditEvent } from '../support/audit.ts';
import { startSecuredElastic } from '../support/elastic-users.ts';

const prefix = 'vyry-logs';
const elastic = await startSecuredElastic(prefix);
after(() => elastic[Symbol.asyncDispose]());

const index = `${prefix}-2026.12.01`;
const times = { timestamp: '2026-12-01T00:00:00.000Z', '@timestamp': '2026-12-01T00:00:00.000Z' };
const oldTimes = { timestamp: '2020-01-01T00:00:00.000Z', '@timestamp': '2020-01-01T00:00:00.000Z' };
const first = auditEvent({ ...times, userId: 'ada' });

/** Asserts that a call is refused for lack of a privilege. */
async function assertForbidden(call: Promise<unknown>, about: string): Promise<void> {
  await assert.rejects(call, (err: { statusCode?: number }) => err.statusCode === 403, about);
}

/** Writes by the bulk call: its answer has the refusal of an operation inside, unless the account has no right to write at all. */
async function statusOf(client: Elastic, operation: 'index' | 'create' | 'delete', into: string): Promise<number> {
  const document = operation === 'delete' ? [] : [{ userId: 'eve' }];
  const operations = [{ [operation]: { _index: into, _id: first.event.id } }, ...document];
  try {
    const { items } = await client.bulk({ operations });
    return items[0]?.[operation]?.status ?? 0;
  } catch (err) {
    return (err as { statusCode?: number }).statusCode ?? 0;
  }
}

describe('a stolen account of Elasticsearch', () => {
  it('of the role audit stores events and removes old indices; it reads, changes and deletes no event', async () => {
    const audit = elastic.as('audit');
    const store = createAuditIndex(audit, { prefix, retentionDays: 90 });
    await pingElastic(audit);
    await store.prepare();
    assert.equal(await hasAuditTemplate(audit, prefix), true);
    const stored = await store.store([first, auditEvent(times), auditEvent(oldTimes)]);
    assert.deepEqual(
      stored.map(({ outcome }) => outcome),
      ['stored', 'stored', 'stored'],
    );
    assert.deepEqual(await store.removeOld(Date.parse(times.timestamp)), [`${prefix}-2020.01.01`]);
    await elastic.admin.indices.refresh({ index });
    await assertForbidden(audit.search({ index }), 'search');
    await assertForbidden(audit.get({ index, id: first.event.id }), 'get');
    assert.deepEqual([await statusOf(audit, 'index', index), await statusOf(audit, 'delete', index)], [403, 403]);
    assert.equal(await statusOf(audit, 'create', index), 409);
    await assertForbidden(audit.update({ index, id: first.event.id, doc: { userId: 'eve' } }), 'update');
  });

  it('of the api reads events and writes none', async () => {
    const api = elastic.as('api');
    assert.equal((await readNewest(api, prefix, { size: 10 })).length, 2);
    for (const operation of ['index', 'create', 'delete'] as const)
      assert.equal(await statusOf(api, operation, index), 403, operation);
    await assertForbidden(api.indices.delete({ index }), 'delete the index');
  });

  it('of the role registration rewrites events of a user; it deletes no index', async () => {
    const registration = elastic.as('registration');
    const rewritten = await rewriteEvents(registration, prefix, { userId: 'ada', pseudonyms: [] }, (event) => ({
      ...event,
      userId: 'erased',
    }));
    assert.equal(rewritten, 1);
    await assertForbidden(registration.indices.delete({ index }), 'delete the index');
  });

  it('has nothing outside of the audit log, and makes no accounts', async () => {
    await elastic.admin.index({ index: 'others', id: '1', document: { secret: true }, refresh: true });
    for (const role of ['audit', 'api', 'registration'] as const) {
      const client = elastic.as(role);
      await assertForbidden(client.get({ index: 'others', id: '1' }), role);
      assert.equal(await statusOf(client, 'index', 'others'), 403, role);
      await assertForbidden(client.indices.delete({ index: 'others' }), role);
      await assertForbidden(client.transport.request({ method: 'GET', path: '/_security/user' }), role);
      const persistent = { 'cluster.routing.allocation.enable': 'all' };
      await assertForbidden(client.cluster.putSettings({ persistent }), role);
    }
    const actors: string[] = [];
    for await (const { userId } of readAuditLog(elastic.admin, prefix)) actors.push(userId ?? '');
    assert.equal(actors.length, 2);
    assert.ok(actors.includes('erased') && !actors.includes('eve'));
  });
});
