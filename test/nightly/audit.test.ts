/**
 * The audit log under load: every event is in Elasticsearch once, although Elasticsearch is frozen and killed, and the
 * process that ships the events is killed too. `VYRY_TEST_OUTAGE_SECONDS` sets how long Elasticsearch is frozen.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAuditHead } from '../../adapters/redis/audit-stream.ts';
import { metricOf, openAuditLog } from '../support/audit-log.ts';
import { call } from '../support/client.ts';
import { completedRegistration } from '../support/registrations.ts';
import { startWholeTestSystem } from '../support/system.ts';
import { withSystem } from '../support/with-system.ts';

const outageMs = Number(process.env.VYRY_TEST_OUTAGE_SECONDS || 12) * 1000;

const { system, behind: stores } = await withSystem(
  { OTP_RESEND_WAITS: '1' },
  { start: startWholeTestSystem, elasticsearch: true },
);
const { shipped, countOf, checkAll } = openAuditLog(system, stores);
const metric = (name: string) => metricOf(system.ready.apiUrl, name);

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
    const stored = await countOf('userAgent:load');
    t.diagnostic(`${answered} requests answered, ${stored} events stored; ${depth} waited after ${outageMs / 1000} s`);
    assert.equal(stored, answered);
    const { sequence } = await readAuditHead(stores.redis);
    const { events, dropped, faults } = await checkAll();
    assert.deepEqual({ dropped, faults }, { dropped: 0, faults: [] });
    assert.ok(events >= sequence, 'as many events as were written');
    assert.equal((await call(system.ready.apiUrl, 'GET', '/health/ready')).body.status, 'ready');
  });
});
