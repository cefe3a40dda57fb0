import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createEvents, type Events } from '../../platform/events.ts';
import { linesOf } from '../support/node-process.ts';

const registrationId = 'a11ce0000000000000000000000000ff';
const sessionId = '5e55100000000000000000000000ffff';
const userId = 'b0b00000000000000000000000000fff';
const providerId = 'SM0123456789';

interface Expectation {
  event: string;
  level: string;
  /** Every field of the line beside event, level and time. */
  fields: string[];
}

type Calls = { [K in keyof Events]: { run: (events: Events) => void; logs?: Expectation } };

/** Each event once; a new one does not compile without a row. */
const calls: Calls = {
  registrationStarted: {
    run: (events) => events.registrationStarted(registrationId),
    logs: { event: 'registration.started', level: 'info', fields: ['registrationId'] },
  },
  registrationEnded: {
    run: (events) => events.registrationEnded(registrationId, 'rejected', 'identity-taken'),
    logs: { event: 'registration.rejected', level: 'info', fields: ['registrationId', 'reason'] },
  },
  stepDone: {
    run: (events) => events.stepDone(registrationId, 'captcha'),
    logs: { event: 'registration.step-done', level: 'info', fields: ['registrationId', 'step'] },
  },
  stepRefused: {
    run: (events) => events.stepRefused(registrationId, 'directory', 'password-wrong'),
    logs: { event: 'registration.step-refused', level: 'warn', fields: ['registrationId', 'step', 'reason'] },
  },
  codeSent: {
    run: (events) => events.codeSent(registrationId, 'sms', 1, providerId),
    logs: { event: 'code.sent', level: 'info', fields: ['registrationId', 'channel', 'send', 'providerId'] },
  },
  codeRefused: {
    run: (events) => events.codeRefused(registrationId, 'sms', 1, 'number-not-valid'),
    logs: { event: 'code.refused', level: 'warn', fields: ['registrationId', 'channel', 'send', 'reason'] },
  },
  codeChecked: {
    run: (events) => events.codeChecked(registrationId, 'wrong'),
    logs: { event: 'code.checked', level: 'info', fields: ['registrationId', 'outcome'] },
  },
  dependencyAway: {
    run: (events) => events.dependencyAway('sms', 'twilio 503'),
    logs: { event: 'dependency.away', level: 'warn', fields: ['dependency', 'reason'] },
  },
  limitHit: {
    run: (events) => events.limitHit('directory-tries'),
    logs: { event: 'limit.hit', level: 'warn', fields: ['limit'] },
  },
  sessionCreated: {
    run: (events) => events.sessionCreated(sessionId, userId),
    logs: { event: 'session.created', level: 'info', fields: ['sessionId', 'userId'] },
  },
  requestFailed: {
    run: (events) => events.requestFailed(new Error('A bug')),
    logs: { event: 'request.failed', level: 'error', fields: ['err', 'msg'] },
  },
  dependencyFailed: {
    run: (events) => events.dependencyFailed(new Error('Command timed out')),
    logs: { event: 'dependency.failed', level: 'warn', fields: ['reason'] },
  },
  requestBegun: { run: (events) => events.requestBegun() },
  requestEnded: {
    run: (events) => events.requestEnded({ method: 'GET', route: '/health', status: 200, seconds: 0.0123 }),
    logs: { event: 'request.ended', level: 'info', fields: ['method', 'route', 'status', 'durationMs'] },
  },
};

function recorded() {
  const written: string[] = [];
  const options = { base: null, formatters: { level: (level: string) => ({ level }) } };
  const log = pino(options, { write: (line: string) => void written.push(line) });
  const registry = new Registry();
  return { events: createEvents(log, registry), registry, lines: () => linesOf(written.join('')) };
}

describe('createEvents()', () => {
  it('logs each event by its name, with ids, states and reasons and no other field', () => {
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

  it('counts each event, by bounded labels: no id is ever in a metric', async () => {
    const { events, registry } = recorded();
    for (const { run } of Object.values(calls)) run(events);
    const text = await registry.metrics();
    for (const id of [registrationId, sessionId, userId, providerId]) assert.equal(text.includes(id), false, id);
    for (const sample of [
      'vyry_registrations_total{state="started"} 1',
      'vyry_registrations_total{state="rejected"} 1',
      'vyry_registration_steps_total{step="captcha",outcome="done"} 1',
      'vyry_registration_steps_total{step="directory",outcome="refused"} 1',
      'vyry_codes_sent_total{channel="sms",outcome="sent"} 1',
      'vyry_codes_sent_total{channel="sms",outcome="refused"} 1',
      'vyry_codes_checked_total{outcome="wrong"} 1',
      'vyry_sessions_total 1',
      'vyry_limits_hit_total{limit="directory-tries"} 1',
      'vyry_dependency_outages_total{dependency="sms"} 1',
      'vyry_http_request_duration_seconds_count{method="GET",route="/health",status="200"} 1',
      'vyry_http_requests_in_flight 0',
    ]) {
      assert.ok(text.includes(`${sample}\n`), sample);
    }
  });

  it('logs durations in milliseconds', () => {
    const { events, lines } = recorded();
    calls.requestEnded.run(events);
    assert.equal(lines()[0]?.durationMs, 12);
  });
});
