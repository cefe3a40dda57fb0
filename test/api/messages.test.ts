// @rerun never
/** Messages by REST, on two api processes: each answer of the contract. Their abuse is in test/abuse/messages.test.ts. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { createArchive } from '../../adapters/mongo/archive.ts';
import { createInboxes } from '../../adapters/redis/inboxes.ts';
import { keys } from '../../adapters/redis/keys.ts';
import type { MessageSend } from '../../contract/messages.ts';
import { contentBytesMax, inboxCountMax, takenAt } from '../../domain/message.ts';
import { newId } from '../../platform/crypto.ts';
import { startDatabaseGate } from '../support/database-gate.ts';
import { makeDevice } from '../support/device-keys.ts';
import { deviceOf, deviceOwner, messageTo, type TestDevice, textOf } from '../support/messages.ts';
import { assertLimited, must, startAnotherApi } from '../support/registrations.ts';
import { createRestClient, type RestClient } from '../support/rest-client.ts';
import { eventually } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, person } = await withSystem({ LIMIT_MESSAGES_PER_DEVICE: '30/3600' });
const other = createRestClient(
  (await startAnotherApi(system, { LIMIT_MESSAGES_PER_PAIR: '10/3600', LIMIT_MESSAGES_PER_RECIPIENT: '15/3600' }))
    .apiUrl,
);
const inboxes = createInboxes(behind.redis);
const archive = createArchive(behind.database);

let people = 0;
const newOwner = () => deviceOwner(system, people++);

/** Two users who have accepted each other, with a device each. */
async function newPair(client: RestClient = api): Promise<[TestDevice, TestDevice]> {
  const [one, another] = [await newOwner(), await newOwner()];
  for (const [from, to] of [[one, another] as const, [another, one] as const]) {
    const accept = { userId: to.userId, token: from.token, body: { state: 'accepted' } } as const;
    await must(client.changeConversation(accept));
  }
  return [one, another];
}

const send = ({ token }: TestDevice, { userId }: { userId: string }, body: MessageSend, client: RestClient = api) =>
  client.sendMessage({ userId, token, body });
const inboxOf = async ({ token }: TestDevice, query = {}) => (await must(api.readMessages({ token, query }))).body;
const textsOf = async (device: TestDevice) => (await inboxOf(device)).items.map(textOf);
/** Moves what waits for a device to its archive. */
async function moveToArchive({ userId, deviceId }: TestDevice): Promise<void> {
  const [state] = await inboxes.readStates(userId);
  const device = { userId, deviceId, createdAt: state?.createdAt ?? 0 };
  const moveId = newId();
  const { entries = [] } = (await inboxes.beginMove(device, moveId, Date.now() + 60_000)) ?? {};
  await archive.put([{ ...device, moveId, entries }]);
  assert.ok(await inboxes.finishMove(device, moveId, entries));
}

const keysOf = ({ userId }: TestDevice) => behind.keys(`*{${userId}}*`);

describe('PUT /messages/{userId}', () => {
  it('stores a copy for every device, which waits until that device acknowledges it', async () => {
    const [alice, bob] = await newPair();
    const tablet = await deviceOf(system, bob);
    const body = messageTo([bob, tablet], 'hello', { timestamp: '2026-11-30T12:00:00.123Z' });
    const { body: sent } = await must(send(alice, bob, body));
    const [copy, another] = sent.messages;
    assert.deepEqual([copy?.deviceId, another?.deviceId], ['1', '2']);
    assert.equal(sent.needsSync, false);
    assert.equal(sent.duplicate, undefined);
    assert.equal(Date.parse(sent.serverTimestamp), takenAt(copy?.messageId ?? ''));
    const message = {
      messageId: copy?.messageId,
      from: { userId: alice.userId, deviceId: '1' },
      type: 'message',
      content: body.messages[0]?.content,
      timestamp: '2026-11-30T12:00:00.123Z',
      serverTimestamp: sent.serverTimestamp,
    };
    assert.deepEqual(await inboxOf(bob), { items: [message], nextCursor: null });
    await must(api.acknowledgeMessages({ token: bob.token, body: { messageIds: [message.messageId ?? ''] } }), 204);
    assert.deepEqual(await textsOf(bob), []);
    assert.deepEqual(await textsOf(tablet), ['hello'], 'the other device still has it');
  });

  it('refuses a content that is not base64 or too large, and stores nothing', async () => {
    const [alice, bob] = await newPair();
    const before = await keysOf(bob);
    const withContent = (content: string) => {
      const body = messageTo([bob], 'x');
      return { ...body, messages: body.messages.map((one) => ({ ...one, content })) };
    };
    for (const content of ['', 'a', 'ab-_', 'abc', 'YQ==YQ==', 'a b=']) {
      const { body } = await must(send(alice, bob, withContent(content)), 400);
      assert.equal(body.details[0].path, 'messages.0.content', content);
    }
    const large = randomBytes(contentBytesMax + 1).toString('base64');
    const { body } = await must(send(alice, bob, withContent(large)), 413);
    assert.deepEqual([body.error_code, body.details[0].path], ['INVALID_REQUEST', 'messages.0.content']);
    assert.deepEqual(await keysOf(bob), before);
    await must(send(alice, bob, withContent(randomBytes(contentBytesMax).toString('base64'))));
    const [item] = (await inboxOf(bob)).items;
    assert.equal(Buffer.from(item?.content ?? '', 'base64').length, contentBytesMax);
  });

  it('takes nothing for users who are unknown or have no device', async () => {
    const alice = await newOwner();
    const { userId } = await person(people++);
    for (const unknown of [newId(), userId, 'nobody', '{x}', `${alice.userId}0`]) {
      const { body } = await must(send(alice, { userId: unknown }, messageTo([alice], 'x')), 404);
      assert.equal(body.error_code, 'NOT_FOUND');
    }
    assert.deepEqual(await keysOf({ ...alice, userId }), []);
    assert.equal((await api.readConversation({ userId, token: alice.token })).status, 404, 'nobody was accepted');
  });

  it('names the devices that are missing, and those that are too many', async () => {
    const [alice, bob] = await newPair();
    const tablet = await deviceOf(system, bob);
    const third = { deviceId: '3', registrationId: 7 };
    const refused = async (devices: Parameters<typeof messageTo>[0]) => {
      const { body } = await must(send(alice, bob, messageTo(devices, 'x')), 409);
      assert.equal(body.error_code, 'CONFLICT');
      return [body.missingDevices, body.extraDevices];
    };
    assert.deepEqual(await refused([bob]), [['2'], []]);
    assert.deepEqual(await refused([bob, tablet, third]), [[], ['3']]);
    assert.deepEqual(await refused([third]), [['1', '2'], ['3']]);
    assert.deepEqual(await refused([]), [['1', '2'], []]);
    await must(send(alice, bob, messageTo([tablet, bob], 'to both')));
    assert.deepEqual([await textsOf(bob), await textsOf(tablet)], [['to both'], ['to both']]);
  });

  it('names devices that were replaced, before those that are missing', async () => {
    const [alice, bob] = await newPair();
    const tablet = await deviceOf(system, bob);
    const old = { ...tablet, registrationId: (tablet.registrationId % 16_383) + 1 };
    for (const devices of [[bob, old], [old], [old, { deviceId: '9', registrationId: 1 }]]) {
      const { body } = await must(send(alice, bob, messageTo(devices, 'x')), 410);
      assert.deepEqual([body.error_code, body.staleDevices], ['GONE', ['2']]);
    }
    assert.deepEqual(await textsOf(bob), []);
  });

  it('knows devices that were added and removed since the last message', async () => {
    const [alice, bob] = await newPair();
    await must(send(alice, bob, messageTo([bob], 'to one')));
    const tablet = await deviceOf(system, bob);
    await must(send(alice, bob, messageTo([bob, tablet], 'to both')));
    await must(api.revokeDevice({ token: bob.token, deviceId: tablet.deviceId }));
    const { body } = await must(send(alice, bob, messageTo([bob, tablet], 'x'), other), 409);
    assert.deepEqual([body.missingDevices, body.extraDevices], [[], ['2']]);
    const next = await deviceOf(system, bob, makeDevice(bob.identity));
    assert.equal(next.deviceId, '2');
    const stale = await must(send(alice, bob, messageTo([bob, tablet], 'x')), 410);
    assert.deepEqual(stale.body.staleDevices, ['2']);
    await must(send(alice, bob, messageTo([bob, next], 'to the new one')));
    assert.deepEqual(await textsOf(next), ['to the new one'], 'nothing that was for the removed device');
  });

  it('copies to own devices only what is a copy, and never to the sending device', async () => {
    const [alice, bob] = await newPair();
    const tablet = await deviceOf(system, alice);
    assert.equal((await must(send(alice, bob, messageTo([bob], 'hi')))).body.needsSync, true);
    const sync = messageTo([tablet], 'I said hi', { type: 'sync' });
    assert.equal((await must(send(alice, alice, sync))).body.needsSync, false);
    assert.deepEqual(await textsOf(tablet), ['I said hi']);
    await must(send(alice, alice, messageTo([tablet], 'again', { type: 'retry' })));
    const own = await must(send(alice, alice, messageTo([alice, tablet], 'x', { type: 'sync' })), 409);
    assert.deepEqual([own.body.missingDevices, own.body.extraDevices], [[], ['1']]);
    const none = await must(send(alice, alice, messageTo([], 'x')), 409);
    assert.deepEqual(none.body.missingDevices, ['2']);
    for (const [to, type] of [[alice, 'message'] as const, [alice, 'group'] as const, [bob, 'sync'] as const]) {
      const { body } = await must(send(alice, to, messageTo([to], 'x', { type })), 400);
      assert.equal(body.details[0].path, 'messages.0.type');
    }
    assert.deepEqual((await must(send(bob, bob, messageTo([], 'nobody else')))).body.messages, []);
  });

  it('answers a repeat as the first one, and other content under the same id not at all', async () => {
    const [alice, bob] = await newPair();
    const tablet = await deviceOf(system, bob);
    const body = messageTo([bob, tablet], 'once');
    const first = (await must(send(alice, bob, body))).body;
    for (const [messages, client] of [[body.messages, other] as const, [body.messages.toReversed(), api] as const]) {
      const repeated = (await must(send(alice, bob, { ...body, messages }, client))).body;
      const order = repeated.messages.toSorted((one, another) => one.deviceId.localeCompare(another.deviceId));
      assert.deepEqual({ ...repeated, messages: order }, { ...first, duplicate: true });
    }
    const changed = messageTo([bob, tablet], 'twice', { clientMessageId: body.clientMessageId });
    const { body: refusal } = await must(send(alice, bob, changed), 409);
    assert.deepEqual([refusal.error_code, refusal.missingDevices], ['CONFLICT', undefined]);
    assert.deepEqual([await textsOf(bob), await textsOf(tablet)], [['once'], ['once']]);
    await must(send(bob, alice, messageTo([alice], 'another sender', { clientMessageId: body.clientMessageId })));
  });

  it('keeps nothing of a message that is for connected devices only', async () => {
    const [alice, bob] = await newPair();
    const { body } = await must(send(alice, bob, messageTo([bob], 'now or never', { online: true })));
    assert.equal(body.messages.length, 1);
    assert.deepEqual(await textsOf(bob), []);
  });

  it('is limited by device, by pair and by recipient, and tells when the next message may be sent', async () => {
    const [alice, bob] = await newPair();
    const flood = async (from: TestDevice, to: TestDevice, client: RestClient) => {
      for (let sent = 0; ; sent++) {
        const answer = await send(from, to, messageTo([to], `message ${sent}`), client);
        if (answer.status !== 200) return { answer, sent };
      }
    };
    const byDevice = await flood(alice, bob, api);
    assertLimited(byDevice.answer, 'messages-per-device', 3600);
    assert.equal(byDevice.sent, 30);
    const [carol, dave] = await newPair(other);
    const byPair = await flood(carol, dave, other);
    assertLimited(byPair.answer, 'messages-per-pair', 360);
    assert.equal(byPair.sent, 10);
    const eve = await newOwner();
    await must(other.changeConversation({ userId: eve.userId, token: dave.token, body: { state: 'accepted' } }));
    const byRecipient = await flood(eve, dave, other);
    assertLimited(byRecipient.answer, 'messages-per-recipient', 240);
    assert.equal(byRecipient.sent, 5);
  });

  it('tells no time where waiting does not help: the only device of the user has no room', async () => {
    const [alice, bob] = await newPair();
    await must(send(alice, bob, messageTo([bob], 'the first')));
    await behind.redis.hset(keys.inboxes(bob), 'c1', inboxCountMax);
    const { body, headers } = await must(send(alice, bob, messageTo([bob], 'one too many')), 429);
    assert.deepEqual([body.error_code, body.limit, body.retry_after_seconds], ['RATE_LIMITED', 'inbox', undefined]);
    assert.equal(headers.get('retry-after'), null);
    assert.deepEqual(await textsOf(bob), ['the first']);
  });

  it('needs neither MongoDB nor Temporal between users who know each other', async () => {
    const [alice, bob] = await newPair();
    await must(send(alice, bob, messageTo([bob], 'first')));
    await using gate = await startDatabaseGate(system.ready.databaseUrl);
    const { pathname } = new URL(system.ready.databaseUrl);
    const cut = createRestClient((await startAnotherApi(system, { DATABASE_URL: `${gate.url}${pathname}` })).apiUrl);
    gate.shut();
    await must(send(alice, bob, messageTo([bob], 'second'), cut));
    assert.deepEqual(await textsOf(bob), ['first', 'second']);
  });
});

describe('GET /messages', () => {
  it('pages through the inbox, oldest first', async () => {
    const [alice, bob] = await newPair();
    for (const text of ['1', '2', '3', '4', '5']) await must(send(alice, bob, messageTo([bob], text)));
    const first = await inboxOf(bob, { limit: '2' });
    assert.deepEqual(first.items.map(textOf), ['1', '2']);
    const second = await inboxOf(bob, { limit: '2', cursor: first.nextCursor ?? '' });
    assert.deepEqual(second.items.map(textOf), ['3', '4']);
    const last = await inboxOf(bob, { limit: '2', cursor: second.nextCursor ?? '' });
    assert.deepEqual([last.items.map(textOf), last.nextCursor], [['5'], null]);
    assert.deepEqual(await textsOf(bob), ['1', '2', '3', '4', '5'], 'reading removes nothing');
    for (const query of [{ cursor: 'abc' }, { limit: '0' }, { limit: '101' }]) {
      await must(api.readMessages({ token: bob.token, query }), 400);
    }
  });

  it('ends a page with the first megabyte', async () => {
    const [alice, bob] = await newPair();
    const text = 'x'.repeat(contentBytesMax);
    for (let count = 0; count < 10; count++) await must(send(alice, bob, messageTo([bob], text)));
    const first = await inboxOf(bob);
    assert.equal(first.items.length, 8);
    const rest = await inboxOf(bob, { cursor: first.nextCursor ?? '' });
    assert.deepEqual([rest.items.length, rest.nextCursor], [2, null]);
  });

  it('returns what has moved to the archive before what has not, and removes both', async () => {
    const [alice, bob] = await newPair();
    for (const text of ['1', '2', '3']) await must(send(alice, bob, messageTo([bob], text)));
    await moveToArchive(bob);
    for (const text of ['4', '5']) await must(send(alice, bob, messageTo([bob], text)));
    const first = await inboxOf(bob, { limit: '2' });
    const second = await inboxOf(bob, { limit: '2', cursor: first.nextCursor ?? '' });
    const last = await inboxOf(bob, { limit: '2', cursor: second.nextCursor ?? '' });
    const pages = [first, second, last];
    assert.deepEqual(
      pages.map(({ items }) => items.map(textOf)),
      [['1', '2'], ['3', '4'], ['5']],
    );
    assert.equal(last.nextCursor, null);
    const [oldest = '', ...ids] = pages.flatMap(({ items }) => items.map(({ messageId }) => messageId));
    await must(api.acknowledgeMessage({ token: bob.token, messageId: oldest }), 204);
    await must(api.acknowledgeMessage({ token: bob.token, messageId: oldest }), 404);
    await must(api.acknowledgeMessages({ token: bob.token, body: { messageIds: ids.slice(0, 3) } }), 204);
    assert.deepEqual(await textsOf(bob), ['5']);
    const [state] = await inboxes.readStates(bob.userId);
    assert.deepEqual([state?.count, await archive.count(bob.userId)], [1, 0]);
  });

  it('tells once which messages were lost', async () => {
    const [alice, bob] = await newPair();
    await must(send(alice, bob, messageTo([bob], 'kept')));
    await inboxes.noteGap(bob, { from: 1000, to: 2000, count: 3, reason: 'expired' });
    const gap = { from: '1970-01-01T00:00:01.000Z', to: '1970-01-01T00:00:02.000Z', count: 3, reason: 'expired' };
    const { items, gap: told } = await inboxOf(bob);
    assert.deepEqual([items.map(textOf), told], [['kept'], gap]);
    assert.equal((await inboxOf(bob)).gap, undefined);
    const event = await eventually(async () => (await behind.auditEvents('inbox-gap')).at(-1));
    assert.deepEqual([event.userId, event.metadata.count], [bob.userId, 3]);
  });

  it('needs a device', async () => {
    const { token } = await person(people++);
    assert.equal((await must(api.readMessages({ token }), 403)).body.error_code, 'FORBIDDEN');
    assert.equal((await must(api.acknowledgeMessage({ token, messageId: '1-0' }), 403)).body.error_code, 'FORBIDDEN');
  });
});

describe('Acknowledgements', () => {
  it('ignore ids that the inbox does not have, unless one message is to be deleted', async () => {
    const [alice, bob] = await newPair();
    const { messages } = (await must(send(alice, bob, messageTo([bob], 'once')))).body;
    const messageId = messages[0]?.messageId ?? '';
    for (const unknown of ['1-0', 'nothing', '18446744073709551616-0', `${messageId}0`]) {
      await must(api.acknowledgeMessage({ token: bob.token, messageId: unknown }), 404);
    }
    await must(api.acknowledgeMessage({ token: alice.token, messageId }), 404);
    assert.deepEqual(await textsOf(bob), ['once']);
    const both = { messageIds: ['1-0', messageId] };
    for (let time = 0; time < 2; time++) await must(api.acknowledgeMessages({ token: bob.token, body: both }), 204);
    await must(api.acknowledgeMessage({ token: bob.token, messageId }), 404);
    assert.deepEqual(await textsOf(bob), []);
    const [state] = await inboxes.readStates(bob.userId);
    assert.deepEqual([state?.count, state?.bytes], [0, 0]);
    for (const messageIds of [[], Array(257).fill('1-0'), ['x']]) {
      await must(api.acknowledgeMessages({ token: bob.token, body: { messageIds } }), 400);
    }
  });
});
