import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCalls } from '../../client/calls.ts';
import { createClosing } from '../../client/closing.ts';

/** What a `fetch` was asked for. */
interface Seen {
  url: string;
  init: RequestInit;
  headers: Record<string, string>;
}

/** Calls whose answers are these, one after the other; the last one again and again. */
function callsAnswered(...answers: (() => Response)[]) {
  const seen: Seen[] = [];
  const closing = createClosing();
  const calls = createCalls({
    origin: 'https://chat.example.org',
    fetch: async (input, init = {}) => {
      seen.push({ url: String(input), init, headers: { ...(init.headers as Record<string, string>) } });
      const answer = answers[Math.min(seen.length, answers.length) - 1];
      if (answer === undefined) throw new TypeError('no network');
      return answer();
    },
    accessToken: async () => 'first',
    renewedToken: async (refused) => `after-${refused}`,
    closing,
  });
  return { calls, seen, closing };
}

const lost = () => {
  throw new TypeError('no network');
};
const done = () => new Response(null, { status: 204 });
const refusal = (status: number, body: Record<string, unknown>) => () => Response.json(body, { status });

describe('a call', () => {
  it('has the method, path, query and body of its row', async () => {
    const { calls, seen } = callsAnswered(() => Response.json({ items: [] }));
    await calls.takeDeviceKeys({ userId: 'a/b?c', deviceId: '2' });
    await calls.listLinkRequests({ query: { waitSeconds: '20' } });
    await calls.uploadKeys({ body: { preKeys: [] } });
    assert.deepEqual(
      seen.map(
        ({ url, init }) => `${init.method} ${url.slice('https://chat.example.org/api/v1'.length)} ${init.body ?? ''}`,
      ),
      [
        'GET /users/a%2Fb%3Fc/devices/2/keys ',
        'GET /device-links?waitSeconds=20 ',
        'PUT /devices/me/keys {"preKeys":[]}',
      ],
    );
  });

  it('carries the token that its row needs, and follows no redirect with it', async () => {
    const { calls, seen } = callsAnswered(done, done, () => new Response('', { status: 202 }));
    await calls.listDevices();
    await calls.revealLink({ linkId: 'l', token: 'link-token', body: { nonce: 'AA==' } });
    assert.equal(await calls.forgetPassword({ body: { identifier: 'ada' } }), undefined);
    assert.deepEqual(
      seen.map(({ headers }) => headers.authorization),
      ['Bearer first', 'Bearer link-token', undefined],
    );
    assert.ok(seen.every(({ init }) => init.redirect === 'error' && init.credentials === 'omit'));
  });

  it('gets another access token once when its own is refused', async () => {
    const expired = refusal(401, { error: 'Expired', error_code: 'INVALID_TOKEN' });
    const { calls, seen } = callsAnswered(expired, done);
    await calls.listDevices();
    assert.deepEqual(
      seen.map(({ headers }) => headers.authorization),
      ['Bearer first', 'Bearer after-first'],
    );
    const refused = callsAnswered(expired);
    await assert.rejects(refused.calls.listDevices(), { code: 'INVALID_TOKEN' });
    assert.equal(refused.seen.length, 2);
  });

  it('throws what the server says: code, limit, time and fields', async () => {
    const body = {
      error: 'Too many',
      error_code: 'RATE_LIMITED',
      limit: 'links',
      retry_after_seconds: 42,
      attemptsLeft: 1,
    };
    const { calls, seen } = callsAnswered(refusal(429, body));
    await assert.rejects(calls.listDevices(), {
      name: 'VyryError',
      message: 'Too many',
      code: 'RATE_LIMITED',
      status: 429,
      limit: 'links',
      retryAfterSeconds: 42,
      attemptsLeft: 1,
      fields: body,
    });
    assert.equal(seen.length, 1, 'a refusal is not repeated');
    const odd = callsAnswered(() => new Response('<h1>Bad gateway</h1>', { status: 502 }));
    await assert.rejects(odd.calls.listDevices(), { code: 'INTERNAL_ERROR', status: 502, message: 'HTTP 502' });
  });

  it('is repeated with the same key until an answer comes', async () => {
    const { calls, seen } = callsAnswered(lost, lost, done);
    await calls.denyLink({ linkId: 'l' });
    await calls.denyLink({ linkId: 'l' });
    const keys = seen.map(({ headers }) => headers['idempotency-key']);
    assert.equal(keys.length, 4);
    assert.match(keys[0] ?? '', /^[\w-]{22}$/);
    assert.deepEqual(keys.slice(1, 3), [keys[0], keys[0]]);
    assert.notEqual(keys[3], keys[0]);
  });

  it('is not repeated when a repeat could have another effect, or the server asks for a long wait', async () => {
    const { calls, seen } = callsAnswered(lost);
    await assert.rejects(calls.logOut(), { code: 'UNREACHABLE' });
    assert.equal(seen.length, 1);
    const away = refusal(503, { error: 'Away', error_code: 'UNAVAILABLE', retry_after_seconds: 60 });
    const waiting = callsAnswered(away);
    await assert.rejects(waiting.calls.listDevices(), { code: 'UNAVAILABLE', retryAfterSeconds: 60 });
    assert.equal(waiting.seen.length, 1);
  });

  it('says after four tries that the server is unreachable, also when something else answers', async () => {
    const captivePortal = () => new Response('<h1>Welcome</h1>');
    for (const answer of [lost, captivePortal]) {
      const { calls, seen } = callsAnswered(answer);
      await assert.rejects(calls.listDevices(), { code: 'UNREACHABLE' });
      assert.equal(seen.length, 4);
    }
  });
});
