import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { EcsFlat } from '@elastic/ecs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { auditTemplate } from '../../adapters/elastic/template.ts';
import { type AuditEvent, auditActions } from '../../domain/audit.ts';
import { type AppendOptions, auditKeysFrom, createRecorder } from '../../platform/audit.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createEvents } from '../../platform/events/events.ts';
import { traces } from '../../platform/log.ts';
import {
  calls,
  code,
  providerId,
  registrationId,
  sessionId,
  to,
  trace,
  userId,
  username,
} from '../support/event-calls.ts';
import { linesOf } from '../support/node-process.ts';

function recorded() {
  const written: string[] = [];
  const appended: { event: AuditEvent; options: AppendOptions }[] = [];
  const options = { base: null, formatters: { level: (level: string) => ({ level }) } };
  const log = pino(options, { write: (line: string) => void written.push(line) });
  const registry = new Registry();
  const key = new Secret(randomBytes(32).toString('base64'));
  const service = { role: 'api', version: '0.0.0', environment: 'development' } as const;
  const record = createRecorder(
    service,
    auditKeysFrom(key),
    (event, how) => void appended.push({ event, options: how }),
  );
  const events = createEvents(log, registry, record);
  const audited = () => appended.map(({ event }) => event);
  return { events, registry, appended, audited, lines: () => linesOf(written.join('')) };
}

const limited = { code: 'rate-limited', limit: 'code-resend', retryAfterSeconds: 9 };
const answers = [
  { status: 200, method: 'PUT', action: 'api-request', outcome: 'success' },
  { status: 400, method: 'GET', action: 'request-error', outcome: 'failure' },
  { status: 401, method: 'GET', action: 'access-denied', outcome: 'failure' },
  { status: 403, method: 'PUT', action: 'access-denied', outcome: 'failure' },
  { status: 429, method: 'POST', action: 'rate-limited', outcome: 'failure', refusal: limited },
  { status: 503, method: 'POST', action: 'request-error', outcome: 'failure' },
] as const;

describe('createEvents()', () => {
  it('logs each event by name, with ids, states and reasons and no other field', () => {
    for (const [name, { run, logs }] of Object.entries(calls)) {
      const { events, lines } = recorded();
      run(events);
      const [line] = lines();
      assert.equal(lines().length, logs === undefined ? 0 : 1, name);
      if (line === undefined || logs === undefined) continue;
      const { event, level, time: _time, ...fields } = line;
      assert.deepEqual({ event, level, fields: Object.keys(fields) }, logs, name);
    }
  });

  it('counts each event with bounded labels: no id is ever in a metric', async () => {
    const { events, registry } = recorded();
    for (const { run } of Object.values(calls)) run(events);
    events.requestEnded({ method: 'POST', route: '/x', status: 429, seconds: 0.1, refusal: limited });
    const text = await registry.metrics();
    for (const id of [registrationId, sessionId, userId, providerId, to]) assert.equal(text.includes(id), false, id);
    for (const sample of [
      'vyry_registrations_total{state="started"} 1',
      'vyry_registrations_total{state="rejected"} 1',
      'vyry_registration_steps_total{step="captcha",outcome="done"} 1',
      'vyry_registration_steps_total{step="directory",outcome="refused"} 1',
      'vyry_codes_sent_total{channel="sms",provider="twilio",country="GB",outcome="sent"} 1',
      'vyry_codes_sent_total{channel="sms",provider="twilio",country="GB",outcome="refused"} 1',
      'vyry_delivery_reports_total{channel="sms",provider="twilio",country="GB",outcome="undelivered"} 1',
      'vyry_delivery_reports_total{channel="none",provider="infobip",country="none",outcome="refused"} 1',
      'vyry_codes_checked_total{outcome="wrong"} 1',
      'vyry_notifications_total{kind="welcome",provider="smtp",outcome="sent"} 1',
      'vyry_sessions_total 1',
      'vyry_limits_hit_total{limit="code-resend"} 1',
      'vyry_wake_ups_total{provider="apns",outcome="refused"} 1',
      'vyry_dependency_outages_total{dependency="sms"} 1',
      'vyry_payloads_decoded_total 3',
      'vyry_operator_logins_total{outcome="refused"} 1',
      'vyry_activity_duration_seconds_count{activity="sendCode",outcome="unavailable"} 1',
      'vyry_code_send_duration_seconds_count{channel="sms",provider="twilio",outcome="sent"} 1',
      'vyry_codec_request_duration_seconds_count{path="/decode",status="200"} 1',
      'vyry_audit_dropped_total 2',
      'vyry_messages_sent_total{type="message",outcome="stored"} 1',
      'vyry_messages_refused_total{reason="messages-per-pair"} 25',
      'vyry_messages_delivered_total{how="backlog"} 64',
      'vyry_message_delivery_lag_seconds_bucket{le="0.0025"} 1',
      'vyry_inbox_gap_messages_total{reason="expired"} 3',
      'vyry_conversations_changed_total{state="blocked"} 1',
      'vyry_sockets_open 0',
      'vyry_sockets_refused_total{reason="origin"} 3',
      'vyry_http_request_duration_seconds_count{method="GET",route="/health",status="200"} 1',
    ]) {
      assert.ok(text.includes(`${sample}\n`), sample);
    }
  });

  it('logs durations in milliseconds', () => {
    const { events, lines } = recorded();
    calls.requestEnded.run(events);
    assert.equal(lines()[0]?.durationMs, 12);
  });

  it('writes each event to the audit log by its action, with the request it belongs to', () => {
    for (const [name, { run, audits, isDetached }] of Object.entries(calls)) {
      const { events, audited } = recorded();
      traces.run({ ...trace, userId: 'a-sender' }, () => run(events));
      assert.deepEqual(
        audited().map(({ action }) => action),
        audits === undefined ? [] : [audits],
        name,
      );
      for (const event of audited()) {
        if (isDetached) {
          assert.doesNotMatch(JSON.stringify(event), /a-sender|192\.0\.2\.7|curl|r-1/, name);
          continue;
        }
        assert.equal(event.ip, trace.ip, name);
        assert.equal(event.userAgent, trace.userAgent, name);
        assert.equal(event.trace?.id, '0af7651916cd43dd8448eb211c80319c', name);
        assert.equal(event.http?.request.id, 'r-1', name);
      }
    }
  });

  it('audits only responses that refuse, fail or change something, with the limit that refused them', () => {
    for (const { status, method, action, outcome, ...rest } of answers) {
      const { events, audited } = recorded();
      const refusal = 'refusal' in rest ? rest.refusal : undefined;
      events.requestEnded({ method, route: '/x/:id', status, seconds: 0.25, refusal });
      const [event] = audited();
      assert.deepEqual([event?.action, event?.status, event?.http?.response?.status_code], [action, outcome, status]);
      assert.equal(event?.url?.path, '/x/:id');
      assert.equal(event?.event.duration, 250_000_000);
      assert.equal(event?.rule?.name, refusal?.limit);
      assert.equal(event?.vyry.rate_limit?.retry_after_seconds, refusal?.retryAfterSeconds);
    }
  });

  it('audits of counted requests only wrong credentials and failures', () => {
    for (const [status, actions] of [
      [200, []],
      [429, []],
      [409, []],
      [401, ['access-denied']],
      [503, ['request-error']],
    ] as const) {
      const { events, audited } = recorded();
      events.requestEnded({ method: 'PUT', route: '/x', status, seconds: 0.1, isCounted: true });
      events.socketRequestEnded({ event: 'message:send', status, seconds: 0.1 });
      assert.deepEqual(
        audited().map(({ action }) => action),
        actions.flatMap((action) => [action, action]),
      );
    }
  });

  it('records who blocks whom once it changes, with a pseudonym of the other, and no other change of a conversation', () => {
    const { events, audited } = recorded();
    const change = (state: 'accepted' | 'blocked', was: 'accepted' | 'blocked' | undefined) =>
      events.conversationChanged({ userId, peerId: 'a-peer', state, was });
    change('accepted', undefined);
    change('blocked', 'accepted');
    change('blocked', 'blocked');
    change('accepted', 'blocked');
    assert.deepEqual(
      audited().map(({ action }) => action),
      ['user-block', 'user-unblock'],
    );
    assert.equal(JSON.stringify(audited()).includes('a-peer'), false);
  });

  it('contains no number, address or name in plain text, but the same pseudonym for the same person', () => {
    const { events, audited } = recorded();
    for (const { run } of Object.values(calls)) run(events);
    const text = JSON.stringify(audited());
    for (const clear of [to, to.slice(1), username]) assert.equal(text.includes(clear), false, clear);
    const [first, second] = audited().filter(({ action }) => action === 'message-send');
    assert.match(first?.user?.hash ?? '', /^[0-9a-f]{32}$/);
    assert.equal(first?.user?.hash, second?.user?.hash);
    assert.deepEqual(first?.related?.hash, [first?.user?.hash]);
    const other = recorded();
    other.events.codeSent(code, providerId);
    assert.notEqual(other.audited()[0]?.user?.hash, first?.user?.hash);
  });

  it('uses a stable id for an event that several processes may report, and a unique id for any other', () => {
    const [here, there] = [recorded(), recorded()];
    for (const { run } of Object.values(calls)) {
      run(here.events);
      run(there.events);
    }
    const ids = (scene: typeof here) => scene.appended.map(({ event, options }) => options.isOnce && event.event.id);
    assert.deepEqual(ids(here), ids(there));
    assert.ok(ids(here).filter(Boolean).length >= 8);
    const all = [...here.appended, ...there.appended].filter(({ options }) => !options.isOnce);
    assert.equal(new Set(all.map(({ event }) => event.event.id)).size, all.length);
  });

  it('writes fields and values as ECS 9.4 defines them, the documented top-level fields, and its own under vyry', () => {
    const { events, audited } = recorded();
    traces.run({ ...trace, userId, registrationId }, () => {
      for (const { run } of Object.values(calls)) run(events);
      for (const { status, method } of answers) {
        events.requestEnded({ method, route: '/x', status, seconds: 0.1, refusal: limited });
      }
    });
    const contract = ['timestamp', 'level', 'action', 'userId', 'ip', 'userAgent', 'status', 'message', 'metadata'];
    for (const event of audited()) {
      for (const [field, value] of fieldsOf(event)) {
        const [root = ''] = field.split('.');
        if (contract.includes(root) || root === 'vyry' || root === 'labels') continue;
        const known = EcsFlat[field as keyof typeof EcsFlat] as { type: string; normalize: string[] } | undefined;
        assert.ok(known, `${field} is a field of ECS`);
        assert.equal(Array.isArray(value), known.normalize.includes('array'), `${field} is an array`);
        assert.equal(known.type === 'long', typeof value === 'number', `${field} is ${known.type}`);
      }
    }
  });

  it('uses categories and types that ECS allows together, for every action', () => {
    const allowed = EcsFlat['event.category'].allowed_values;
    for (const [action, { category, type }] of Object.entries(auditActions)) {
      const kinds = category.map((name) => allowed.find((value) => value.name === name));
      for (const kind of kinds) assert.ok(kind, `${action}: ${category}`);
      const expected = kinds.flatMap((kind) => (kind?.expected_event_types ?? []) as string[]);
      for (const name of type) assert.ok(expected.includes(name), `${action}: ${name}`);
    }
  });

  it('writes only fields that the index template defines', () => {
    const { events, audited } = recorded();
    traces.run({ ...trace, userId, registrationId }, () => {
      for (const { run } of Object.values(calls)) run(events);
      for (const answer of answers) events.requestEnded({ route: '/x', seconds: 0.1, refusal: limited, ...answer });
    });
    const { properties } = auditTemplate('x', undefined).template.mappings;
    for (const event of audited()) {
      for (const [field] of fieldsOf(event)) {
        const mapped = mappingOf(properties, field.split('.'));
        assert.ok(mapped, `${field} is in the template`);
      }
    }
  });
});

/** Returns every leaf of a document with its dotted name. */
function fieldsOf(value: object, path: string[] = []): [string, unknown][] {
  return Object.entries(value).flatMap(([name, item]) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? fieldsOf(item, [...path, name])
      : item === undefined
        ? []
        : [[[...path, name].join('.'), item] as [string, unknown]],
  );
}

function mappingOf(properties: Record<string, unknown>, [name = '', ...rest]: string[]): { type?: string } | undefined {
  const mapping = properties[name] as { type?: string; properties?: Record<string, unknown> } | undefined;
  if (rest.length === 0 || mapping?.type === 'flattened') return mapping;
  return mapping?.properties && mappingOf(mapping.properties, rest);
}
