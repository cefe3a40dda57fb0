// @rerun never
/**
 * Messages under abuse, on two gateways and over REST and sockets alike: cases K9 to K18 of the catalogue, K20 as far as
 * a client is killed, and B8. Kills of gateways and Redis are in test/journeys/messages.test.ts; K22 is in
 * test/journeys/secrets.test.ts. K18 counts to 10,000 by the counter of the inbox; test/nightly/messages.test.ts sends.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageSend } from '../../contract/messages.ts';
import { contentBytesMax, inboxCountMax } from '../../domain/message.ts';
import {
  acceptEachOther,
  connectClient,
  deviceOf,
  deviceOwner,
  messageTo,
  type TestDevice,
  textOf,
} from '../support/messages.ts';
import { assertLimited, must, startAnotherApi } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, url } = await withSystem();
const other = (await startAnotherApi(system, {})).apiUrl;

/** Two users who have accepted each other, with a device each. */
async function pair(first: number): Promise<[TestDevice, TestDevice]> {
  const [one, another] = [await deviceOwner(system, first), await deviceOwner(system, first + 1)];
  await acceptEachOther(api, one, another);
  return [one, another];
}

const send = ({ token }: TestDevice, { userId }: TestDevice, body: MessageSend, at = url) =>
  api.sendMessage({ userId, token, body, at });
const inboxOf = async ({ token }: TestDevice) => (await must(api.readMessages({ token }))).body;
const textsOf = async (device: TestDevice) => (await inboxOf(device)).items.map(textOf);

describe('The sender of a message', () => {
  it('K9: is the authenticated device, and a body that names another one is refused', async () => {
    const [alice, bob] = await pair(1);
    const body = messageTo([bob], 'forged');
    using socket = await connectClient(other, alice.token);
    const forgeries = [{ from: { userId: bob.userId, deviceId: '1' } }, { senderId: bob.userId }, { source: 'x' }];
    for (const forged of [...forgeries, { sourceDevice: 7 }, { deviceId: '2' }]) {
      const answer = await send(alice, bob, { ...body, ...forged });
      assert.deepEqual([answer.status, answer.body.error_code], [400, 'INVALID_REQUEST']);
      const { error } = await socket.ask('message:send', { userId: bob.userId, ...body, ...forged });
      assert.equal(error.error_code, 'INVALID_REQUEST');
    }
    assert.deepEqual(await textsOf(bob), [], 'nothing was stored');
    await must(send(alice, bob, body));
    const [message] = (await inboxOf(bob)).items;
    assert.deepEqual(message?.from, { userId: alice.userId, deviceId: '1' });
  });

  it('K10: is the device of the session; copies go to own devices only, and nothing else goes there', async () => {
    const [alice, bob] = await pair(3);
    const tablet = await deviceOf(system, alice);
    await must(send(tablet, bob, messageTo([bob], 'by the tablet')));
    assert.deepEqual((await inboxOf(bob)).items[0]?.from, { userId: alice.userId, deviceId: '2' });
    using socket = await connectClient(other, tablet.token);
    for (const [to, type] of [[bob, 'sync'] as const, [alice, 'message'] as const]) {
      const body = messageTo([to], 'misdirected', { type });
      const answer = await send(tablet, to, body);
      assert.deepEqual([answer.status, answer.body.details[0].path], [400, 'messages.0.type']);
      const { error } = await socket.ask('message:send', { userId: to.userId, ...body });
      assert.equal(error.error_code, 'INVALID_REQUEST');
    }
    assert.deepEqual(await textsOf(alice), []);
    await must(send(tablet, alice, messageTo([alice], 'a copy', { type: 'sync' })));
    assert.deepEqual(await textsOf(alice), ['a copy']);
    assert.deepEqual(await textsOf(bob), ['by the tablet']);
  });
});

describe('A message that is sent again', () => {
  it('K11: is stored once, over both transports, on both nodes and in parallel, and keeps its answer', async () => {
    const [alice, bob] = await pair(5);
    const body = messageTo([bob], 'once');
    using socket = await connectClient(other, alice.token);
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        if (index % 2 === 0) return (await must(send(alice, bob, body, index % 4 === 0 ? url : other))).body;
        return (await socket.ask('message:send', { userId: bob.userId, ...body })).data;
      }),
    );
    assert.equal(answers.filter(({ duplicate }) => !duplicate).length, 1);
    const firsts = answers.map(({ messages, serverTimestamp }) => JSON.stringify([messages, serverTimestamp]));
    assert.equal(new Set(firsts).size, 1);
    assert.deepEqual(await textsOf(bob), ['once']);
    await must(
      api.acknowledgeMessages({ token: bob.token, body: { messageIds: [answers[0].messages[0].messageId] } }),
      204,
    );
    assert.equal((await must(send(alice, bob, body, other))).body.duplicate, true);
    assert.deepEqual(await textsOf(bob), [], 'it does not come again');
  });

  it('K11: is refused under the same id with another content', async () => {
    const [alice, bob] = await pair(7);
    const body = messageTo([bob], 'the first');
    await must(send(alice, bob, body));
    const { clientMessageId } = body;
    const another = messageTo([bob], 'another one', { clientMessageId });
    const answer = await send(alice, bob, another, other);
    assert.deepEqual([answer.status, answer.body.error_code], [409, 'CONFLICT']);
    using socket = await connectClient(other, alice.token);
    const { error } = await socket.ask('message:send', { userId: bob.userId, ...another });
    assert.equal(error.error_code, 'CONFLICT');
    assert.deepEqual(await textsOf(bob), ['the first']);
  });
});

describe('A message that is too large', () => {
  it('K14: is refused from one byte over 96 KiB on, and so is one to more devices than exist; nothing is stored', async () => {
    const [alice, bob] = await pair(9);
    const largest = '.'.repeat(contentBytesMax);
    const tooLarge = messageTo([bob], `${largest}.`);
    const answer = await send(alice, bob, tooLarge);
    assert.deepEqual([answer.status, answer.body.details[0].path], [413, 'messages.0.content']);
    using socket = await connectClient(other, alice.token);
    const { error } = await socket.ask('message:send', { userId: bob.userId, ...tooLarge });
    assert.equal(error.error, answer.body.error);
    const many = Array.from({ length: 10_000 }, (_, index) => ({ deviceId: `${index + 1}`, registrationId: 1 }));
    for (const count of [2, 100, 1000, 10_000]) {
      const { status } = await send(alice, bob, messageTo([bob, ...many.slice(1, count)], '.'));
      assert.ok([400, 409, 413].includes(status), `${count} devices: ${status}`);
    }
    assert.equal((await inboxOf(bob)).items.length, 0);
    await must(send(alice, bob, messageTo([bob], largest)));
    assert.deepEqual(await textsOf(bob), [largest]);
  });
});

describe('The inbox of a device', () => {
  it('K16: is emptied by that device only', async () => {
    const [alice, bob] = await pair(11);
    const tablet = await deviceOf(system, bob);
    await must(send(alice, bob, messageTo([bob, tablet], 'for both')));
    const [message] = (await inboxOf(bob)).items;
    const messageId = message?.messageId ?? '';
    using socket = await connectClient(other, alice.token);
    const { token } = alice;
    await must(api.acknowledgeMessages({ token, body: { messageIds: [messageId] } }), 204);
    assert.deepEqual(await socket.ask('message:ack', { messageIds: [messageId] }), { data: {} });
    assert.equal((await api.acknowledgeMessage({ token, messageId })).status, 404);
    assert.deepEqual(await textsOf(bob), ['for both']);
    await must(api.acknowledgeMessage({ token: tablet.token, messageId, at: other }), 204);
    assert.deepEqual([await textsOf(tablet), await textsOf(bob)], [[], ['for both']]);
    await must(api.acknowledgeMessage({ token: bob.token, messageId }), 204);
    assert.deepEqual(await textsOf(bob), []);
  });

  it('K18: is protected by a limit on each sender, which a refused try does not prolong', async () => {
    const [alice, bob] = await pair(13);
    const carol = await deviceOwner(system, 15);
    await acceptEachOther(api, carol, bob);
    const narrow = (await startAnotherApi(system, { LIMIT_MESSAGES_PER_PAIR: '5/3600' })).apiUrl;
    for (let index = 0; index < 5; index++) await must(send(alice, bob, messageTo([bob], `${index}`), narrow));
    const refused = [];
    for (let index = 0; index < 3; index++) refused.push(await send(alice, bob, messageTo([bob], 'more'), narrow));
    for (const answer of refused) assertLimited(answer, 'messages-per-pair', 3600);
    const waits = refused.map(({ body }) => body.retry_after_seconds);
    assert.deepEqual(
      waits,
      waits.toSorted((a, b) => b - a),
      'the time is not pushed back',
    );
    await must(send(carol, bob, messageTo([bob], 'of another sender'), narrow));
    assert.deepEqual(await textsOf(bob), ['0', '1', '2', '3', '4', 'of another sender']);
  });

  it('K18: that is full makes senders wait; its device gets everything and makes room', async () => {
    const [alice, bob] = await pair(16);
    await must(send(alice, bob, messageTo([bob], 'the first')));
    await behind.redis.hset(`inboxes:{${bob.userId}}`, 'c1', inboxCountMax - 1);
    await must(send(alice, bob, messageTo([bob], 'the last')));
    const answer = await send(alice, bob, messageTo([bob], 'too many'), other);
    assert.deepEqual([answer.status, answer.body.error_code, answer.body.limit], [429, 'RATE_LIMITED', 'inbox']);
    using drain = await connectClient(other, bob.token);
    await drain.hears('inbox:drained');
    assert.deepEqual(drain.messages.map(textOf), ['the first', 'the last']);
    await must(send(alice, bob, messageTo([bob], 'room again')));
    await drain.hears('message:new', (message) => textOf(message) === 'room again');
  });

  it('K18: of a linked device that is full stops no sender, and the device is told what it lost', async () => {
    const [alice, bob] = await pair(18);
    const tablet = await deviceOf(system, bob);
    const both = [bob, tablet];
    await must(send(alice, bob, messageTo(both, 'before')));
    await behind.redis.hset(`inboxes:{${bob.userId}}`, 'c2', inboxCountMax);
    await must(send(alice, bob, messageTo(both, 'beyond')));
    await must(send(alice, bob, messageTo(both, 'further'), other));
    assert.deepEqual(await textsOf(bob), ['before', 'beyond', 'further']);
    using late = await connectClient(other, tablet.token);
    const gap = await late.hears('inbox:gap');
    assert.deepEqual([gap.reason, gap.count], ['overflow', inboxCountMax + 2]);
    await late.hears('inbox:drained');
    await must(send(alice, bob, messageTo(both, 'after')));
    await late.hears('message:new');
    assert.deepEqual(late.messages.map(textOf), ['after']);
  });
});

describe('A client that is killed between receipt and acknowledgement', () => {
  it('K20: gets the messages again on the other node, under the same ids and in order', async () => {
    const [alice, bob] = await pair(20);
    const ids: string[] = [];
    const receive = async (text: string) => {
      const { body } = await must(send(alice, bob, messageTo([bob], text)));
      ids.push(body.messages[0]?.messageId ?? '');
    };
    await receive('waiting');
    using first = await connectClient(url, bob.token, { isAcknowledging: false });
    await first.hears('inbox:page');
    first.cut();
    using second = await connectClient(other, bob.token, { isAcknowledging: false });
    await second.hears('inbox:page');
    await receive('live');
    second.cut();
    await receive('meanwhile');
    using third = await connectClient(url, bob.token);
    await third.hears('inbox:drained');
    assert.deepEqual(
      third.messages.map(({ messageId }) => messageId),
      ids,
    );
    assert.deepEqual(third.messages.map(textOf), ['waiting', 'live', 'meanwhile']);
    third.cut();
    using last = await connectClient(other, bob.token);
    await last.hears('inbox:drained');
    const left = await inboxOf(bob);
    assert.deepEqual([left.items, last.messages.filter(({ messageId }) => !ids.includes(messageId))], [[], []]);
  });
});

describe('A device that has replaced another one under its id', () => {
  it('B8: gets nothing that was encrypted for the former one: senders get 410 with its id, and no old key', async () => {
    const [alice, bob] = await pair(22);
    const former = await deviceOf(system, bob);
    await must(send(alice, bob, messageTo([bob, former], 'before')));
    await must(api.revokeDevice({ deviceId: former.deviceId, token: bob.token }));
    const registrationId = (former.registrationId % 16_383) + 1;
    const next = await deviceOf(system, bob, { registrationId });
    assert.equal(next.deviceId, former.deviceId);
    const stale = await send(alice, bob, messageTo([former, { deviceId: '5', registrationId: 1 }], 'stale'), other);
    const { error_code, staleDevices } = stale.body as unknown as Record<string, unknown>;
    assert.deepEqual([stale.status, error_code, staleDevices], [410, 'GONE', ['2']], '410 wins over 409');
    assert.deepEqual(await textsOf(next), []);
    const { body } = await must(api.takeKeys({ userId: bob.userId, token: alice.token }));
    assert.deepEqual(
      body.devices.map((device) => device.registrationId),
      [bob.registrationId, registrationId],
    );
    await must(send(alice, bob, messageTo([bob, next], 'after')));
    assert.deepEqual(await textsOf(next), ['after']);
  });
});
