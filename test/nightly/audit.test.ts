/**
 * The audit log under load: every event is in Elasticsearch once, although Elasticsearch is frozen and killed, and the
 * process that ships the events is killed too. `VYRY_TEST_OUTAGE_SECONDS` sets how long Elasticsearch is frozen.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAuditLog } from '../../adapters/elastic/audit-index.ts';
import { connectElastic, type Elastic } from '../../adapters/elastic/connect.ts';
import { auditKeys } from '../../adapters/redis/audit.ts';
import { readAuditHead } from '../../adapters/redis/audit-stream.ts';
import type { System } from '../../engines/system.ts';
import { auditMacKey, verifyAuditLog } from '../../platform/audit.ts';
import { Secret } from '../../platform/config/secret.ts';
import { call } from '../support/client.ts';
import { completedRegistration } from '../support/registrations.ts';
import { connectStores, type Stores } from '../support/stores.ts';
import { startWholeTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const outageMs = Number(process.env.VYRY_TEST_OUTAGE_SECONDS || 12) * 1000;
const prefix = 'auth-logs';

let system: System;
let stores: Stores;
let elastic: Elastic;

before(async () => {
  system = await startWholeTestSystem({ elasticsearch: true, env: { CAPTCHA_COST: '2', OTP_RESEND_WAITS: '1' } });
  stores = await connectStores(system);
  elastic = connectElastic({ url: system.ready.elasticsearchUrl ?? '' });
});
after(async () => {
  await elastic?.close();
  await stores?.[Symbol.asyncDispose]();
  await system?.stop();
});

const waiting = async () => stores.redis.xlen(auditKeys.stream);

/** Resolves when the audit stream is empty and the stored events are searchable. */
async function shipped(): Promise<void> {
  await until(async () => (await waiting()) === 0);
  await elastic.indices.refresh({ index: `${prefix}-*` });
}

async function checkAll() {
  const macKey = auditMacKey(new Secret(system.secrets.AUDIT_KEY));
  return verifyAuditLog(readAuditLog(elastic, prefix), macKey, await readAuditHead(stores.redis));
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${system.ready.apiUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

describe('Elasticsearch', () => {
  /** Sends requests to an unknown path, which leave one event each. `stop()` returns how many got a response. */
  function startLoad() {
    const load = { answered: 0, isOver: false };
    const ended = Array.from({ length: 4 }, async () => {
      while (!load.isOver) {
        await fetch(`${system.ready.apiUrl}/api/v1/nowhere`, { headers: { 'User-Agent': 'load' } });
        load.answered++;
        await sleep(20);
      }
    });
    return {
      load,
      async stop() {
        load.isOver = true;
        await Promise.all(ended);
        return load.answered;
      },
    };
  }

  it('has every event once and loses none, when it is frozen under load and killed, and the shipping process too', {
    timeout: 2 * outageMs + 180_000,
  }, async (t) => {
    const engine = system.engines?.elasticsearch?.process;
    assert.ok(engine);
    await shipped();
    const load = startLoad();
    process.kill(-engine.pid, 'SIGSTOP');
    await sleep(outageMs);
    const depth = await metric('vyry_audit_stream_entries');
    assert.ok(depth > 100, `the metric reports ${depth} waiting events`);
    assert.ok((await metric('vyry_audit_stream_oldest_seconds')) > outageMs / 2000);
    const ready = await call(system.ready.apiUrl, 'GET', '/health/ready');
    assert.deepEqual([ready.status, ready.body.status], [200, 'degraded']);
    assert.equal(ready.body.dependencies.elasticsearch.status, 'down');
    // registrations still work
    await completedRegistration(system, 701);
    process.kill(-engine.pid, 'SIGCONT');
    await sleep(3000);
    await engine.kill('SIGKILL');
    await sleep(2000);
    await system.kill('audit');
    await engine.start();
    await system.restart('audit');
    const answered = await load.stop();
    await shipped();
    const stored = (await elastic.count({ index: `${prefix}-*`, q: 'userAgent:load' })).count;
    t.diagnostic(`${answered} requests answered, ${stored} events stored; ${depth} waited after ${outageMs / 1000} s`);
    assert.equal(stored, answered);
    const { sequence } = await readAuditHead(stores.redis);
    const { events, dropped, faults } = await checkAll();
    assert.deepEqual({ dropped, faults }, { dropped: 0, faults: [] });
    assert.ok(events >= sequence, 'as many events as were written');
    assert.equal((await call(system.ready.apiUrl, 'GET', '/health/ready')).body.status, 'ready');
  });
});
