// @rerun never
/**
 * Logs, operators and operations under abuse: the cases N of the abuse catalogue that apply to this version. N3 is in
 * test/journeys/secrets.test.ts, N7 in test/platform/config.test.ts, N12 in test/journeys/audit.test.ts and N16
 * (erasure) in test/journeys/deletion.test.ts. N14 (webhooks) comes with its capability.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { AuditEvent } from '../../domain/audit.ts';
import { auditKeysFrom, createRecorder } from '../../platform/audit.ts';
import { Secret } from '../../platform/config/secret.ts';
import { openAuditLog } from '../support/audit-log.ts';
import { type Answer, call, startRegistration } from '../support/client.ts';
import { linesOf } from '../support/node-process.ts';
import { signedIn } from '../support/people.ts';
import {
  allMessages,
  completedRegistration,
  must,
  phoneOf,
  registrationWithCode,
  startAnotherApi,
} from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind: stores, url, api } = await withSystem({ OTP_RESEND_WAITS: '1' }, { elasticsearch: true });
const { elastic, prefix, shipped, eventsOf } = openAuditLog(system, stores);

/** Waits until the audit stream is empty, and returns the audit events that a query finds. */
async function audited(query: string): Promise<(AuditEvent & { stranger?: unknown })[]> {
  await shipped();
  return eventsOf(query);
}

const logOf = (role: 'api' | 'directory') => readFileSync(system.processes.logFile(role), 'utf8');

describe('N1: line breaks, JSON, escape sequences and direction marks in user input', () => {
  const forged = 'x\r\n{"level":"info","event":"session.created","msg":"admin login ok"}\u001b[2J\u202e\u200b\u0000';

  it('create no line of their own in a log, and leave no control characters in audit events', async () => {
    // an HTTP header cannot contain a line break, so this header has the escaped form
    const agent = 'x\\r\\n{"level":"info","event":"session.created"}';
    const headers = { 'User-Agent': agent, 'X-Request-Id': 'n1' };
    const registration = await startRegistration(url, { fullName: 'Ada' }, headers);
    const username = forged.replaceAll('\u0000', '');
    const refused = await registration.call('PUT', '/directory', { username, password: 'wrong-password-1' });
    assert.ok([400, 401].includes(refused.status), String(refused.status));
    assert.equal((await api.createRegistration({ body: { fullName: forged } })).status, 400);
    for (const role of ['api', 'directory'] as const) {
      const text = logOf(role);
      for (const mark of ['\u001b', '\u202e', '\u200b']) assert.equal(text.includes(mark), false, role);
      for (const line of linesOf(text)) assert.notEqual(line.event, 'session.created');
    }
    const events = await audited('http.request.id:n1');
    assert.ok(events.length > 0);
    for (const event of events) assert.equal(event.userAgent, agent);
    assert.equal(/\\u001b|\u202e|\u200b/.test(JSON.stringify(await audited('*'))), false);
  });

  it('are replaced when an event is created, and long texts are truncated', () => {
    const made: { message: string; metadata: Record<string, unknown> }[] = [];
    const service = { role: 'api', version: '0', environment: 'development' } as const;
    const record = createRecorder(service, auditKeysFrom(new Secret(Buffer.alloc(32, 3).toString('base64'))), (event) =>
      made.push(event),
    );
    record('login', { status: 'failure', message: `${forged}${'a'.repeat(10_000)}`, metadata: { note: forged } });
    const [event] = made;
    assert.equal(event?.message.length, 512);
    for (const text of [event?.message, String(event?.metadata.note)])
      assert.doesNotMatch(text ?? '', /[\p{Cc}\p{Cf}]/u);
  });
});

describe('N2: free metadata', () => {
  it('adds no field to the index, whatever its keys, and loses no event', async () => {
    const made: Record<string, unknown>[] = [];
    const service = { role: 'api', version: '0', environment: 'development' } as const;
    const record = createRecorder(service, auditKeysFrom(new Secret(system.secrets.AUDIT_KEY)), (event) =>
      made.push({ ...event }),
    );
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`key-${at}`, at]));
    record('login', { status: 'success', message: 'many fields', metadata: many });
    assert.equal(Object.keys(made[0]?.metadata as object).length, 20);
    const fields = async () =>
      JSON.stringify(Object.values(await elastic.indices.getMapping({ index: `${prefix}-*` }))[0]);
    await audited('*');
    const before = await fields();
    // an object where a number was, and an unknown field
    const odd = {
      ...made[0],
      event: { ...(made[0]?.event as object), id: 'n2' },
      metadata: { 'key-1': { a: 1 } },
      stranger: 1,
    };
    await stores.redis.xadd('audit', '*', 'event', JSON.stringify(odd), 'sequence', '0', 'chain', '');
    const [stored] = await audited('event.id:n2');
    assert.deepEqual([stored?.stranger, stored?.metadata], [1, { 'key-1': { a: 1 } }]);
    assert.equal(await fields(), before);
  });
});

describe('N5: a script in a name or a User-Agent', () => {
  it('is plain text wherever operators see it, and no page of the api would run it', async () => {
    const script = '<script>alert(1)</script>';
    const named = await call(url, 'POST', '/api/v1/registrations', { body: { fullName: script } });
    assert.deepEqual([named.status, named.body.details[0].path], [400, 'fullName']);
    const registration = await startRegistration(url, { email: 'n5@example.net' }, { 'User-Agent': script });
    const [event] = await audited(`vyry.registration.id:${registration.id}`);
    assert.equal(event?.userAgent, script);
    for (const path of ['/docs', '/openapi.json', '/health']) {
      const { headers } = await fetch(`${url}${path}`);
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'/, path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    }
    const outbox = await (await fetch(system.ready.outboxUrl)).text();
    assert.equal(outbox.includes(script), false);
  });
});

describe('N6: internal data', () => {
  it('is not exposed, and the metrics name no version, host or user', async () => {
    const paths = [
      '/.env',
      '/.git/config',
      '/debug',
      '/debug/pprof',
      '/package.json',
      '/api/v1/admin',
      '/docs/assets/',
      '/docs/assets/swagger-ui-bundle.js.map',
      '/docs/assets/package.json',
      '/docs/assets/../package.json',
      '/docs/assets/%2e%2e/package.json',
      '/server-status',
      '/actuator/env',
    ];
    for (const path of paths) {
      const answer = await call(url, 'GET', path);
      assert.deepEqual([answer.status, answer.body.error_code], [404, 'NOT_FOUND'], path);
      assert.deepEqual(Object.keys(answer.body).sort(), ['error', 'error_code', 'request_id'], path);
    }
    const registration = await completedRegistration(system, 720);
    const { body: session } = await must(registration.call('POST', '/session'), 201);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    for (const leak of [
      registration.id,
      session.user.userId,
      phoneOf(720),
      process.version,
      system.ready.redisUrl,
      '127.0.0.1',
    ]) {
      assert.equal(metrics.includes(leak), false, leak);
    }
    const { headers } = await fetch(`${url}/health`);
    for (const name of ['server', 'x-powered-by', 'via']) assert.equal(headers.get(name), null, name);
  });
});

describe('N8: test aids', () => {
  it('are not part of the product: no route, no header and no fixed code bypasses a step', async () => {
    const { registration, code } = await registrationWithCode(system, 721);
    for (const path of [
      '/outbox',
      '/messages',
      '/faults',
      '/api/v1/outbox',
      '/api/v1/test/clock',
      '/api/v1/dev/codes',
    ]) {
      assert.equal((await call(url, 'GET', path)).status, 404, path);
      assert.equal((await call(url, 'PUT', path, { body: {} })).status, 404, path);
    }
    for (const fixed of ['000000', '123456', '111111'].filter((text) => text !== code)) {
      const { body } = await registration.call(
        'PUT',
        '/code',
        { code: fixed },
        { 'X-Test': 'true', 'X-Fixed-Code': fixed },
      );
      assert.equal(body.error_code, 'INVALID_OTP');
    }
    const skipped = await call(url, 'POST', '/api/v1/registrations', { body: { steps: ['credentials'] } });
    assert.equal(skipped.status, 400);
  });
});

describe('N9: an operator', () => {
  it('finds no code and no credential through the codec, and has no route to mark a step as done', async () => {
    const { registration, code } = await registrationWithCode(system, 722);
    const { events = [] } = await stores.temporal.workflow.getHandle(`registration:${registration.id}`).fetchHistory();
    const payloads = JSON.stringify(events ?? []);
    const decoded: string[] = [];
    for (const [, data] of payloads.matchAll(/"data":"([A-Za-z0-9+/=]+)"/g))
      decoded.push(Buffer.from(data ?? '', 'base64').toString());
    assert.equal(
      [payloads, ...decoded].some((text) => text.includes(code)),
      false,
    );
    for (const path of ['/code/verify', '/steps/code', '/state']) {
      assert.equal((await registration.call('PUT', path, { state: 'completed' })).status, 404, path);
    }
    const { body } = await registration.call('GET', '');
    assert.equal(body.steps.find(({ name }: { name: string }) => name === 'code').status, 'open');
  });
});

describe('N19: an unavailable Redis', () => {
  it('fails every limited operation closed: nothing is checked, sent or opened', async () => {
    const { registration, code } = await registrationWithCode(system, 723);
    const session = await signedIn(system, 724);
    const before = (await allMessages(system.ready.outboxUrl)).length;
    const cut = await startAnotherApi(system, { REDIS_URL: 'redis://127.0.0.1:1' });
    const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
      call(cut.apiUrl, method, `/api/v1/registrations/${registration.id}${path}`, {
        token: registration.token,
        ...(body !== undefined && { body }),
      });
    const answers = await Promise.all([
      ask('PUT', '/code', { code }),
      ask('POST', '/codes', { channel: 'sms' }),
      ask('PUT', '/credentials', { password: 'plum-otter-cello-73' }),
      ask('PUT', '/directory', { username: 'person723', password: 'person-723' }),
      api.readSession({ at: cut.apiUrl, token: session.accessToken }),
    ]);
    for (const { status, body } of answers) {
      assert.deepEqual([status, body.error_code], [503, 'UNAVAILABLE']);
      assert.ok(body.retry_after_seconds > 0);
    }
    assert.equal((await allMessages(system.ready.outboxUrl)).length, before);
    // the same code works on an api with Redis
    await must(registration.call('PUT', '/code', { code }));
  });
});
