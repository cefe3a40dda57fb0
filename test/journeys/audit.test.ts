// @rerun never
/**
 * The audit log from end to end: the actions of users and strangers are in Elasticsearch once, even if the process that
 * ships them is killed. An Elasticsearch that is frozen and killed under load is in test/nightly/audit.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAuditIndex } from '../../adapters/elastic/audit-index.ts';
import { auditKeys } from '../../adapters/redis/audit.ts';
import { keys } from '../../adapters/redis/keys.ts';
import { auditIndexOf } from '../../domain/audit.ts';
import { metricOf, openAuditLog } from '../support/audit-log.ts';
import { call, startRegistration } from '../support/client.ts';
import { completedRegistration, goodPassword, must, phoneOf } from '../support/registrations.ts';
import { eventually, until } from '../support/until.ts';
import { vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const { system, behind: stores, api } = await withSystem({}, { elasticsearch: true });
const { elastic, prefix, shipped, eventsOf, countOf, checkAll } = openAuditLog(system, stores);
const metric = (name: string) => metricOf(system.ready.apiUrl, name);

/** Waits until the check of the audit log finds exactly these faults: an event in transit is missing for a moment. */
async function assertFaults(faults: Awaited<ReturnType<typeof checkAll>>['faults']): Promise<void> {
  await eventually(async () => {
    await shipped();
    const found = (await checkAll()).faults.map((fault) => {
      const { after: _after, before: _before, ...rest } = { after: '', before: '', ...fault };
      return rest;
    });
    assert.deepEqual(found, faults);
    return true;
  });
}

describe('A registration', () => {
  it('is in the audit log step by step, with user, source, time and reason, and without a number or a name', async () => {
    const headers = { traceparent, 'User-Agent': 'journey/1' };
    const registration = await completedRegistration(system, 700);
    await must(registration.call('POST', '/session', undefined, headers), 201);
    // an event is written after its response
    const session = await eventually(async () => {
      await shipped();
      return (await eventsOf('trace.id:0af7651916cd43dd8448eb211c80319c AND event.action:session-start'))[0];
    });
    const business = await eventually(async () => {
      await shipped();
      const all = (await eventsOf(`vyry.registration.id:${registration.id}`))
        .filter(({ event }) => !event.category.includes('web'))
        .map(({ action, status }) => `${action} ${status}`);
      for (const expected of [
        'registration-start success',
        'ldap-login success',
        'registration-step success',
        'otp-request success',
        'message-send success',
        'otp-verify success',
        'user-register success',
      ]) {
        assert.ok(all.includes(expected), `${expected} of ${all.join(', ')}`);
      }
      return all;
    });
    assert.equal(business.filter((text) => text === 'user-register success').length, 1);
    const events = await eventsOf(`vyry.registration.id:${registration.id}`);
    const text = JSON.stringify(events);
    for (const clear of [phoneOf(700), phoneOf(700).slice(1), 'person700', goodPassword]) {
      assert.equal(text.includes(clear), false, clear);
    }
    // an activity has the source of the request that caused it
    const [sent] = events.filter(({ action }) => action === 'message-send');
    assert.equal(sent?.ip, '127.0.0.1');
    assert.equal(sent?.vyry.messaging?.provider, 'twilio');
    assert.equal(sent?.vyry.messaging?.country, 'GB');
    // one search finds what one person did, by whichever name
    const registered = events.find(({ action }) => action === 'user-register');
    const requested = events.find(({ action }) => action === 'otp-request');
    assert.deepEqual([requested?.user?.hash, requested?.vyry.messaging?.country], [sent?.user?.hash, 'GB']);
    assert.ok(registered?.related?.user?.includes(sent?.user?.hash ?? 'none'));
    assert.ok(registered?.related?.user?.includes(session?.userId ?? 'none'));
    assert.equal(session?.userAgent, 'journey/1');
    assert.ok(session?.userId);
  });
});

describe('R4: a refusal', () => {
  it('leaves one event with user, action, source, time and reason', async () => {
    const registration = await startRegistration(system.ready.apiUrl);
    const id = `refused-${Date.now()}`;
    const headers = { 'X-Request-Id': id };
    const cases = [
      {
        request: () => registration.call('PUT', '/code', { code: '123456' }, { 'X-Request-Id': `${id}-1` }),
        status: 409,
      },
      { request: () => api.readMe({ headers, token: 'x' }), status: 401 },
      {
        request: () =>
          call(system.ready.apiUrl, 'POST', '/api/v1/registrations', {
            body: { phone: { $gt: '' } },
            headers: { 'X-Request-Id': `${id}-3` },
          }),
        status: 400,
      },
    ];
    for (const { request, status } of cases) await must(request(), status);
    // an event is written after its response: this waits for each, and the assertions below find duplicates
    await until(async () => {
      await shipped();
      const written = new Set((await eventsOf(`http.request.id:${id}*`)).map(({ http }) => http?.request?.id));
      return written.size === cases.length;
    });
    const [wrongOrder] = await eventsOf(`http.request.id:"${id}-1" AND url.path:*`);
    assert.equal(wrongOrder?.error?.code, 'code-not-sent');
    assert.equal(wrongOrder?.vyry.registration?.id, registration.id);
    const denied = await eventsOf(`http.request.id:"${id}"`);
    assert.deepEqual(
      denied.map(({ action, event, ip }) => [action, event.reason, ip]),
      [['access-denied', 'token-invalid', '127.0.0.1']],
    );
    assert.equal((await eventsOf(`http.request.id:"${id}-3"`)).length, 1);
  });
});

describe('The process that ships audit events', () => {
  it('is killed and restarted: every event is stored once, and none is lost', async () => {
    const leaveEvents = async (count: number) => {
      for (let left = count; left > 0; left--) {
        await fetch(`${system.ready.apiUrl}/api/v1/nowhere`, { headers: { 'User-Agent': 'load' } });
      }
    };
    await leaveEvents(20);
    const underWay = leaveEvents(20);
    await system.kill('audit');
    await underWay;
    await leaveEvents(20);
    await system.restart('audit');
    await until(async () => {
      await shipped();
      return (await countOf('userAgent:load')) >= 60;
    });
    assert.equal(await countOf('userAgent:load'), 60);
    await assertFaults([]);
    assert.equal((await checkAll()).dropped, 0);
  });
});

describe('Elasticsearch', () => {
  it('that rejects an event permanently gets the others, and the event becomes a dead letter with the reason', async () => {
    // an invalid date: no current code writes one, but an event of a later version may be rejected too
    const poison = { event: { id: 'poison' }, timestamp: '2026-11-22T99:99', action: 'login', vyry: {} };
    const chain = ['sequence', '0', 'chain', ''];
    await stores.redis.xadd(auditKeys.stream, '*', 'event', JSON.stringify(poison), ...chain);
    await stores.redis.xadd(auditKeys.stream, '*', 'event', 'no event at all', ...chain);
    await stores.redis.xadd(auditKeys.stream, '*', 'nothing', '');
    await call(system.ready.apiUrl, 'GET', '/api/v1/nowhere', { headers: { 'User-Agent': 'after-poison' } });
    await until(async () => {
      await shipped();
      return (await eventsOf('userAgent:after-poison')).length === 1;
    });
    const kept = await stores.redis.xrange(auditKeys.deadLetters, '-', '+');
    const reasons = kept.map(([, fields]) => fields[fields.indexOf('reason') + 1]);
    assert.deepEqual(reasons.sort(), ['400 document_parsing_exception', 'not an audit event', 'not an audit event']);
    // the metric may be 10 s old
    await until(async () => (await metric('vyry_audit_dead_letter_entries')) === 3);
  });

  it('N12: from which an event was deleted or changed: the check of the audit log reports the event', async () => {
    const [victim] = await eventsOf('event.action:session-start');
    assert.ok(victim);
    const { sequence = 0 } = victim.vyry.audit ?? {};
    const index = `${prefix}-${victim.timestamp.slice(0, 10).replaceAll('-', '.')}`;
    const id = victim.event.id;
    await elastic.index({ index, id, document: { ...victim, status: 'failure' }, refresh: true });
    await assertFaults([{ fault: 'changed', id, sequence }]);
    const vyry = vyryFor(system);
    const told = await vyry(['audit', 'verify']);
    assert.deepEqual([told.code, told.stdout.split('\n')[0]], [1, `changed: event ${id}`]);
    await elastic.delete({ index, id, refresh: true });
    await assertFaults([{ fault: 'missing', from: sequence, to: sequence }]);
    await createAuditIndex(elastic, { prefix, retentionDays: 90 }).store([victim]);
    await elastic.indices.refresh({ index });
    await assertFaults([]);
    await until(async () =>
      /^\d+ events read, 0 dropped before writing, 0 faults/m.test((await vyry(['audit', 'verify'])).stdout),
    );
  });
});

describe('vyry audit verify', () => {
  it('finds whatever is deleted after a checkpoint, and says how many events are missing', async () => {
    const vyry = vyryFor(system);
    // the role signs a checkpoint when it starts, and every hour
    await system.restart('audit');
    await until(async () => (await stores.redis.llen(auditKeys.checkpoints)) > 0);
    const { stdout } = await vyry(['audit', 'verify', '--json']);
    const { completeFrom } = JSON.parse(stdout) as { completeFrom: number };
    assert.ok(Number.isInteger(completeFrom));
    for (let count = 0; count < 5; count++) await fetch(`${system.ready.apiUrl}/api/v1/nowhere`);
    const after = await eventually(async () => {
      await shipped();
      const events = await eventsOf(`vyry.audit.sequence:>${completeFrom}`);
      return events.length >= 5 ? events : undefined;
    });
    const [first, second] = after.map(({ vyry: { audit } }) => audit?.sequence ?? 0);
    assert.equal(first, completeFrom + 1);
    for (const {
      event,
      timestamp,
      vyry: { audit },
    } of await eventsOf('*:*')) {
      const index = auditIndexOf(prefix, { timestamp });
      if ((audit?.sequence ?? 0) <= (second ?? 0)) await elastic.delete({ index, id: event.id });
    }
    await elastic.indices.refresh({ index: `${prefix}-*` });
    const cut = await vyry(['audit', 'verify']);
    assert.equal(cut.code, 1);
    assert.match(
      cut.stdout,
      new RegExp(`^missing: events ${first} to ${second} were removed, 2 of them, between`, 'm'),
    );
    await elastic.indices.delete({ index: Object.keys(await elastic.indices.get({ index: `${prefix}-*` })) });
    const gone = await vyry(['audit', 'verify']);
    assert.equal(gone.code, 1);
    assert.match(gone.stdout, new RegExp(`^missing: events ${first} to \\d+ were removed`, 'm'));
    await stores.redis.rpush(auditKeys.checkpoints, '1 1 1 forged x');
    assert.match((await vyry(['audit', 'verify'])).stdout, /^unsigned: checkpoint \d+ was not written by Vyry/m);
  });
});

describe('A start of a process', () => {
  it('records which variables changed since the last start of its role, by name', async () => {
    const name = keys.configuration({ role: 'audit' });
    const stored = JSON.parse((await stores.redis.get(name)) ?? '{}') as { variables: Record<string, string> };
    // as if the last start had another value
    stored.variables.AUDIT_RETENTION_DAYS = 'another';
    await stores.redis.set(name, JSON.stringify(stored));
    await system.restart('audit');
    const started = await eventually(async () => {
      await shipped();
      return (await eventsOf('event.action:process-start AND event.reason:configuration-changed')).at(-1);
    });
    assert.match(String(started?.message), /; its configuration changed: AUDIT_RETENTION_DAYS$/);
    assert.match(String(started?.metadata.configuration), /^[0-9a-f]{24}$/);
    assert.equal(started?.service.node.role, 'audit');
  });
});
