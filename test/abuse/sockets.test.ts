// @rerun never
/**
 * Socket.IO under abuse, by plain clients and raw connections on two gateways: cases L1 to L17. Two sizes are reduced for
 * the time of the gate: L2 has 5 silent connections instead of 2,000, and L17 cuts the network 15 times instead of 100;
 * test/nightly/messages.test.ts has the full ones.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createTokens } from '../../api/tokens.ts';
import { readConfig } from '../../platform/config/config.ts';
import {
  acceptEachOther,
  type Client,
  connectClient,
  deviceOf,
  deviceOwner,
  messageTo,
  type TestDevice,
  textOf,
} from '../support/messages.ts';
import { handshake, openRawSocket, webSocketQuery } from '../support/raw-sockets.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, api, url } = await withSystem();
const other = (await startAnotherApi(system, {})).apiUrl;
// one connection says nothing while the other tests run, and a later one hears its first heartbeat after 25 s
const silent = await handshake(other);
const lively = await connectClient(other, (await deviceOwner(system, 99)).token);
const firstOfBoth = Promise.race([
  silent.closed.then(() => 'closed'),
  new Promise((done) => lively.socket.io.once('ping', () => done('heartbeat'))),
]);
after(() => {
  for (const one of [silent, lively]) one[Symbol.dispose]();
});

/** Two users who have accepted each other, with a device each. */
async function pair(first: number): Promise<[TestDevice, TestDevice]> {
  const [one, another] = [await deviceOwner(system, first), await deviceOwner(system, first + 1)];
  await acceptEachOther(api, one, another);
  return [one, another];
}

/** Returns why a connection is refused. */
async function refusalOf(token: unknown, options: Parameters<typeof connectClient>[2] = {}, at = url) {
  const err = await connectClient(at, token as string, options).then(
    (client) => {
      client[Symbol.dispose]();
      assert.fail('connected');
    },
    (error: Error & { data?: Record<string, unknown> }) => error,
  );
  const { request_id: _, ...data } = err.data ?? {};
  return { message: err.message, data };
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

/** Issues an access token of the session of a device. */
async function tokenOf({ userId, token, deviceId }: TestDevice, seconds: number): Promise<string> {
  const { sid } = claimsOf(token);
  const config = readConfig('api', system.processes.env('api'));
  const tokens = createTokens({ ...config, JWT_EXPIRATION: seconds });
  return tokens.sign({ userId, sessionId: sid, deviceId, roles: ['user'] });
}

/** The server answers a client as always. */
async function assertServed(client: Client): Promise<void> {
  assert.deepEqual(await client.ask('presence:subscribe', { userIds: [] }), { data: {} });
}

/** Sends texts to a device one after the other. */
async function sendAll(from: TestDevice, to: TestDevice, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    await must(api.sendMessage({ userId: to.userId, token: from.token, body: messageTo([to], text) }));
  }
}

describe('A connection', () => {
  it('L1: needs a valid access token; every other one gets the same refusal, and no event is handled', async () => {
    const device = await deviceOwner(system, 1);
    const [head = '', claims = ''] = device.token.split('.');
    const forged = await refusalOf(`${head}.${claims}.${'A'.repeat(43)}`);
    assert.equal(forged.data.error_code, 'INVALID_TOKEN');
    for (const token of [await tokenOf(device, -60), device.refreshToken, 'x', claims]) {
      assert.deepEqual(await refusalOf(token, {}, other), forged, token);
    }
    const absent = await refusalOf(undefined);
    assert.equal(absent.data.error_code, 'UNAUTHORIZED');
    for (const token of [7, null, [device.token], { $ne: '' }, `Bearer ${device.token}`])
      assert.deepEqual(await refusalOf(token), absent);
    using raw = await openRawSocket(url);
    await raw.gets('0');
    raw.send('40');
    await raw.gets('44');
    raw.send('420["presence:subscribe",{"userIds":[]}]');
    await raw.closed;
    assert.ok(!raw.packets.some((packet) => packet.startsWith('43')), 'the request is not answered');
  });

  it('L2: that says nothing counts for its address, and no other address waits for it', async () => {
    const narrow = (await startAnotherApi(system, { SOCKETS_PER_ADDRESS: '5' })).apiUrl;
    const from = '127.0.0.21';
    const open = await Promise.all(Array.from({ length: 5 }, () => handshake(narrow, { from })));
    assert.deepEqual(new Set(open.map(({ status }) => status)), new Set([101]));
    const { status } = await handshake(narrow, { from });
    assert.ok([429, 503].includes(status), `${status}`);
    const device = await deviceOwner(system, 2);
    using client = await connectClient(narrow, device.token, { from: '127.0.0.22' });
    await assertServed(client);
    for (const one of open) one[Symbol.dispose]();
    await until(async () => {
      using again = await handshake(narrow, { from });
      return again.status === 101;
    });
  });

  it('L4: ends with its session, on every node, with the reason', async () => {
    const owner = await deviceOwner(system, 3);
    const tablet = await deviceOf(system, owner);
    using first = await connectClient(url, owner.token);
    using second = await connectClient(other, tablet.token);
    await must(api.revokeDevice({ deviceId: tablet.deviceId, token: owner.token }));
    assert.equal((await second.hears('session:ended')).reason, 'revoked');
    await second.ended;
    await assertServed(first);
    await must(api.logOut({ token: owner.token, body: {}, at: other }), 204);
    assert.equal((await first.hears('session:ended')).reason, 'loggedOut');
    await first.ended;
    for (const token of [owner.token, tablet.token]) await refusalOf(token);
  });

  it('L4: goes on with a new token of the same session and device, and with no other one', async () => {
    const [owner, stranger] = [await deviceOwner(system, 4), await deviceOwner(system, 5)];
    const tablet = await deviceOf(system, owner);
    using client = await connectClient(url, await tokenOf(owner, 30));
    await client.hears('session:expiring');
    for (const accessToken of [stranger.token, tablet.token, await tokenOf(owner, -60), owner.refreshToken]) {
      const { error } = await client.ask('auth:renew', { accessToken });
      assert.match(error.error_code, /^(UNAUTHORIZED|INVALID_TOKEN)$/);
    }
    const { body } = await must(api.refreshTokens({ body: { refreshToken: owner.refreshToken } }));
    const { data } = await client.ask('auth:renew', { accessToken: body.accessToken });
    assert.equal(Date.parse(data.expiresAt), claimsOf(body.accessToken).exp * 1000);
    await assertServed(client);
  });

  it('L5: is not recovered without authentication: ids and offsets of an earlier one are worth nothing', async () => {
    const device = await deviceOwner(system, 6);
    using first = await connectClient(url, device.token);
    const { id: pid, recovered = false } = first.socket;
    assert.deepEqual([recovered, (first.socket as unknown as { _pid?: string })._pid], [false, undefined]);
    first.cut();
    await must(api.logOut({ token: device.token, body: {} }), 204);
    const auth = { pid, offset: '0' };
    const refused = await refusalOf(device.token, { auth });
    assert.match(String(refused.data.error_code), /^(UNAUTHORIZED|INVALID_TOKEN)$/);
    assert.equal((await refusalOf(undefined, { auth })).data.error_code, 'UNAUTHORIZED');
  });

  it('L6: is refused to foreign pages, needs its token whatever cookies it has, and never polls', async () => {
    const statusFrom = async (headers: Record<string, string>) => {
      using answer = await handshake(url, { headers });
      return answer.status;
    };
    for (const Origin of ['https://evil.example', 'null', `${url}.evil.example`, 'file://']) {
      assert.equal(await statusFrom({ Origin }), 403, Origin);
    }
    for (const headers of [{}, { Origin: url }] as Record<string, string>[])
      assert.equal(await statusFrom(headers), 101);
    const device = await deviceOwner(system, 7);
    const headers = { Cookie: `token=${device.token}; io=${device.token}`, Authorization: `Bearer ${device.token}` };
    assert.equal((await refusalOf(undefined, { headers })).data.error_code, 'UNAUTHORIZED');
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const polled = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, {
        method,
        headers: { ...headers, Origin: 'https://evil.example' },
      });
      assert.equal(polled.headers.get('access-control-allow-origin'), null);
      if (method !== 'OPTIONS') assert.ok(polled.status >= 400 && polled.status < 500, `${method} ${polled.status}`);
    }
  });
});

describe('An event', () => {
  it('L7: enters no room: nobody gets what is meant for another user, device or link', async () => {
    const [alice, bob] = await pair(8);
    const eve = await deviceOwner(system, 10);
    using victim = await connectClient(url, bob.token);
    using listener = await connectClient(url, eve.token);
    const rooms = [bob.userId, `${bob.userId}:1`, `user:${bob.userId}`, victim.socket.id];
    for (const event of [
      'join',
      'subscribe',
      'room:join',
      'device-link:subscribe',
      'presence:changed',
      'message:new',
    ]) {
      for (const room of rooms) {
        const answer = await listener.ask(event as never, room);
        assert.ok('error' in answer, `${event}: ${JSON.stringify(answer)}`);
      }
    }
    for (const userId of [bob.userId, alice.userId, 'nobody']) {
      const { error } = await listener.ask('presence:subscribe', { userIds: [userId] });
      assert.equal(error.error_code, 'FORBIDDEN');
    }
    await sendAll(alice, bob, ['for bob']);
    await victim.hears('message:new');
    await assertServed(listener);
    const heard = listener.heard.map(({ event }) => event);
    assert.deepEqual(
      heard.filter((event) => event !== 'inbox:drained' && event !== 'keys:low'),
      [],
    );
  });

  it('L8: of more than 1 MiB closes its connection with 1009, and disturbs no other one', async () => {
    const [alice, bob] = await pair(11);
    using honest = await connectClient(url, bob.token);
    using raw = await openRawSocket(url);
    await raw.gets('0');
    raw.send(`40${JSON.stringify({ token: alice.token })}`);
    await raw.gets('40');
    raw.send(`420["presence:subscribe",${JSON.stringify({ userIds: ['x'.repeat(1_048_576)] })}]`);
    assert.equal(await raw.closed, 1009);
    await assertServed(honest);
    const body = '.'.repeat(1_048_577);
    const polled = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'POST', body });
    assert.ok([400, 413].includes(polled.status), `${polled.status}`);
  });

  it('L12: with other arguments gets an error, without an acknowledgement nothing; the connection stays', async () => {
    const device = await deviceOwner(system, 13);
    using client = await connectClient(url, device.token);
    const { socket } = client;
    const bodies = [
      null,
      7,
      'text',
      true,
      [],
      [{}],
      {},
      { userId: 7 },
      { userIds: 'x' },
      { messageIds: [] },
      { __proto__: 1 },
    ];
    const numbers = Array.from({ length: 400_000 }, () => 0);
    for (const event of ['auth:renew', 'message:send', 'message:ack', 'receipt:send', 'typing:send'] as const) {
      for (const body of [...bodies, ...(event === 'message:ack' ? [{ messageIds: numbers }, numbers] : [])]) {
        const { error } = await client.ask(event, body);
        assert.equal(error.error_code, 'INVALID_REQUEST', `${event} ${JSON.stringify(body).slice(0, 80)}`);
      }
      socket.emit(event, null as never, undefined as never);
      socket.emit(event, ...([] as unknown as [never, never]));
    }
    const values = await (socket.emitWithAck as (...values: unknown[]) => Promise<{ error?: unknown }>)(
      'message:ack',
      ...Array.from({ length: 1000 }, () => ({})),
    );
    assert.ok(values.error);
    await assertServed(client);
  });

  it('L13: is one of too many: a flood is refused, then its connection is closed with 1008; others are served', async () => {
    const [alice, bob] = await pair(14);
    using honest = await connectClient(url, bob.token);
    using flood = await connectClient(url, alice.token);
    const closed = new Promise<number>((done) => {
      flood.socket.once('disconnect', (_reason, details) => done((details as { context: CloseEvent }).context.code));
    });
    const codes = new Set<unknown>();
    for (let index = 0; index < 10_000; index++) {
      flood.socket.emit('typing:send', { userId: bob.userId, active: true }, (answer) => {
        codes.add('error' in answer ? answer.error.error_code : 'data');
      });
    }
    await assertServed(honest);
    assert.equal(await closed, 1008);
    codes.delete('data');
    assert.deepEqual(codes, new Set(['RATE_LIMITED']));
    await assertServed(honest);
  });
});

describe('A delivery', () => {
  it('L14: to a client that does not acknowledge is bounded, in a backlog and live; nothing is lost', async () => {
    const [alice, bob] = await pair(16);
    const large = (name: string) => Array.from({ length: 100 }, (_, index) => `${name}${index} `.padEnd(16_384, '.'));
    await sendAll(alice, bob, large('a'));
    const countAfterAnswer = async (client: Client) => {
      await assertServed(client);
      return client.messages.length;
    };
    using stuck = await connectClient(url, bob.token, { isAcknowledging: false });
    await stuck.hears('inbox:page');
    // 1 MiB of content in base64
    assert.ok((await countAfterAnswer(stuck)) <= 49);
    stuck.cut();
    using reader = await connectClient(url, bob.token);
    await reader.hears('inbox:drained');
    assert.deepEqual(reader.messages.map(textOf), large('a'));
    reader.cut();
    using live = await connectClient(other, bob.token, { isAcknowledging: false });
    await live.hears('inbox:drained');
    const texts = Array.from({ length: 100 }, (_, index) => `b${index}`);
    await sendAll(alice, bob, texts);
    await until(() => live.messages.length === 64);
    assert.equal(await countAfterAnswer(live), 64);
    const messageIds = live.messages.map(({ messageId }) => messageId);
    await live.ask('message:ack', { messageIds });
    await until(() => live.messages.length === 100);
    assert.deepEqual(live.messages.map(textOf), texts);
  });

  it('L16: does not go to a connection that uses the transport id of another one', async () => {
    const [alice, bob] = await pair(18);
    using victim = await connectClient(url, bob.token);
    const sid = victim.socket.io.engine.id;
    assert.match(sid, /^[\w-]{20,}$/);
    assert.notEqual(sid, victim.socket.id);
    const post = { method: 'POST', body: '42["message:ack",{"messageIds":["1-1"]}]' };
    const polled = await fetch(`${url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, post);
    assert.ok(polled.status >= 400 && polled.status < 500, `${polled.status}`);
    using thief = await openRawSocket(url, `${webSocketQuery}&sid=${sid}`);
    try {
      thief.send('2probe');
      thief.send('5');
    } catch {
      // it is closed already
    }
    await sendAll(alice, bob, ['secret']);
    await victim.hears('message:new');
    await assertServed(victim);
    assert.ok(!thief.packets.some((packet) => packet.includes('secret') || packet.includes('message')));
  });

  it('L17: that is cut again and again, on changing nodes, brings every message once by its id and in order', async () => {
    const [alice, bob] = await pair(20);
    const [cutsMax, nodes] = [15, [url, other]];
    const received = new Map<string, string>();
    const keep = ({ messages }: Client) => {
      for (const message of messages) received.set(message.messageId, textOf(message));
    };
    using sender = await connectClient(url, alice.token);
    let cuts = 0;
    const texts: string[] = [];
    const sending = (async () => {
      while (cuts < cutsMax) {
        texts.push(`${texts.length}`);
        const answer = await sender.ask('message:send', {
          userId: bob.userId,
          ...messageTo([bob], `${texts.length - 1}`),
        });
        assert.ok(answer.data, JSON.stringify(answer));
      }
    })();
    for (; cuts < cutsMax; cuts++) {
      using client = await connectClient(nodes[cuts % 2] ?? url, bob.token);
      await until(() => client.messages.length > 0);
      client.cut();
      await client.ended;
      keep(client);
    }
    await sending;
    using last = await connectClient(other, bob.token);
    await last.hears('inbox:drained');
    keep(last);
    assert.deepEqual([...received.values()], texts);
  });
});

describe('A raw connection', () => {
  it('L2: that never sends a handshake is closed, before the first heartbeat of a later one', async () => {
    assert.equal(silent.status, 101);
    assert.equal(await firstOfBoth, 'closed');
  });
});
