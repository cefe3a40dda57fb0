import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { hotOperationOf, hotOperations } from '../../api/hot.ts';
import { operations } from '../../contract/operations.ts';
import { must } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const origin = 'https://app.example.org';
const requestsMax = 30;

const { system, url, api, person } = await withSystem({
  CORS_ORIGINS: origin,
  TRUST_PROXY: '1',
  LIMIT_REQUESTS_PER_ADDRESS: `${requestsMax}/600`,
});
const { host } = new URL(url);
const { token } = await person(330);
const ended = await person(331);
await must(api.logOut({ token: ended.token, headers: { 'X-Forwarded-For': '198.51.100.1' } }), 204);

/** What a case sends beside the token. */
interface Sent {
  method?: string;
  /** Names and values in turns. */
  headers?: string[];
  authorization?: string | undefined;
  body?: string;
}

interface Received {
  status: number | undefined;
  headers: Record<string, unknown>;
  body: string;
}

let sources = 0;
let spentSources = 0;

/** Sends a request as it is written, from a source of its own unless one is given. */
async function send(path: string, sent: Sent, source = `198.51.101.${++sources % 250}, 203.0.113.${sources}`) {
  const { method = 'GET', headers = [], authorization, body } = sent;
  const asked = request(`${url}/`, {
    method,
    path,
    agent: false,
    headers: [
      ...(headers.includes('Host') ? [] : ['Host', host]),
      ...['X-Forwarded-For', source],
      ...(authorization === undefined ? [] : ['Authorization', authorization]),
      ...headers,
    ],
  });
  asked.end(body);
  const [res] = await once(asked, 'response');
  let text = '';
  for await (const chunk of res) text += chunk;
  return { status: res.statusCode, headers: res.headers, body: text } as Received;
}

/** An answer without what differs between any two: the time, ids that were drawn, and seconds that are left. */
function comparable({ status, headers, body }: Received, isIdGiven: boolean): unknown {
  const { date: _time, ...rest } = headers;
  const counting = /"(lastActivityAt|expiresAt)":"[^"]*"|"retry_after_seconds":\d+|\d+ seconds/g;
  const text = isIdGiven ? body : body.replace(/"request_id":"[0-9a-f]{32}"/, '"request_id":"drawn"');
  return {
    status,
    headers: {
      ...rest,
      ...(!isIdGiven && { 'x-request-id': String(rest['x-request-id']).replace(/^[0-9a-f]{32}$/, 'drawn') }),
      ...(/^\d+$/.test(String(rest['ratelimit-reset'])) && { 'ratelimit-reset': 'a number' }),
      ...(status === 429 && { 'retry-after': 'waiting' }),
      // the length of a number of seconds
      ...(status === 429 && { 'content-length': 'some' }),
    },
    body: text.replace(counting, (found) => found.replace(/[\d:T.Z-]{2,}|\d+/g, 'n')),
  };
}

/** A query makes a request unusual, so Express answers it; no hot operation reads one. */
const byExpress = (path: string) => `${path}?`;

async function assertSame(path: string, sent: Sent): Promise<Received> {
  const isIdGiven = sent.headers?.includes('a-given-id') ?? false;
  const [hot, express] = [await send(path, sent), await send(byExpress(path), sent)];
  assert.deepEqual(comparable(hot, isIdGiven), comparable(express, isIdGiven));
  return hot;
}

/** The token with other claims, signed like the api does. */
function resigned(change: Record<string, unknown>, key: string = system.secrets.JWT_SECRET): string {
  const [head = '', claims = ''] = token.split('.');
  const changed = { ...(JSON.parse(Buffer.from(claims, 'base64url').toString()) as object), ...change };
  const content = `${head}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}`;
  return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`;
}

const authorization = `Bearer ${token}`;
const anHourAgo = Math.floor(Date.now() / 1000) - 3600;

/** Requests that are answered by the short way. */
const plain: Record<string, Sent & { status: number }> = {
  'a right token': { status: 200, authorization },
  'another case of the scheme, and more spaces': { status: 200, authorization: `bearer   ${token}` },
  'a given request id and trace': {
    status: 200,
    authorization,
    headers: ['X-Request-Id', 'a-given-id', 'traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  },
  'a request id that is not valid': { status: 200, authorization, headers: ['X-Request-Id', '<script>'] },
  'headers of clients': {
    status: 200,
    authorization,
    headers: ['Accept', 'text/html', 'Accept-Language', 'de', 'User-Agent', 'x"}', 'Idempotency-Key', 'one'],
  },
  'headers of proxies': { status: 200, authorization, headers: ['X-Forwarded-Proto', 'https', 'Via', '1.1 proxy'] },
  'no token': { status: 401 },
  'another scheme': { status: 401, authorization: 'Basic dTpw' },
  'a text that is no token': { status: 401, authorization: 'Bearer no-token' },
  'a token of another key': { status: 401, authorization: `Bearer ${resigned({}, 'another key')}` },
  'a token without algorithm': { status: 401, authorization: `Bearer eyJhbGciOiJub25lIn0.${token.split('.')[1]}.` },
  'an expired token': { status: 401, authorization: `Bearer ${resigned({ iat: anHourAgo, exp: anHourAgo + 60 })}` },
  'the session of another user': { status: 401, authorization: `Bearer ${resigned({ sub: ended.userId })}` },
  'a token whose session has ended': { status: 401, authorization: `Bearer ${ended.token}` },
  'two tokens': { status: 400, authorization, headers: ['Authorization', authorization] },
  'two hosts': { status: 400, authorization, headers: ['Host', host, 'Host', 'other.example.org'] },
  'a host that is none': { status: 400, authorization, headers: ['Host', 'a b'] },
};

/** Requests that the short way leaves to Express. */
const unusual: Record<string, Sent & { status: number }> = {
  'an origin that is allowed': { status: 200, authorization, headers: ['Origin', origin] },
  'an origin that is not': { status: 200, authorization, headers: ['Origin', 'https://evil.example.org'] },
  'a preflight': {
    status: 204,
    method: 'OPTIONS',
    headers: ['Origin', origin, 'Access-Control-Request-Method', 'GET'],
  },
  'a condition': { status: 304, authorization, headers: ['If-None-Match', '*'] },
  'a condition of time': { status: 200, authorization, headers: ['If-Modified-Since', new Date().toUTCString()] },
  'a body': {
    status: 200,
    authorization,
    headers: ['Content-Type', 'application/json', 'Content-Length', '2'],
    body: '{}',
  },
  'a body that is no JSON': {
    status: 400,
    authorization,
    headers: ['Content-Type', 'application/json', 'Content-Length', '1'],
    body: '{',
  },
  'a body of another type': {
    status: 415,
    authorization,
    headers: ['Content-Type', 'text/xml', 'Content-Length', '1'],
    body: '<',
  },
  'no bytes': { status: 200, authorization, headers: ['Content-Length', '0'] },
  HEAD: { status: 405, method: 'HEAD', authorization },
};

for (const id of hotOperations) {
  const { path } = operations[id];
  const asNode = ({ method = 'GET', headers = [] }: Sent, target: string = path) => ({
    method,
    url: target,
    headers: Object.fromEntries(headers.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), headers[at + 1]]]))),
  });

  describe(`${id}, a hot route,`, () => {
    it('is one path that only reads and answers 200 with JSON', () => {
      const { method, auth, answers, ...row } = operations[id];
      const others = Object.keys(row).filter((name) => !['path', 'summary', 'description', 'failures'].includes(name));
      assert.deepEqual({ method, auth, others }, { method: 'get', auth: 'session', others: [] });
      assert.deepEqual(Object.keys(answers), ['200']);
      assert.doesNotMatch(path, /:/);
    });

    for (const [what, { status, ...sent }] of Object.entries(plain)) {
      it(`answers ${what} as Express does`, async () => {
        assert.equal(hotOperationOf(asNode(sent)), id);
        assert.equal(hotOperationOf(asNode(sent, byExpress(path))), undefined);
        assert.equal((await assertSame(path, sent)).status, status);
      });
    }

    for (const [what, { status, ...sent }] of Object.entries(unusual)) {
      it(`leaves ${what} to Express`, async () => {
        assert.equal(hotOperationOf(asNode(sent)), undefined);
        assert.equal((await assertSame(path, sent)).status, status);
      });
    }

    it('leaves every other spelling of its path to Express', async () => {
      for (const target of [`${path}/`, path.toUpperCase(), path.replace('a', '%61'), `/${path}`, `${path}#x`]) {
        assert.equal(hotOperationOf(asNode({}, target)), undefined, target);
        const { status } = await send(target, { authorization });
        assert.ok([400, 404].includes(status ?? 0), `${target}: ${status}`);
      }
    });

    it('answers a target in absolute form as Express does', async () => {
      assert.equal((await assertSame(`http://${host}${path}`, { authorization })).status, 200);
    });

    it('counts its requests by source, and refuses as Express does', async () => {
      const answersOf = async (target: string, source: string) => {
        const answers: Received[] = [];
        for (let sent = 0; sent <= requestsMax; sent++) answers.push(await send(target, { authorization }, source));
        return answers.map((answer) => comparable(answer, false));
      };
      spentSources += 1;
      const hot = await answersOf(path, `192.0.2.${spentSources}`);
      assert.deepEqual(hot, await answersOf(byExpress(path), `2001:db8:${spentSources}::1`));
      assert.deepEqual(
        hot.map((answer) => (answer as Received).status),
        [...Array<number>(requestsMax).fill(200), 429],
      );
    });

    it('is measured as Express measures it', async () => {
      const measured = async (status: number) => {
        const { body } = await send('/metrics', {});
        const line = `vyry_http_request_duration_seconds_count{method="GET",route="${path}",status="${status}"} `;
        return Number(body.split(line)[1]?.split('\n')[0] ?? 0);
      };
      for (const [status, sent] of [
        [200, { authorization }],
        [401, {}],
      ] as const) {
        const before = await measured(status);
        for (const target of [path, byExpress(path)]) await send(target, sent);
        assert.equal(await measured(status), before + 2);
      }
    });
  });
}
