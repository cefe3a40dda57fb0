// @rerun never
/**
 * The cases of messages and sockets whose full size or time the gate has no room for: K18 with every message sent, L2 with
 * 2,000 silent connections, L4 and L14 with the times of the contract, L17 with a hundred cuts.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createTokens } from '../../api/tokens.ts';
import { inboxCountMax } from '../../domain/message.ts';
import { readConfig } from '../../platform/config/config.ts';
import {
  acceptEachOther,
  connectClient,
  deviceOwner,
  messageTo,
  type TestDevice,
  textOf,
} from '../support/messages.ts';
import { handshake } from '../support/raw-sockets.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, api, url } = await withSystem();
const other = (await startAnotherApi(system, {})).apiUrl;

/** Two users who have accepted each other, with a device each. */
async function pair(first: number): Promise<[TestDevice, TestDevice]> {
  const [one, another] = [await deviceOwner(system, first), await deviceOwner(system, first + 1)];
  await acceptEachOther(api, one, another);
  return [one, another];
}

describe('An inbox', () => {
  it('K18: takes 10,000 of 100,000 messages, refuses the others with the reason, and gives all of them in order', async () => {
    const [alice, bob] = await pair(1);
    let [taken, refused] = [0, 0];
    const lane = async (first: number) => {
      for (let index = first; index < 100_000; index += 32) {
        const body = messageTo([bob], `${index}`);
        const answer = await api.sendMessage({ userId: bob.userId, token: alice.token, body });
        if (answer.status === 200) taken++;
        else {
          assert.deepEqual([answer.status, answer.body.limit], [429, 'inbox']);
          refused++;
        }
      }
    };
    await Promise.all(Array.from({ length: 32 }, (_, first) => lane(first)));
    assert.deepEqual([taken, refused], [inboxCountMax, 100_000 - inboxCountMax]);
    using reader = await connectClient(other, bob.token);
    await reader.hears('inbox:drained');
    assert.equal(new Set(reader.messages.map(textOf)).size, inboxCountMax);
    await must(api.sendMessage({ userId: bob.userId, token: alice.token, body: messageTo([bob], 'room') }));
  });
});

describe('A connection', () => {
  it('L2: that says nothing is closed before the first heartbeat of a later one, 2,000 of them too', async (t) => {
    const wide = (await startAnotherApi(system, { SOCKETS_PER_ADDRESS: '2000' })).apiUrl;
    const beganAt = performance.now();
    let closed = 0;
    const openSilent = async () => {
      const one = await handshake(wide);
      void one.closed.then(() => closed++);
      return one;
    };
    const open = await Promise.all(Array.from({ length: 2000 }, openSilent));
    assert.ok(open.every(({ status }) => status === 101));
    using lively = await connectClient(wide, (await deviceOwner(system, 9)).token, { from: '127.0.0.22' });
    const heartbeat = new Promise((done) => lively.socket.io.once('ping', () => done('heartbeat')));
    using further = await handshake(wide);
    // the end of a connection arrives before the answer to a later request, so that there is room only after an end
    await setImmediate();
    assert.ok(further.status !== 101 || closed > 0, 'more than 2,000 of one address');
    const openAt = performance.now();
    const allClosed = Promise.all(open.map((one) => one.closed)).then(() => 'closed');
    assert.equal(await Promise.race([allClosed, heartbeat]), 'closed');
    t.diagnostic(`opened in ${openAt - beganAt} ms, closed ${performance.now() - openAt} ms later`);
    using again = await handshake(wide);
    assert.equal(again.status, 101);
  });

  it('L4: closes within a second after its session has ended, and 30 s after its token', async () => {
    const [owner, another] = await pair(3);
    using revoked = await connectClient(other, another.token);
    const loggedOutAt = performance.now();
    await must(api.logOut({ token: another.token, body: {} }), 204);
    await revoked.ended;
    assert.ok(performance.now() - loggedOutAt < 1000);
    const { sid } = JSON.parse(Buffer.from(owner.token.split('.')[1] ?? '', 'base64url').toString());
    const tokens = createTokens({ ...readConfig('api', system.processes.env('api')), JWT_EXPIRATION: 5 });
    const token = await tokens.sign({ userId: owner.userId, sessionId: sid, deviceId: '1', roles: ['user'] });
    using expired = await connectClient(url, token);
    const beganAt = performance.now();
    await expired.hears('session:expiring');
    await expired.ended;
    const seconds = (performance.now() - beganAt) / 1000;
    assert.ok(seconds > 33 && seconds < 40, `${seconds} s`);
    assert.deepEqual(expired.heard.at(-1), { event: 'session:ended', payload: { reason: 'expired' } });
  });

  it('L14: that acknowledges nothing for 60 s is closed and loses nothing', async () => {
    const [alice, bob] = await pair(5);
    for (let index = 0; index < 200; index++) {
      await must(api.sendMessage({ userId: bob.userId, token: alice.token, body: messageTo([bob], `${index}`) }));
    }
    using stuck = await connectClient(url, bob.token, { isAcknowledging: false });
    const beganAt = performance.now();
    await stuck.ended;
    const seconds = (performance.now() - beganAt) / 1000;
    assert.ok(seconds > 58 && seconds < 75, `${seconds} s`);
    assert.equal(stuck.messages.length, 64);
    using reader = await connectClient(other, bob.token);
    await reader.hears('inbox:drained');
    assert.deepEqual(
      reader.messages.map(textOf),
      Array.from({ length: 200 }, (_, index) => `${index}`),
    );
  });

  it('L17: that is cut 100 times on changing nodes brings every message once by its id and in order', async () => {
    const [alice, bob] = await pair(7);
    const received = new Map<string, string>();
    const texts: string[] = [];
    let cuts = 0;
    const sending = (async () => {
      for (; cuts < 100; texts.push(`${texts.length}`)) {
        const body = messageTo([bob], `${texts.length}`);
        await must(api.sendMessage({ userId: bob.userId, token: alice.token, body }));
      }
    })();
    for (; cuts < 100; cuts++) {
      using client = await connectClient(cuts % 2 === 0 ? url : other, bob.token);
      await until(() => client.messages.length > 0);
      client.cut();
      await client.ended;
      for (const message of client.messages) received.set(message.messageId, textOf(message));
    }
    await sending;
    using last = await connectClient(other, bob.token);
    await last.hears('inbox:drained');
    for (const message of last.messages) received.set(message.messageId, textOf(message));
    assert.deepEqual([...received.values()], texts);
  });
});
