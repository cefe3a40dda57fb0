import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { chromium } from 'playwright-core';
import type { z } from 'zod';
import { failures as publicFailures } from '../../contract/failures.ts';
import type { Operation } from '../../contract/operation.ts';
import { type OperationId, operations } from '../../contract/operations.ts';
import { freePort } from '../../engines/ports.ts';
import type { Role } from '../../platform/config/roles.ts';
import { openApiHere } from '../support/api.ts';
import { type Answer, call, startRegistration } from '../support/client.ts';
import { startTestDirectory } from '../support/ldap.ts';
import { registeredPerson } from '../support/people.ts';
import { completedRegistration, goodPassword, must, phoneOf, registrationAtCode } from '../support/registrations.ts';
import { eventually, hangMs } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const routes = Object.values(operations) as Operation[];

const browserOrigin = 'https://app.example.org';

const directory = await startTestDirectory();
const { system, behind, url, outboxUrl, document, api } = await withSystem(
  {
    CORS_ORIGINS: `${browserOrigin},https://other.example.org`,
    TRUST_PROXY: '1',
    LDAP_URL: directory.url,
    LDAP_BASE_DN: directory.baseDn,
    LDAP_BIND_DN: directory.bindDn,
    LDAP_BIND_PASSWORD: directory.bindPassword,
  },
  { elasticsearch: true },
);
after(() => directory[Symbol.asyncDispose]());

interface LogLine {
  event: string;
  requestId?: string;
  traceId?: string;
}

async function linesOf(role: Role): Promise<LogLine[]> {
  const text = await readFile(system.processes.logFile(role), 'utf8');
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []));
}

/** Waits for a log line of a role with these fields, and returns the first. */
function lineOf(role: Role, fits: Partial<LogLine>): Promise<LogLine> {
  const isIt = (line: LogLine) => Object.entries(fits).every(([name, value]) => line[name as keyof LogLine] === value);
  return eventually(async () => (await linesOf(role)).find(isIt));
}

/** The part of a described operation that people read. */
interface Described {
  operationId: OperationId;
  tags: string[];
  summary: string;
  description: string;
  requestBody?: Content;
  responses: Record<string, Content>;
  parameters: { name: string; in: string; example?: unknown }[];
}

interface Content {
  content?: Record<string, { example?: unknown }>;
}

/** The examples of an operation, each with the schema that it must meet. */
function examplesOf(operation: Described): [z.ZodType | null | undefined, unknown][] {
  const { body, answers, query }: Operation = operations[operation.operationId];
  const exampleIn = (described?: Content) => Object.values(described?.content ?? {})[0]?.example;
  return [
    ...(body ? [[body, exampleIn(operation.requestBody)] as const] : []),
    ...Object.entries(answers).flatMap(([status, schema]) =>
      schema === null ? [] : [[schema, exampleIn(operation.responses[status])] as const],
    ),
    ...operation.parameters.flatMap(({ name, in: place, example }) =>
      place === 'query' ? [[query?.shape[name], example] as const] : [],
    ),
  ].map(([schema, example]) => [schema as z.ZodType, example]);
}

/** Repeats a GET request until its response meets the condition. */
function untilAnswered(isEnough: (answer: Answer) => boolean, path: string): Promise<Answer> {
  return eventually(async () => {
    const answer = await call(url, 'GET', path);
    return isEnough(answer) ? answer : undefined;
  });
}

describe('every response', () => {
  it('has the security headers, and none that reveal internals', async () => {
    for (const path of ['/health', '/api/v1/captcha', '/api/v1/users/me', '/docs', '/openapi.json', '/nothing-here']) {
      const { headers } = await fetch(`${url}${path}`);
      assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'/, path);
      assert.match(headers.get('x-frame-options') ?? '', /SAMEORIGIN|DENY/, path);
      assert.match(headers.get('strict-transport-security') ?? '', /max-age=\d{7,}/, path);
      assert.equal(headers.get('referrer-policy'), 'no-referrer', path);
      assert.equal(headers.get('x-powered-by'), null, path);
      assert.equal(headers.get('server'), null, path);
      assert.equal(headers.get('set-cookie'), null, path);
      if (path.startsWith('/api')) assert.equal(headers.get('cache-control'), 'no-store', path);
    }
  });

  it('has the X-Request-Id of the caller if valid, otherwise a new one', async () => {
    for (const id of ['a', 'my-request.1:2_3', 'x'.repeat(128)]) {
      const { headers } = await api.readHealth({ headers: { 'X-Request-Id': id } });
      assert.equal(headers.get('x-request-id'), id);
    }
    const seen = new Set<string | null>();
    for (const id of ['', 'two words', 'x'.repeat(129), 'ü', '{"a":1}', '<script>', 'a,b']) {
      const { headers } = await api.readHealth({ headers: { 'X-Request-Id': id } });
      assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/, id);
      seen.add(headers.get('x-request-id'));
    }
    assert.equal(seen.size, 7);
  });

  it('is a 404 with the standard body for an unknown path', async () => {
    const paths = [
      '/api',
      '/api/v1',
      '/api/v2/captcha',
      '/.env',
      '/.git/config',
      '/debug',
      '/package.json',
      '/api/rest.ts',
    ];
    for (const path of [
      ...paths,
      '/docs/../package.json',
      '/docs/assets/%2e%2e/package.json',
      '/outbox',
      '/HEALTH/x',
    ]) {
      const { status, body, headers } = await call(url, 'GET', path);
      assert.equal(status, 404, path);
      const { request_id, ...rest } = body;
      assert.deepEqual(rest, { error: 'Not found', error_code: 'NOT_FOUND' }, path);
      assert.equal(request_id, headers.get('x-request-id'));
    }
  });
});

describe('traceparent', () => {
  it('connects a request with the log lines of the api and of the workers', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const trace = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, 'X-Request-Id': 'traced-1' };
    const registration = await startRegistration(url);
    await registration.call('PUT', '/directory', { username: 'person080', password: 'wrong' }, trace);
    const inApi = await lineOf('api', { event: 'request.ended', traceId });
    assert.equal(inApi.requestId, 'traced-1');
    const inDirectory = await lineOf('directory', { event: 'registration.step-refused', traceId });
    assert.equal(inDirectory.requestId, 'traced-1');

    const other = '1af7651916cd43dd8448eb211c80319d';
    const toCode = await registrationAtCode(url, 81);
    const sent = { traceparent: `00-${other}-b7ad6b7169203331-01`, 'X-Request-Id': 'traced-2' };
    await must(toCode.call('POST', '/codes', { channel: 'sms' }, sent), 202);
    assert.equal((await lineOf('delivery', { event: 'code.sent', traceId: other })).requestId, 'traced-2');
  });

  it('is replaced when it is invalid', async () => {
    for (const traceparent of ['00-x-y-01', `00-${'0'.repeat(31)}-b7ad6b7169203331-01`, 'x\u0022}', '']) {
      const id = `bad-trace-${Math.random()}`;
      await api.readHealth({ headers: { traceparent, 'X-Request-Id': id } });
      const line = await lineOf('api', { requestId: id });
      assert.match(line.traceId ?? '', /^[0-9a-f]{32}$/, traceparent);
    }
  });

  it('does not let a path or a User-Agent inject log lines', async () => {
    const words = '"}\\r\\n{"event":"forged","level":"info"}';
    const path = `/${encodeURIComponent('x\r\n{"event":"forged"}')}`;
    await call(url, 'GET', path, { headers: { 'User-Agent': words, 'X-Request-Id': 'forging' } });
    await lineOf('api', { requestId: 'forging' });
    const lines = await linesOf('api');
    assert.equal(lines.filter(({ requestId }) => requestId === 'forging').length, 1);
    assert.ok(lines.every(({ event }) => event !== 'forged'));
  });
});

describe('TRUST_PROXY', () => {
  it('takes the client address from the trusted proxy, and ignores earlier entries', async () => {
    await registeredPerson(system, 84);
    const chain = { 'X-Forwarded-For': `${'198.51.100.1, '.repeat(50)}203.0.113.77`, 'X-Real-IP': '198.51.100.2' };
    const login = { identifier: 'person084', password: goodPassword };
    const { body } = await must(api.beginLogInAlias({ body: login, headers: chain }));
    const seen = await must(api.readSession({ token: body.accessToken }));
    assert.equal(seen.body.ip, '203.0.113.77');
  });
});

describe('CORS_ORIGINS', () => {
  const origin = browserOrigin;

  function preflight(from: string): Promise<Response> {
    const headers = {
      Origin: from,
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
    };
    return fetch(`${url}/api/v1/captcha`, { method: 'OPTIONS', headers });
  }

  it('allows those origins, and no others', async () => {
    const { status, headers } = await preflight(origin);
    assert.equal(status, 204);
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.match(headers.get('access-control-allow-methods') ?? '', /PUT/);
    assert.equal(headers.get('access-control-allow-headers'), 'authorization,content-type,idempotency-key');
    assert.equal(headers.get('access-control-allow-credentials'), null, 'tokens are not cookies');
    assert.match(headers.get('vary') ?? '', /Origin/);
    const refusal = await fetch(`${url}/api/v1/users/me`, { headers: { Origin: origin } });
    assert.equal(refusal.status, 401);
    assert.equal(refusal.headers.get('access-control-allow-origin'), origin, 'errors are readable too');
    assert.match(refusal.headers.get('access-control-expose-headers') ?? '', /X-Request-Id,Retry-After/);
    for (const foreign of ['https://evil.example', 'null', `${origin}.evil.example`, 'http://app.example.org']) {
      assert.equal((await preflight(foreign)).headers.get('access-control-allow-origin'), null, foreign);
    }
  });
});

describe('GET /', () => {
  it('leads developers to the web app, the documentation and the outbox, without a script', async () => {
    const answer = await fetch(`${url}/`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    const page = await answer.text();
    assert.doesNotMatch(page, /<script/);
    const links = [...page.matchAll(/href="([^"]+)"/g)].map(([, link]) => link);
    assert.deepEqual(links.slice(0, 3), ['/app', '/docs', outboxUrl]);
  });

  it('leads straight to the web app in production', async () => {
    const [port, codec, grpc] = await Promise.all([freePort(), freePort(), freePort()]);
    const ports = { SERVER_PORT: `${port}`, CODEC_PORT: `${codec}`, GRPC_PORT: `${grpc}` };
    await using _api = await openApiHere(system.folder, 'api-in-production', {
      ...system.processes.env('api'),
      ...ports,
      START_PAGE_LINKS: '',
    });
    const { status, headers } = await fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual' });
    assert.deepEqual([status, headers.get('location')], [302, '/app']);
  });
});

describe('GET /openapi.json', () => {
  it('is an OpenAPI 3.1 document with a valid structure and valid schemas', () => {
    const schemas = formats.default(new Ajv2020({ strict: false }));
    const isDocument = schemas.compile(openApiShape);
    assert.ok(isDocument(document), schemas.errorsText(isDocument.errors));
    const text = JSON.stringify(document);
    for (const [, reference = ''] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
      const [, name = ''] = /^#\/components\/schemas\/(\w+)$/.exec(reference) ?? [];
      const { components } = document as unknown as { components: { schemas: Record<string, unknown> } };
      assert.ok(components.schemas[name], `${reference} resolves`);
    }
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const operation of Object.values(operations)) {
        const { parameters } = operation as unknown as { parameters: { name: string; in: string }[] };
        const declared = parameters.flatMap(({ name, in: place }) => (place === 'path' ? [`{${name}}`] : []));
        assert.deepEqual(declared, path.match(/\{\w+\}/g) ?? [], path);
      }
    }
  });

  it('describes every operation under one noun, with examples that its schemas accept', async () => {
    const { info, tags } = document as unknown as { info: { version: string }; tags: { name: string }[] };
    assert.equal(info.version, (await api.readHealth()).body.version);
    const described = Object.values(document.paths).flatMap((paths) => Object.values(paths)) as unknown as Described[];
    for (const { operationId, tags: own, summary, description } of described) {
      assert.ok(own.length === 1 && tags.some(({ name }) => name === own[0]), `${operationId} has a noun`);
      assert.ok(summary.length > 0 && /[.)]$/.test(description), `${operationId} is described in sentences`);
    }
    for (const operation of described) {
      for (const [schema, example] of examplesOf(operation)) {
        const shown = String(JSON.stringify(example));
        assert.ok(schema?.safeParse(example).success, `${operation.operationId}: ${shown.slice(0, 500)}`);
        assert.doesNotMatch(shown, /"example"/, `${operation.operationId}: each text has an example of its own`);
      }
    }
  });

  it('defines every security scheme that an operation has', () => {
    const { securitySchemes } = (document as unknown as { components: { securitySchemes: object } }).components;
    const listed = Object.values(document.paths).flatMap((operations) => Object.values(operations));
    const used = (listed as { security?: object[] }[]).flatMap(({ security = [] }) => security.flatMap(Object.keys));
    assert.ok(used.includes('device'));
    for (const name of used) assert.ok(name in securitySchemes, name);
  });

  it('lists every route, with its statuses, its security and its body', () => {
    const shapeOf = (path: string) => path.replace(/:\w+|\{\w+\}/g, '{}');
    const byShape = new Map(Object.entries(document.paths).map(([path, operations]) => [shapeOf(path), operations]));
    assert.equal(
      byShape.size,
      Object.keys(document.paths).length,
      'templates that differ in names alone are identical',
    );
    const listed = [...byShape].flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    const existing = routes.map(({ method, path }) => `${method} ${shapeOf(path)}`);
    assert.deepEqual(listed.sort(), existing.sort());
    for (const { method, path, answers, failures, auth, body } of routes) {
      const operation = byShape.get(shapeOf(path))?.[method] as unknown as {
        responses: Record<string, unknown>;
        security?: unknown[];
        requestBody?: unknown;
      };
      const statuses = [...Object.keys(answers), ...failures.map((failure) => publicFailures[failure].status)].map(
        Number,
      );
      if (auth !== 'none') statuses.push(401);
      if (body !== undefined) statuses.push(413, 415);
      for (const expected of statuses) assert.ok(operation.responses[expected], `${method} ${path} ${expected}`);
      const hasBearer = !['none', 'twilio', 'infobip'].includes(auth);
      assert.equal(operation.security !== undefined, hasBearer, path);
      assert.equal(operation.requestBody !== undefined, body !== undefined, path);
    }
  });
});

describe('GET /docs', () => {
  it('shows every operation in a browser, without requests to other hosts', async (t) => {
    const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
      existsSync,
    );
    if (executablePath === undefined) {
      t.diagnostic('There is no Chromium on this machine: the page was fetched, not rendered');
      assert.match(await (await fetch(`${url}/docs`)).text(), /swagger-ui-bundle\.js/);
      return;
    }
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking'];
    const browser = await chromium.launch({ executablePath, args, timeout: hangMs });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(hangMs);
      const complaints: string[] = [];
      const foreign: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (err) => complaints.push(err.message));
      page.on('request', (request) => {
        if (!request.url().startsWith(url) && !request.url().startsWith('data:')) foreign.push(request.url());
      });
      await page.goto(`${url}/docs`);
      await page.waitForSelector('.opblock');
      assert.equal(await page.locator('.opblock').count(), routes.length);
      await page.locator('.opblock-summary', { hasText: 'Verify the code' }).first().click();
      await page.waitForSelector('.opblock-body .responses-table');
      assert.doesNotMatch(
        (await page.locator('.opblock.is-open').textContent()) ?? '',
        /could not resolve|Resolver error/i,
      );
      assert.deepEqual(complaints, []);
      assert.deepEqual(foreign, []);
    } finally {
      await browser.close();
    }
  });
});

describe('GET /health', () => {
  it('returns the status, the service and its version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    const { status, body } = await api.readHealth();
    assert.equal(status, 200);
    assert.deepEqual(body, { status: 'ok', service: 'vyry', version });
  });
});

describe('GET /metrics', () => {
  it('counts events, with labels that contain no personal data', async () => {
    const registration = await completedRegistration(system, 82);
    const response = await fetch(`${url}/metrics`);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    assert.match(text, /^vyry_registrations_total\{state="started"\} [1-9]/m);
    assert.match(text, /^vyry_registration_steps_total\{step="directory",outcome="done"\} [1-9]/m);
    assert.match(text, /^vyry_codes_checked_total\{outcome="verified"\} [1-9]/m);
    assert.match(
      text,
      /^vyry_http_request_duration_seconds_count\{.*route="\/api\/v1\/registrations\/:registrationId\/code"/m,
    );
    assert.match(text, /^process_cpu_seconds_total /m);
    for (const personal of [registration.id, registration.token, phoneOf(82).slice(1), 'person082'])
      assert.ok(!text.includes(personal), personal);
  });
});

describe('GET /health/ready', () => {
  it('is ready with every dependency, and degraded while the directory is unavailable', async () => {
    const { status, body } = await untilAnswered((answer) => answer.body.status === 'ready', '/health/ready');
    assert.equal(status, 200);
    assert.equal(body.status, 'ready');
    const names = ['redis', 'mongodb', 'temporal', 'durability', 'elasticsearch', 'ldap', 'twilio', 'mail'];
    const workers = ['worker:registration', 'worker:directory', 'worker:delivery', 'worker:audit'];
    assert.deepEqual(Object.keys(body.dependencies).sort(), [...names, ...workers].sort());
    for (const name of names) {
      assert.equal(body.dependencies[name].status, 'up', name);
      assert.equal(typeof body.dependencies[name].latencyMs, 'number', name);
    }
    await directory.process.stop();
    const without = await untilAnswered((answer) => answer.body.status === 'degraded', '/health/ready');
    assert.equal(without.status, 200);
    assert.equal(without.body.status, 'degraded');
    assert.equal(without.body.dependencies.ldap.status, 'down');
    await directory.startAgain();
    assert.equal(
      (await untilAnswered((answer) => answer.body.status === 'ready', '/health/ready')).body.status,
      'ready',
    );
  });

  it('is 503 while a required worker is unavailable', async () => {
    await system.kill('registration', 'SIGTERM');
    const { status, body, headers } = await untilAnswered((answer) => answer.status === 503, '/health/ready');
    assert.equal(status, 503);
    assert.equal(body.status, 'unready');
    assert.equal(body.dependencies['worker:registration'].status, 'down');
    assert.ok(headers.get('retry-after'));
    await system.restart('registration');
    assert.equal((await untilAnswered((answer) => answer.status === 200, '/health/ready')).status, 200);
  });

  it('is 503 while Redis hangs; every request returns 503 before Redis resumes, and then works again', async () => {
    const registration = await startRegistration(url);
    const redisPid = Number(/process_id:(\d+)/.exec(await behind.redis.info('server'))?.[1]);
    process.kill(redisPid, 'SIGSTOP');
    const answers = await Promise.all([
      api.readReadiness(),
      api.createRegistration({ body: {} }),
      registration.call('GET', ''),
      registration.call('PUT', '/code', { code: '123456' }),
      registration.call('PUT', '/directory', { username: 'person083', password: 'person-083' }),
      api.readHealth().then(({ status }) => assert.equal(status, 200, 'the process itself is healthy')),
    ]).finally(() => process.kill(redisPid, 'SIGCONT'));
    for (const { status, body, headers } of answers.slice(0, 5) as Answer[]) {
      assert.equal(status, 503);
      assert.equal(body.error_code, 'UNAVAILABLE');
      assert.equal(headers.get('retry-after'), String(body.retry_after_seconds));
      assert.doesNotMatch(body.error, /ioredis|timed out|ECONN/i);
    }
    assert.equal(answers[0]?.body.dependencies.redis?.status, 'down');
    assert.equal((await untilAnswered((answer) => answer.status === 200, '/health/ready')).status, 200);
    await must(registration.call('PUT', '/directory', { username: 'person083', password: 'person-083' }));
  });
});

/** The rules of https://spec.openapis.org/oas/v3.1.0.html for the parts that are used here. */
const openApiShape = {
  type: 'object',
  required: ['openapi', 'info', 'paths'],
  properties: {
    openapi: { const: '3.1.0' },
    info: {
      type: 'object',
      required: ['title', 'version'],
      properties: {
        title: { type: 'string' },
        version: { type: 'string' },
        description: { type: 'string' },
        license: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, identifier: { type: 'string' } },
        },
      },
      additionalProperties: false,
    },
    servers: { type: 'array', items: { type: 'object', required: ['url'] } },
    tags: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, description: { type: 'string' } },
        additionalProperties: false,
      },
    },
    paths: { type: 'object', propertyNames: { pattern: '^/' }, additionalProperties: { $ref: '#/$defs/pathItem' } },
    components: {
      type: 'object',
      properties: {
        schemas: { type: 'object', additionalProperties: { $ref: '#/$defs/schema' } },
        securitySchemes: {
          type: 'object',
          additionalProperties: {
            type: 'object',
            required: ['type', 'scheme'],
            properties: { type: { const: 'http' } },
          },
        },
      },
      additionalProperties: false,
    },
  },
  additionalProperties: false,
  $defs: {
    schema: { $ref: 'https://json-schema.org/draft/2020-12/schema' },
    pathItem: {
      type: 'object',
      propertyNames: { enum: ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] },
      additionalProperties: { $ref: '#/$defs/operation' },
    },
    operation: {
      type: 'object',
      required: ['responses'],
      properties: {
        tags: { type: 'array', items: { type: 'string' } },
        operationId: { type: 'string' },
        summary: { type: 'string' },
        description: { type: 'string' },
        security: { type: 'array', items: { type: 'object', additionalProperties: { type: 'array' } } },
        parameters: { type: 'array', items: { $ref: '#/$defs/parameter' } },
        requestBody: {
          type: 'object',
          required: ['content'],
          properties: { required: { type: 'boolean' }, content: { $ref: '#/$defs/content' } },
          additionalProperties: false,
        },
        responses: {
          type: 'object',
          minProperties: 1,
          propertyNames: { pattern: '^[1-5]\\d\\d$' },
          additionalProperties: { $ref: '#/$defs/response' },
        },
      },
      additionalProperties: false,
    },
    parameter: {
      type: 'object',
      required: ['name', 'in', 'schema'],
      properties: {
        name: { type: 'string' },
        in: { enum: ['query', 'header', 'path', 'cookie'] },
        required: { type: 'boolean' },
        description: { type: 'string' },
        schema: { $ref: '#/$defs/schema' },
        example: true,
      },
      if: { properties: { in: { const: 'path' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { required: ['required'], properties: { required: { const: true } } },
      additionalProperties: false,
    },
    response: {
      type: 'object',
      required: ['description'],
      properties: {
        description: { type: 'string' },
        headers: {
          type: 'object',
          additionalProperties: {
            type: 'object',
            required: ['schema'],
            properties: { schema: { $ref: '#/$defs/schema' } },
          },
        },
        content: { $ref: '#/$defs/content' },
      },
      additionalProperties: false,
    },
    content: {
      type: 'object',
      propertyNames: { pattern: '^\\w+/\\w+' },
      additionalProperties: {
        type: 'object',
        properties: { schema: { $ref: '#/$defs/schema' }, example: true },
        additionalProperties: false,
      },
    },
  },
};
