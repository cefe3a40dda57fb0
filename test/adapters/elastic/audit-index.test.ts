// @rerun never
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { createAuditIndex, isTooLarge, readAuditLog } from '../../../adapters/elastic/audit-index.ts';
import { connectElastic, type Elastic } from '../../../adapters/elastic/connect.ts';
import { auditPolicy, auditTemplate } from '../../../adapters/elastic/template.ts';
import type { AuditEvent } from '../../../domain/audit.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { auditEvent } from '../../support/audit.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';

/** Longer than any response takes. */
const timeoutMs = 600_000;
const elastic: Elastic = connectElastic({ url: testEngines().elasticsearchUrl ?? '', timeoutMs });
after(() => elastic.close());

/** Prepares an index with a unique prefix that rejects unknown fields. */
async function scene(retentionDays = 30) {
  const prefix = uniqueName('audit');
  const index = createAuditIndex(elastic, { prefix, retentionDays, unknownFields: 'refused' });
  const { hasLifecycle } = await index.prepare();
  const refresh = () => elastic.indices.refresh({ index: `${prefix}-*` });
  const count = async () => {
    await refresh();
    return (await elastic.count({ index: `${prefix}-*` })).count;
  };
  return { prefix, index, hasLifecycle, refresh, count };
}

const outcomes = async (stored: Promise<{ outcome: string }[]>) => (await stored).map(({ outcome }) => outcome);

describe('prepare()', () => {
  it('can be repeated before and after events exist, and returns whether the server deletes old indices', async () => {
    const { index, hasLifecycle, count } = await scene();
    // the distribution used in tests has no index lifecycle management
    assert.equal(hasLifecycle, false);
    await index.store([auditEvent()]);
    assert.deepEqual(await index.prepare(), { hasLifecycle: false });
    await index.store([auditEvent()]);
    assert.equal(await count(), 2);
  });
});

describe('store()', () => {
  it('stores each event once, no matter how often it is sent', async () => {
    const { index, count } = await scene();
    const events = Array.from({ length: 50 }, () => auditEvent());
    assert.deepEqual(new Set(await outcomes(index.store(events))), new Set(['stored']));
    assert.deepEqual(new Set(await outcomes(index.store(events))), new Set(['duplicate']));
    assert.equal(await count(), 50);
  });

  it('writes each event to the index of its UTC day', async () => {
    const { prefix, index } = await scene();
    const times = ['2026-11-21T23:59:59.999Z', '2026-11-22T00:00:00.000Z', '2025-01-01T12:00:00.000Z'];
    await index.store(times.map((timestamp) => auditEvent({ timestamp, '@timestamp': timestamp })));
    const names = Object.keys(await elastic.indices.get({ index: `${prefix}-*` }));
    assert.deepEqual(
      names.sort(),
      ['2025.01.01', '2026.11.21', '2026.11.22'].map((day) => `${prefix}-${day}`),
    );
  });

  it('reports a permanently rejected event without failing the rest of the batch', async () => {
    const { index, count } = await scene();
    const poison = { ...auditEvent(), surprise: { nested: 1 } } as unknown as AuditEvent;
    const stored = await index.store([auditEvent(), poison, auditEvent()]);
    assert.deepEqual(
      stored.map(({ outcome }) => outcome),
      ['stored', 'refused', 'stored'],
    );
    assert.match((stored[1] as { reason: string }).reason, /^400 strict_dynamic_mapping_exception$/);
    assert.equal(await count(), 2);
  });

  it('keeps an event for later while its index takes no writes: blocked for lack of disk space, or closed', async () => {
    const { prefix, index, count } = await scene();
    const event = auditEvent();
    await index.store([auditEvent()]);
    const [name = ''] = Object.keys(await elastic.indices.get({ index: `${prefix}-*` }));
    const block = (isOn: boolean) =>
      elastic.indices.putSettings({ index: name, settings: { 'index.blocks.read_only_allow_delete': isOn } });
    await block(true);
    const [blocked] = await index.store([event]);
    await block(false);
    await elastic.indices.close({ index: name });
    const [closed] = await index.store([event]);
    await elastic.indices.open({ index: name });
    const typeOf = (stored: typeof blocked) => (stored?.outcome === 'busy' ? stored.reason.split(' ')[1] : stored);
    assert.deepEqual([blocked, closed].map(typeOf), ['cluster_block_exception', 'index_closed_exception']);
    assert.deepEqual(await outcomes(index.store([event])), ['stored']);
    assert.equal(await count(), 2);
  });

  it('finds events by their documented fields and by their ECS fields', async () => {
    const { prefix, index, refresh } = await scene();
    await index.store([auditEvent({ userId: 'u-1', ip: '192.0.2.1', status: 'failure', action: 'otp-verify' })]);
    await refresh();
    for (const query of [
      'userId:u-1',
      'user.id:u-1',
      'ip:192.0.2.1',
      'source.ip:"192.0.2.0/24"',
      'event.action:otp-verify',
      'event.outcome:failure',
      'log.level:info',
    ]) {
      const { hits } = await elastic.search({ index: `${prefix}-*`, q: query });
      assert.equal((hits.total as { value: number }).value, 1, query);
    }
  });

  it('stores an event with an invalid IP address or arbitrary metadata', async () => {
    const { index, count } = await scene();
    const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, at % 2 ? 'text' : at]));
    const stored = await outcomes(index.store([auditEvent({ ip: 'not an address' }), auditEvent({ metadata })]));
    assert.deepEqual([...stored, await count()], ['stored', 'stored', 2]);
  });

  it('throws when the server is down or does not respond in time', async () => {
    const storeIn = (there: Elastic) =>
      createAuditIndex(there, { prefix: 'x', retentionDays: 1 }).store([auditEvent()]);
    const away = connectElastic({ url: 'http://127.0.0.1:1', timeoutMs });
    await assert.rejects(storeIn(away), { name: 'ConnectionError' });
    await away.close();
    const never = Promise.withResolvers<never>();
    await using server = await startNotes(() => never.promise);
    const silent = connectElastic({ url: server.url, timeoutMs: 100 });
    await assert.rejects(storeIn(silent), { name: 'TimeoutError' });
    await silent.close();
  });
});

describe('removeOld()', () => {
  it('deletes only the daily indices older than the retention, by exact name', async () => {
    const { prefix, index } = await scene(30);
    const now = Date.parse('2026-11-22T10:00:00Z');
    for (const timestamp of ['2026-10-22T10:00:00.000Z', '2026-10-23T10:00:00.000Z', '2026-11-22T10:00:00.000Z']) {
      await index.store([auditEvent({ timestamp })]);
    }
    // an index of another deployment, and one whose name has no day
    for (const name of [`${prefix}-old-2020.01.01`, `${prefix}-notes`]) await elastic.indices.create({ index: name });
    assert.deepEqual(await index.removeOld(now), [`${prefix}-2026.10.22`]);
    const left = Object.keys(await elastic.indices.get({ index: `${prefix}-*` }));
    assert.equal(left.length, 4);
    assert.deepEqual(await index.removeOld(now), []);
  });
});

describe('readAuditLog()', () => {
  it('returns every event in audit log order, across days and pages', async () => {
    const { prefix, index, refresh } = await scene();
    const events = Array.from({ length: 1500 }, (_, at) => {
      const timestamp = `2026-11-${at % 2 ? 21 : 22}T00:00:00.000Z`;
      return auditEvent({ timestamp, vyry: { audit: { sequence: at + 1, chain: '', mac: '' } } });
    });
    await index.store(events.toReversed());
    await refresh();
    const read: number[] = [];
    for await (const event of readAuditLog(elastic, prefix)) read.push(event.vyry.audit?.sequence ?? 0);
    assert.deepEqual(
      read,
      Array.from({ length: 1500 }, (_, at) => at + 1),
    );
  });
});

/** The response of a server that records its requests. */
interface Note {
  status: number;
  body: unknown;
}

/**
 * Starts a server that records its requests, as a server with lifecycle management would receive them. The test
 * distribution has no lifecycle management.
 */
async function startNotes(answer: (req: IncomingMessage) => Note | Promise<Note>) {
  const notes: { method: string; path: string; authorization: string; body: string }[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    req.on('end', async () => {
      notes.push({
        method: req.method ?? '',
        path: req.url ?? '',
        authorization: req.headers.authorization ?? '',
        body,
      });
      const { status, body: reply } = await answer(req);
      res.writeHead(status, { 'Content-Type': 'application/json', 'X-Elastic-Product': 'Elasticsearch' });
      res.end(JSON.stringify(reply));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    notes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('a server with lifecycle management', () => {
  it('receives the policy first, then the template that names it, with the API key', async () => {
    await using server = await startNotes((req) => ({
      status: 200,
      body: req.url === '/_ilm/status' ? { operation_mode: 'RUNNING' } : { acknowledged: true },
    }));
    const client = connectElastic({ url: server.url, apiKey: new Secret('aWQ6a2V5'), timeoutMs });
    const index = createAuditIndex(client, { prefix: 'auth-logs', retentionDays: 90 });
    assert.deepEqual(await index.prepare(), { hasLifecycle: true });
    await client.close();
    assert.deepEqual(
      server.notes.map(({ method, path }) => `${method} ${path}`),
      ['GET /_ilm/status', 'PUT /_ilm/policy/auth-logs-audit', 'PUT /_index_template/auth-logs-audit'],
    );
    for (const { authorization } of server.notes) assert.equal(authorization, 'ApiKey aWQ6a2V5');
    assert.deepEqual(JSON.parse(server.notes[1]?.body ?? ''), { policy: auditPolicy(90) });
    const { template, index_patterns } = JSON.parse(server.notes[2]?.body ?? '');
    assert.deepEqual(index_patterns, ['auth-logs-*']);
    assert.equal(template.settings.index.lifecycle.name, 'auth-logs-audit');
    assert.equal(auditPolicy(90).phases.delete.min_age, '90d');
    assert.equal('warm' in auditPolicy(2).phases, false);
  });

  it('is not mistaken for one without lifecycle management when it rejects the key', async () => {
    await using server = await startNotes(() => ({ status: 403, body: { error: { type: 'security_exception' } } }));
    const client = connectElastic({ url: server.url, apiKey: new Secret('aWQ6a2V5'), timeoutMs });
    await assert.rejects(createAuditIndex(client, { prefix: 'x', retentionDays: 1 }).prepare());
    assert.deepEqual(
      server.notes.map(({ path }) => path),
      ['/_ilm/status'],
    );
    await client.close();
  });

  it('reports a batch that is too large as its own error', async () => {
    await using server = await startNotes(() => ({ status: 413, body: {} }));
    const client = connectElastic({ url: server.url, timeoutMs });
    const store = createAuditIndex(client, { prefix: 'x', retentionDays: 1 }).store([auditEvent()]);
    await assert.rejects(store, (err) => isTooLarge(err));
    assert.equal(isTooLarge(new Error('other')), false);
    await client.close();
  });
});

describe('auditTemplate()', () => {
  it('names no lifecycle policy where there is none, because the server would reject the template', () => {
    assert.equal('lifecycle' in auditTemplate('x', undefined).template.settings.index, false);
  });
});
