// @rerun never
/** Socket.IO: handshakes, the life of a connection, and how the inbox of a device is delivered to it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { keys } from '../../adapters/redis/keys.ts';
import { createAuthSessions } from '../../adapters/redis/sessions.ts';
import { newId } from '../../platform/crypto.ts';
import { sessionMacsOf } from '../support/aging.ts';
import {
  type Client,
  connectClient,
  deviceOf,
  deviceOwner,
  messageTo,
  type TestDevice,
  textOf,
} from '../support/messages.ts';
import { writeByPage } from '../support/messaging-page.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { stopTime } from '../support/stopped-time.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, person, url } = await withSystem({
  SOCKETS_PER_PERSON: '3',
  SOCKETS_PER_ADDRESS: '30',
  CORS_ORIGINS: 'https://app.example',
  TRUST_PROXY: '127.0.0.1',
});
const sessions = createAuthSessions(behind.redis, sessionMacsOf(system));
/** The default life of an access token. */
const lifeMs = 3_600_000;

let people = 0;
const newOwner = () => deviceOwner(system, people++);
const connect = (device: Pick<TestDevice, 'token'>, options = {}) => connectClient(url, device.token, options);
/** Connects and waits until the backlog is delivered. */
const online = async (device: TestDevice, options = {}): Promise<Client> => {
  const client = await connect(device, options);
  await client.hears('inbox:drained');
  return client;
};
const refusalOf = async (token: string, options = {}) => {
  const refused = await connectClient(url, token, options).then(
    () => undefined,
    (err: Error & { data?: unknown }) => err,
  );
  return refused?.data as { error_code?: string; error?: string; limit?: string } | undefined;
};

/** Two users who have accepted each other, with a device each. */
async function newPair(): Promise<[TestDevice, TestDevice]> {
  const [one, another] = [await newOwner(), await newOwner()];
  for (const [from, to] of [[one, another] as const, [another, one] as const]) {
    await must(api.changeConversation({ userId: to.userId, token: from.token, body: { state: 'accepted' } }));
  }
  return [one, another];
}

const send = ({ token }: TestDevice, to: TestDevice, text: string) =>
  must(api.sendMessage({ userId: to.userId, token, body: messageTo([to], text) }));

describe('A connection', () => {
  it('needs a valid token, and is told what REST tells', async () => {
    const { token } = await newOwner();
    assert.equal((await refusalOf(''))?.error_code, 'UNAUTHORIZED');
    assert.equal((await refusalOf(`${token}x`))?.error_code, 'INVALID_TOKEN');
    const odd = await refusalOf(token, { auth: { token: { $gt: '' } } });
    assert.equal(odd?.error_code, 'UNAUTHORIZED');
  });

  it('is refused to pages of other origins, and accepted from own ones and from apps', async () => {
    const device = await newOwner();
    for (const origin of ['https://evil.example', 'null']) {
      await assert.rejects(connect(device, { headers: { Origin: origin } }), /websocket error/);
    }
    for (const origin of ['https://app.example', url]) {
      using client = await connect(device, { headers: { Origin: origin } });
      assert.equal(client.socket.connected, true);
    }
  });

  it('is refused with the answers of REST before the upgrade', async () => {
    const statusOf = (path: string, headers: Record<string, string> = {}) =>
      new Promise<number | undefined>((resolve) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, { headers });
        socket.on('unexpected-response', (_req, res) => {
          resolve(res.statusCode);
          socket.terminate();
        });
        socket.on('open', () => socket.terminate());
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(undefined));
      });
    const path = '/socket.io/?EIO=4&transport=websocket';
    assert.equal(await statusOf(path, { Origin: 'https://evil.example' }), 403);
    assert.equal(await statusOf(`${path}&sid=somebody`), 400);
    assert.equal(await statusOf('/api/v1/users/me'), 401);
    assert.equal((await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).status, 404);
  });

  it('counts by the address of the client, also before its client sends anything', async () => {
    const open: WebSocket[] = [];
    const headers = { 'X-Forwarded-For': '198.51.100.7' };
    for (let index = 0; index < 30; index++) {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { headers });
      open.push(socket);
      await new Promise((resolve) => socket.once('open', resolve));
    }
    const device = await newOwner();
    await assert.rejects(connect(device, { headers }));
    using elsewhere = await connect(device, { headers: { 'X-Forwarded-For': '198.51.100.8' } });
    assert.equal(elsewhere.socket.connected, true);
    for (const socket of open) socket.terminate();
    using later = await eventually(() => connect(device, { headers }));
    assert.equal(later.socket.connected, true);
  });

  it('of a device ends an earlier one, and of a session without a device too', async () => {
    const device = await newOwner();
    const earlier = await online(device);
    using later = await online(device);
    assert.deepEqual(await earlier.hears('session:ended'), { reason: 'replaced' });
    assert.equal(await earlier.ended, 'io server disconnect');
    assert.equal(later.socket.connected, true);
    const { token } = await person(people++);
    const first = await connectClient(url, token);
    using second = await connectClient(url, token);
    assert.deepEqual(await first.hears('session:ended'), { reason: 'replaced' });
    assert.equal(second.socket.connected, true);
  });

  it('of a user leaves room for a number of others', async () => {
    const device = await newOwner();
    const tablets = [await deviceOf(system, device), await deviceOf(system, device), await deviceOf(system, device)];
    const open = [await online(device), await online(tablets[0] ?? device), await online(tablets[1] ?? device)];
    const refused = await refusalOf(tablets[2]?.token ?? '');
    assert.equal(refused?.error_code, 'RATE_LIMITED');
    assert.equal(refused?.limit, 'sockets-per-person');
    // a device that reconnects ends its own connection and needs no room
    using again = await online(device);
    assert.equal(again.socket.connected, true);
    for (const client of open) client[Symbol.dispose]();
  });

  it('ends with its session', async () => {
    const device = await newOwner();
    using client = await online(device);
    await must(api.logOut({ token: device.token }), 204);
    assert.deepEqual(await client.hears('session:ended'), { reason: 'loggedOut' });
    assert.equal(await client.ended, 'io server disconnect');
    assert.equal((await refusalOf(device.token))?.error_code, 'INVALID_TOKEN');
  });

  it('is told that its token expires, continues with another one of the session, and ends without', async () => {
    const [device, other] = [await newOwner(), await newOwner()];
    using client = await online(device);
    const refreshed = (await must(api.refreshTokens({ body: { refreshToken: device.refreshToken } }))).body;
    const foreign = await client.ask('auth:renew', { accessToken: other.token });
    assert.equal(foreign.error.error_code, 'INVALID_TOKEN');
    const renewed = await client.ask('auth:renew', { accessToken: refreshed.accessToken });
    {
      using _soon = stopTime(['Date'], { aheadMs: lifeMs - 50_000 });
      assert.deepEqual(await client.hears('session:expiring'), { expiresAt: renewed.data.expiresAt });
    }
    assert.equal(client.socket.connected, true);
    using _late = stopTime(['Date'], { aheadMs: lifeMs + 40_000 });
    assert.deepEqual(await client.hears('session:ended'), { reason: 'expired' });
  });
});

describe('The inbox of a connected device', () => {
  it('comes in pages, then its end, then each message as it is stored', async () => {
    const [alice, bob] = await newPair();
    for (let index = 0; index < 70; index++) await send(alice, bob, `old ${index}`);
    using client = await online(bob);
    const pages = client.heard.filter(({ event }) => event === 'inbox:page');
    assert.deepEqual(
      pages.map(({ payload }) => [payload.messages.length, payload.more]),
      [
        [64, true],
        [6, false],
      ],
    );
    await send(alice, bob, 'new');
    await client.hears('message:new');
    assert.deepEqual(client.messages.map(textOf), [...Array.from({ length: 70 }, (_, index) => `old ${index}`), 'new']);
    await until(async () => (await behind.redis.exists(keys.inbox(bob))) === 0);
  });

  it('keeps the order of many sends, of which at most 64 wait for acknowledgements', async () => {
    const [alice, bob] = await newPair();
    using sender = await online(alice);
    using slow = await online(bob, { isAcknowledging: false });
    for (let index = 0; index < 100; index++) {
      const { data } = await sender.ask('message:send', { ...messageTo([bob], `${index}`), userId: bob.userId });
      assert.ok(data.serverTimestamp);
    }
    await until(() => slow.messages.length === 64);
    const ids = slow.messages.map(({ messageId }) => messageId);
    assert.deepEqual((await slow.ask('message:ack', { messageIds: ids })).data, {});
    await until(() => slow.messages.length === 100);
    assert.deepEqual(
      slow.messages.map(textOf),
      Array.from({ length: 100 }, (_, index) => `${index}`),
    );
  });

  it('takes effect in order where many requests, or large ones, are sent at once', async () => {
    const [alice, bob] = await newPair();
    using sender = await online(alice);
    using receiver = await online(bob);
    const texts = [
      ...Array.from({ length: 400 }, (_, index) => `${index}`),
      ...'abcde'.split('').map((x) => x.repeat(90_000)),
    ];
    const answers = await Promise.all(
      texts.map((text) => sender.ask('message:send', { ...messageTo([bob], text), userId: bob.userId })),
    );
    assert.deepEqual(
      answers.filter(({ error }) => error !== undefined),
      [],
    );
    await until(() => receiver.messages.length === texts.length);
    assert.deepEqual(receiver.messages.map(textOf), texts);
  });

  it('is delivered over processes, and again where nothing was acknowledged', async () => {
    const [alice, bob] = await newPair();
    const another = (await startAnotherApi(system, {})).apiUrl;
    {
      using elsewhere = await connectClient(another, bob.token, { isAcknowledging: false });
      await elsewhere.hears('inbox:drained');
      await send(alice, bob, 'over processes');
      await until(() => elsewhere.messages.length === 1);
      elsewhere.cut();
      await elsewhere.ended;
    }
    using again = await online(bob);
    assert.deepEqual(again.messages.map(textOf), ['over processes']);
  });

  it('closes a client that acknowledges nothing for a minute', async () => {
    const [alice, bob] = await newPair();
    const client = await online(bob, { isAcknowledging: false });
    await send(alice, bob, 'ignored');
    await until(() => client.messages.length === 1);
    using _later = stopTime(['Date'], { aheadMs: 61_000 });
    assert.equal(await client.ended, 'transport close');
  });

  it('answers a session without a device as REST does, and delivers nothing to it', async () => {
    const { token } = await person(people++);
    using client = await connectClient(url, token);
    const answer = await client.ask('message:ack', { messageIds: ['1-1'] });
    assert.equal(answer.error.error_code, 'FORBIDDEN');
    assert.equal(client.heard.length, 0);
  });
});

describe('A request', () => {
  it('of any shape is answered', async () => {
    using client = await online(await newOwner());
    const { socket } = client;
    const ask = (...values: unknown[]) =>
      new Promise<{ error?: { error_code: string } }>((resolve) => {
        (socket.emit as (...all: unknown[]) => void)(...values, resolve);
      });
    for (const values of [
      ['message:send'],
      ['message:send', null],
      ['message:send', 'text'],
      ['message:send', [], {}],
      ['message:ack', { messageIds: Array.from({ length: 100_000 }, () => '1-1') }],
      ['message:ack', { messageIds: 1 }],
      ['message:ack', Buffer.from('binary')],
    ]) {
      assert.equal((await ask(...values)).error?.error_code, 'INVALID_REQUEST', String(values[0]));
    }
    // more values than a function takes arguments
    socket.io.engine.write(`2${JSON.stringify(['message:ack', ...Array.from({ length: 400_000 }, () => 1)])}`);
    assert.equal((await ask('constructor', {})).error?.error_code, 'NOT_FOUND');
    assert.equal((await ask('nothing')).error?.error_code, 'NOT_FOUND');
    (socket.emit as (event: string, ...all: unknown[]) => void)('message:ack', { messageIds: 'no acknowledgement' });
    assert.deepEqual((await client.ask('message:ack', { messageIds: ['1-1'] })).data, {});
  });

  it('beyond the budget is refused, and a client that goes on is closed', async () => {
    using client = await online(await newOwner());
    const refused = Promise.withResolvers<{ limit: string; error_code: string }>();
    const flood = (answer: { error?: { limit: string; error_code: string } }) => {
      if (answer.error?.error_code === 'RATE_LIMITED') refused.resolve(answer.error);
    };
    const emit = client.socket.emit as unknown as (event: string, body: unknown, answer: typeof flood) => void;
    for (let index = 0; index < 2000; index++) emit.call(client.socket, 'message:ack', { messageIds: ['1-1'] }, flood);
    assert.equal((await refused.promise).limit, 'requests-per-connection');
    assert.equal(await client.ended, 'transport close');
  });
});

describe('docs/messaging.md', () => {
  it('shows a client that sends and receives', async () => {
    const pair = [await newOwner(), await newOwner()] as const;
    const { answer, got } = await writeByPage(url, pair);
    assert.equal(answer.error, undefined);
    assert.equal(answer.data?.messages[0]?.messageId, got.messageId);
    assert.equal(got.from.userId, pair[0].userId);
    assert.equal(textOf(got), 'written by the page');
  });
});

describe('Receipts, typing and presence', () => {
  it('reach who has accepted, and nobody else', async () => {
    const [alice, bob] = await newPair();
    const stranger = await newOwner();
    using a = await online(alice);
    using b = await online(bob);
    using c = await online(stranger);
    assert.deepEqual(await a.ask('typing:send', { userId: bob.userId, active: true }), { data: {} });
    assert.deepEqual(await b.hears('typing:new'), { userId: alice.userId, active: true });
    await a.ask('receipt:send', { userId: bob.userId, messageIds: ['1-1'], kind: 'read' });
    assert.deepEqual(await b.hears('receipt:new'), { userId: alice.userId, messageIds: ['1-1'], kind: 'read' });
    const refused = await Promise.all([
      c.ask('typing:send', { userId: bob.userId, active: true }),
      c.ask('receipt:send', { userId: bob.userId, messageIds: ['1-1'], kind: 'read' }),
      c.ask('presence:subscribe', { userIds: [bob.userId] }),
      c.ask('presence:subscribe', { userIds: [newId()] }),
    ]);
    for (const { error } of refused) assert.equal(error.error_code, 'FORBIDDEN');
    const texts = refused.map(({ error }) => error.error);
    assert.equal(new Set(texts).size, 1);
  });

  it('tell who is connected until the last connection ends, and whom it no longer concerns', async () => {
    const [alice, bob] = await newPair();
    using a = await online(alice);
    const b = await online(bob);
    assert.deepEqual(await a.ask('presence:subscribe', { userIds: [bob.userId] }), { data: {} });
    assert.deepEqual(await a.hears('presence:changed'), { userId: bob.userId, online: true });
    b[Symbol.dispose]();
    const gone = await a.hears('presence:changed', ({ online: isOnline }) => !isOnline);
    assert.match(gone.lastSeenAt, /^\d{4}-.*Z$/);
    using _again = await online(bob);
    await until(() => a.heard.filter(({ event }) => event === 'presence:changed').length === 3);
    await must(api.changeConversation({ userId: alice.userId, token: bob.token, body: { state: 'blocked' } }));
    await until(() => a.heard.filter(({ event }) => event === 'presence:changed').length === 4);
    assert.deepEqual(a.heard.at(-1)?.payload, { userId: bob.userId, online: false });
  });
});

describe('A process that stops', () => {
  it('tells each client when to reconnect, gives up the leases and accepts nobody', async () => {
    const device = await newOwner();
    const other = await startAnotherApi(system, { SOCKET_DRAIN_SECONDS: '1' });
    const client = await connectClient(other.apiUrl, device.token);
    await client.hears('inbox:drained');
    const stopping = other.stop();
    const { reconnectAfterMs } = await client.hears('server:draining');
    assert.ok(reconnectAfterMs >= 0 && reconnectAfterMs <= 1000);
    assert.equal(await client.ended, 'transport close');
    await stopping;
    const lease = (await behind.redis.hgetall(keys.inboxes(device)))[`n${device.deviceId}`];
    assert.equal(lease, undefined);
    using elsewhere = await online(device);
    assert.equal(elsewhere.socket.connected, true);
    await sessions.endAll(device.userId);
  });
});
