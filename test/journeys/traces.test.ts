// @rerun never
/** Traces: one call is one trace in every process, at the collector and in the logs, without personal data. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../engines/ports.ts';
import type { Role } from '../../platform/config/roles.ts';
import { connectAuth } from '../support/auth-client.ts';
import { call, startRegistration } from '../support/client.ts';
import { type ReceivedSpan, startCollector } from '../support/collector.ts';
import { search } from '../support/footprint.ts';
import { createJourney, personOf } from '../support/journey.ts';
import { linesOf } from '../support/node-process.ts';
import { registrationAtCode, startAnotherApi } from '../support/registrations.ts';
import { connectSignal, numbers } from '../support/signal-client.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const person = personOf(61);
const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const kinds = { internal: 1, server: 2, client: 3 };

const collector = await startCollector();
const { system } = await withSystem({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-token=canary%2Ctoken',
});
after(() => collector[Symbol.asyncDispose]());
const journey = createJourney(system.ready, person);

describe('A traced system', () => {
  before(async () => {
    await journey.walk('start');
    const headers = { traceparent: `00-${caller.traceId}-${caller.spanId}-01`, 'X-Request-Id': 'traced-request' };
    const { username, password } = person;
    // the first step starts the workflow, whose run is in the trace of that step
    await journey.registration?.call('PUT', '/directory', { username, password: 'not-this-one' });
    const answer = await journey.registration?.call('PUT', '/directory', { username, password }, headers);
    assert.equal(answer?.status, 200);
    journey.skip(answer);
    await journey.walk('session');
    await until(async () => collector.spans.some(({ name }) => name === 'RunWorkflow:registration'));
    await until(async () => spansOf(caller.traceId).length >= 4);
  });

  const spansOf = (traceId: string) => collector.spans.filter((span) => span.traceId === traceId);
  const linesOfRole = (role: Role) => linesOf(readFileSync(system.processes.logFile(role), 'utf8'));

  it('shows a call from the request through client and workflow to the activities, each below its cause', () => {
    const spans = spansOf(caller.traceId);
    const names = spans.map(({ service, name }) => `${service} ${name}`).toSorted();
    assert.deepEqual(names, [
      'vyry-api PUT /api/v1/registrations/:registrationId/directory',
      'vyry-api UpdateWorkflow:authenticate',
      'vyry-directory RunActivity:authenticate',
      'vyry-registration HandleUpdate:authenticate',
    ]);
    const [request, client, activity, handler] = names.map((name) => named(spans, name));
    assert.equal(request?.parentSpanId, caller.spanId);
    assert.equal(client?.parentSpanId, request?.spanId);
    assert.equal(handler?.parentSpanId, client?.spanId);
    assert.equal(activity?.parentSpanId, handler?.spanId);
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
    assert.deepEqual([request?.kind, client?.kind, handler?.kind], [kinds.server, kinds.client, kinds.internal]);
  });

  it('has the attributes of the OpenTelemetry conventions on a request, with its route', () => {
    const request = spansOf(caller.traceId).find(({ kind }) => kind === kinds.server);
    assert.deepEqual(request?.attributes, {
      'http.request.method': 'PUT',
      'http.response.status_code': 200,
      'http.route': '/api/v1/registrations/:registrationId/directory',
    });
    assert.equal(request?.isError, false);
  });

  it('has all spans within the time of the request', () => {
    const spans = spansOf(caller.traceId);
    const request = spans.find(({ kind }) => kind === kinds.server);
    for (const { name, beganAt, endedAt } of spans) {
      assert.ok(endedAt >= beganAt, name);
      // a span starts after its cause, and the response waits for its end; process clocks differ by milliseconds
      assert.ok(beganAt > (request?.beganAt ?? 0) - 50 && endedAt < (request?.endedAt ?? 0) + 50, name);
    }
  });

  it('writes the same trace id into the log lines of every process', async () => {
    const lines = linesOfRole('api').filter(({ requestId }) => requestId === 'traced-request');
    assert.ok(lines.length > 0);
    for (const { traceId } of lines) assert.equal(traceId, caller.traceId);
    const sent = linesOfRole('delivery').find(({ event }) => event === 'code.sent');
    assert.ok(linesOfRole('api').some((line) => line.requestId === sent?.requestId && line.traceId === sent?.traceId));
    // each process exports its spans on its own schedule
    await until(async () => named(spansOf(String(sent?.traceId)), 'vyry-delivery RunActivity:sendCode') !== undefined);
    const { requestId } = linesOfRole('registration').find(({ event }) => event === 'registration.completed') ?? {};
    const started = linesOfRole('api').find((line) => line.requestId === requestId);
    const run = collector.spans.find(({ name }) => name === 'RunWorkflow:registration');
    assert.equal(run?.traceId, started?.traceId);
  });

  it('shows the run of a workflow in the trace of the first step, with its last activities', async () => {
    const run = collector.spans.find(({ name }) => name === 'RunWorkflow:registration');
    assert.ok(run);
    // each process exports its spans on its own schedule
    for (const activity of ['createAccount', 'closeRegistration', 'sendNotification']) {
      const isBelow = ({ name, parentSpanId }: (typeof collector.spans)[number]) =>
        name === `RunActivity:${activity}` && parentSpanId === run.spanId;
      await until(async () => collector.spans.some(isBelow));
    }
    assert.equal(run.attributes.temporalWorkflowID, `registration:${journey.registration?.id}`);
  });

  it('shows a gRPC call in the trace of its caller, with its calls to Temporal below it', async () => {
    const traceId = '2af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-${caller.spanId}-01` };
    const signal = connectSignal(system.ready.grpcAddress);
    try {
      const { sessionMetadata } = await signal.call('CreateSession', { e164: '447700900063' });
      const sessionId = sessionMetadata?.sessionId ?? Buffer.alloc(0);
      const transport = numbers.MESSAGE_TRANSPORT_SMS;
      await signal.call('SendVerificationCode', { sessionId, transport }, headers);
      await assert.rejects(signal.call('GetSessionMetadata', { sessionId: Buffer.alloc(3) }, headers));
    } finally {
      signal.close();
    }
    const service = 'org.signal.registration.rpc.RegistrationService';
    const find = (name: string) => named(spansOf(traceId), name);
    await until(async () => find('vyry-delivery RunActivity:sendCode') !== undefined);
    await until(async () => find(`vyry-api ${service}/GetSessionMetadata`) !== undefined);
    const request = find(`vyry-api ${service}/SendVerificationCode`);
    assert.equal(request?.parentSpanId, caller.spanId);
    assert.deepEqual(request?.attributes, {
      'rpc.system': 'grpc',
      'rpc.service': service,
      'rpc.method': 'SendVerificationCode',
      'rpc.grpc.status_code': 0,
    });
    const below = spansOf(traceId).filter(({ parentSpanId }) => parentSpanId === request?.spanId);
    assert.deepEqual(
      below.map(({ service: of }) => of),
      ['vyry-api'],
    );
    const refused = find(`vyry-api ${service}/GetSessionMetadata`);
    assert.deepEqual([refused?.attributes['rpc.grpc.status_code'], refused?.isError], [3, false]);
  });

  it('shows a call to the AuthService in the trace of its caller, and the workflow that it starts', async () => {
    const traceId = '3bf7651916cd43dd8448eb211c80319c';
    const auth = await connectAuth(system.ready.grpcAddress);
    try {
      const headers = { traceparent: `00-${traceId}-${caller.spanId}-01` };
      assert.equal((await auth.call('ForgotPassword', { identifier: 'nobody' }, headers)).code, 0);
    } finally {
      auth.close();
    }
    const find = (name: string) => named(spansOf(traceId), name);
    await until(async () => find('vyry-registration RunWorkflow:recovery') !== undefined);
    await until(async () => find('vyry-api vyry.auth.v1.AuthService/ForgotPassword') !== undefined);
    assert.equal(find('vyry-api vyry.auth.v1.AuthService/ForgotPassword')?.parentSpanId, caller.spanId);
  });

  it('exports no trace that its caller does not want recorded', async () => {
    const unwanted = '1bf7651916cd43dd8448eb211c80319c';
    const registration = await startRegistration(
      system.ready.apiUrl,
      {},
      { traceparent: `00-${unwanted}-${caller.spanId}-00` },
    );
    const { username, password } = personOf(62);
    await registration.call(
      'PUT',
      '/directory',
      { username, password },
      { traceparent: `00-${unwanted}-${caller.spanId}-00` },
    );
    const later = await startRegistration(
      system.ready.apiUrl,
      {},
      { traceparent: `00-${'2'.repeat(32)}-${caller.spanId}-01` },
    );
    assert.ok(later.id);
    await until(async () => spansOf('2'.repeat(32)).length >= 1);
    assert.ok(linesOfRole('api').some(({ traceId }) => traceId === unwanted));
    assert.deepEqual(spansOf(unwanted), []);
  });

  it('contains no personal data, no secret and no text of a caller', async () => {
    const { apiUrl } = system.ready;
    await call(apiUrl, 'GET', '/canary-path?canary=query', { headers: { 'User-Agent': 'canary-agent' } });
    await until(async () => collector.spans.some(({ attributes }) => attributes['http.response.status_code'] === 404));
    const bytes = { spans: collector.requests.map(({ body }) => body).join('\n') };
    const answers = ['start', 'session'] as const;
    const tokens = answers.flatMap((act) => Object.values(journey.answerOf(act).body as Record<string, unknown>));
    const secrets = tokens.filter(
      (value) => typeof value === 'string' && value.length > 20 && value !== journey.registration?.id,
    );
    assert.ok(secrets.includes(journey.registration?.token));
    const outbox = (await call(system.ready.outboxUrl, 'GET', '/messages')).body as { to: string; code: string }[];
    const code = outbox.find(({ to }) => to === person.phone)?.code ?? '';
    assert.match(code, /^\d{6}$/);
    const canaries = [...Object.values(person), ...secrets, code, 'canary', 'traced-request', '127.0.0.1'] as string[];
    for (const canary of canaries) assert.deepEqual(search(bytes, canary), [], canary);
    assert.deepEqual(search(bytes, `registration:${journey.registration?.id}`), ['spans']);
  });

  it('sends the configured headers of the collector', () => {
    for (const { path, headers } of collector.requests) {
      assert.equal(path, '/v1/traces');
      assert.equal(headers['x-collector-token'], 'canary,token');
    }
  });

  it('exports its pending spans when it stops', async () => {
    const traceId = '3'.repeat(32);
    const registration = await registrationAtCode(system.ready.apiUrl, 63);
    const traceparent = `00-${traceId}-${caller.spanId}-01`;
    await registration.call('POST', '/codes', { channel: 'sms' }, { traceparent });
    await until(async () => linesOfRole('delivery').some((line) => line.traceId === traceId));
    await system.kill('delivery', 'SIGTERM');
    assert.ok(named(spansOf(traceId), 'vyry-delivery RunActivity:sendCode'));
    await system.restart('delivery');
  });

  it('responds while the collector does not', async () => {
    const held: unknown[] = [];
    const silent = createServer((_req, res) => void held.push(res));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const other = await startAnotherApi(system, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    await startRegistration(other.apiUrl);
    await until(() => held.length > 0);
    await startRegistration(other.apiUrl);
    silent.closeAllConnections();
    silent.close();
    await other.stop();
  });

  it('works while the collector is unavailable, and warns once', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const other = await startAnotherApi(system, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    for (let index = 0; index < 5; index++) await startRegistration(other.apiUrl);
    const warnings = () =>
      linesOf(readFileSync(other.logFile('api'), 'utf8')).filter(({ event }) => event === 'collector.away');
    await until(async () => warnings().length > 0);
    // one more batch, which the shutdown tries to export
    await startRegistration(other.apiUrl);
    await other.stop();
    assert.equal(warnings().length, 1);
    assert.match(String(warnings()[0]?.reason), /ECONNREFUSED/);
  });
});

function named(spans: ReceivedSpan[], name: string): ReceivedSpan | undefined {
  return spans.find((span) => `${span.service} ${span.name}` === name);
}
