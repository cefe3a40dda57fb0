// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import type { SendResult } from '../../../adapters/redis/inbox-sends.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import { compareMessageIds, rememberedSeconds, takenAt } from '../../../domain/message.ts';
import { copyFor, type InboxScene, inboxScene, listenAsNode, mirrored } from '../../support/inboxes.ts';
import { assertLife, atOnce, connectTestRedis, isOnCluster, uniqueName } from '../../support/redis.ts';
import { eventually } from '../../support/until.ts';

let redis: Redis;
before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

const now = Date.now();
const outcomes = (results: SendResult[]) => results.map(({ outcome }) => outcome);

function idOf(result: SendResult): string {
  assert.ok('messageId' in result, JSON.stringify(result));
  return result.messageId;
}

describe('message-send.lua', () => {
  it('gives parallel sends one order: the same ids in every inbox, each once', async () => {
    const { send, ids } = await inboxScene(redis, { devices: ['1', '2'] });
    const results = await atOnce(200, (index) => send(`m${index}`));
    const sent = results.map(idOf).sort(compareMessageIds);
    assert.equal(new Set(sent).size, 200);
    assert.deepEqual(await ids('1'), sent);
    assert.deepEqual(await ids('2'), sent);
  });

  it('keeps the order of one connection', async () => {
    const { send, ids } = await inboxScene(redis);
    const pending = Array.from({ length: 50 }, (_, index) => send(`m${index}`));
    const sent = (await Promise.all(pending)).map(idOf);
    assert.deepEqual(await ids(), sent);
  });

  it('K11 stores parallel repeats on two connections once, and refuses other content under the same id', async () => {
    const other = connectTestRedis();
    const { send, ids, inboxes, sender, userId } = await inboxScene(redis);
    const second = await inboxScene(other);
    const repeat = () => second.send('same', { to: userId, from: sender, content: 'AAAA' });
    const results = await atOnce(40, (index) => (index % 2 === 0 ? send('same') : repeat()));
    assert.equal(outcomes(results).filter((outcome) => outcome === 'stored').length, 1);
    assert.deepEqual(new Set(results.map(idOf)), new Set(await ids()));
    assert.deepEqual(await send('same', { content: 'BBBB' }), { outcome: 'clash' });
    await inboxes.acknowledge({ userId, deviceId: '1' }, await ids());
    assert.equal((await send('same')).outcome, 'duplicate', 'also after it was read');
    other.disconnect();
  });

  it('takes any name of a send', async () => {
    const { send } = await inboxScene(redis);
    for (const name of ['#n', '#0', 'n', '0', 'pair', '#pair']) {
      assert.deepEqual(outcomes([await send(name), await send(name)]), ['stored', 'duplicate'], name);
    }
  });

  it('remembers the last 128 sends of a device, for a day after the last one', async () => {
    const { send, userId, sender } = await inboxScene(redis);
    const key = keys.sentMessages({ userId, senderId: sender.userId, senderDeviceId: '1' });
    for (let index = 0; index < 128; index++) await send(`m${index}`);
    assert.equal((await send('m0')).outcome, 'duplicate');
    await assertLife(redis, { key, seconds: rememberedSeconds }, () => send('m128'));
    assert.deepEqual(outcomes([await send('m1'), await send('m128')]), ['duplicate', 'duplicate']);
    assert.equal((await send('m0')).outcome, 'stored', 'the 129th send took its place');
    assert.equal(await redis.hlen(key), 128 * 2 + 2);
    await assertLife(redis, { key, seconds: rememberedSeconds }, () => send('m128'));
  });

  it('stores nothing before the device set is known, nor where the conversation is not', async () => {
    const { send, inboxes, userId, sender, ids } = await inboxScene(redis);
    await redis.del(keys.conversation({ userId, peerId: sender.userId }));
    assert.deepEqual(await send('m'), { outcome: 'conversation-unknown' });
    assert.equal((await send('m', { conversation: 'a' })).outcome, 'stored');
    assert.equal((await send('n')).outcome, 'stored', 'it is cached');
    await inboxes.writeDevices(userId, undefined);
    assert.deepEqual(await send('o'), { outcome: 'devices-unknown' });
    assert.deepEqual(await ids(), []);
  });

  it('names missing and extra devices; a stale one comes first', async () => {
    const { send, ids } = await inboxScene(redis, { devices: ['1', '2', '3'] });
    const mismatched = await send('m', { messages: [copyFor('1'), copyFor('7'), copyFor('12')] });
    assert.deepEqual(mismatched, { outcome: 'mismatched', missingDevices: ['2', '3'], extraDevices: ['7', '12'] });
    const stale = [{ ...copyFor('3'), registrationId: 9 }, { ...copyFor('1'), registrationId: 9 }, copyFor('7')];
    assert.deepEqual(await send('m', { messages: stale }), { outcome: 'stale', staleDevices: ['1', '3'] });
    assert.deepEqual(await send('m', { messages: [] }), {
      outcome: 'mismatched',
      missingDevices: ['1', '2', '3'],
      extraDevices: [],
    });
    assert.deepEqual(await ids('1'), []);
  });

  it('K10 sends to the own account reach all other devices, and not the sending one', async () => {
    const { send, userId, ids } = await inboxScene(redis, { devices: ['1', '2', '3'] });
    const from = { userId, deviceId: '2' };
    const own = await send('m', { from });
    assert.deepEqual(own, { outcome: 'mismatched', missingDevices: [], extraDevices: ['2'] });
    const others = await send('m', { from, messages: [copyFor('1'), copyFor('3')] });
    assert.deepEqual([await ids('1'), await ids('2'), await ids('3')], [[idOf(others)], [], [idOf(others)]]);
  });

  it('stores an online message nowhere, and gives it an id', async () => {
    const { send, ids } = await inboxScene(redis);
    const online = idOf(await send('m', { isOnline: true }));
    const stored = idOf(await send('n'));
    assert.deepEqual(await ids(), [stored]);
    assert.ok(compareMessageIds(online, stored) < 0);
    assert.equal((await send('m', { isOnline: true })).outcome, 'duplicate');
  });

  it('gives growing ids over clocks that stop and go back', async () => {
    const { send } = await inboxScene(redis);
    const results = [];
    for (const at of [now, now, now - 5000, now + 1]) results.push(await send(`m${results.length}`, { now: at }));
    assert.deepEqual(results.map(idOf), [`${now}-0`, `${now}-1`, `${now}-2`, `${now + 1}-0`]);
    assert.deepEqual(
      results.map((result) => 'serverTimestamp' in result && result.serverTimestamp),
      results.map((result) => takenAt(idOf(result))),
    );
  });
});

describe('limits of message-send.lua', () => {
  const limits = { pair: { max: 3, windowSeconds: 6 }, recipient: { max: 5, windowSeconds: 10 } };

  it('refuses the message of a device after the limit, says when the next is possible, and counts no refused one', async () => {
    const { send } = await inboxScene(redis);
    const results = await atOnce(10, (index) => send(`m${index}`, { limits, now }));
    assert.equal(outcomes(results).filter((outcome) => outcome === 'stored').length, 3);
    const limited = { outcome: 'limited', limit: 'messages-per-pair', retryAfterSeconds: 2 };
    assert.deepEqual(await send('later', { limits, now: now + 500 }), limited);
    assert.equal((await send('later', { limits, now: now + 2000 })).outcome, 'stored');
    assert.equal((await send('last', { limits, now: now + 3000 })).outcome, 'limited');
  });

  it('refuses the messages of all after the limit of the recipient', async () => {
    const { send } = await inboxScene(redis);
    const from = (index: number) => ({ userId: uniqueName('ann'), deviceId: String(index + 1) });
    const results = await atOnce(10, (index) => send('m', { from: from(index), conversation: 'a', limits, now }));
    assert.equal(outcomes(results).filter((outcome) => outcome === 'stored').length, 5);
    const limited = { outcome: 'limited', limit: 'messages-per-recipient', retryAfterSeconds: 2 };
    assert.ok(results.some((result) => JSON.stringify(result) === JSON.stringify(limited)));
  });

  it('allows exactly a limit whose time between two messages is not a whole number', async () => {
    const { send } = await inboxScene(redis);
    const odd = { pair: { max: 7, windowSeconds: 1 }, recipient: { max: 700, windowSeconds: 1 } };
    const results = await atOnce(9, (index) => send(`m${index}`, { limits: odd, now }));
    assert.equal(outcomes(results).filter((outcome) => outcome === 'stored').length, 7);
  });
});

describe('conversations of message-send.lua', () => {
  it('takes one message of a stranger out of 50 parallel ones', async () => {
    const { send, ids } = await inboxScene(redis, { conversation: 'n' });
    const results = await atOnce(50, (index) => send(`m${index}`));
    const stored = results.filter((result) => result.outcome === 'stored');
    assert.deepEqual(
      stored.map(({ began }) => began),
      [true],
    );
    assert.equal(outcomes(results).filter((outcome) => outcome === 'not-accepted').length, 49);
    assert.deepEqual(await ids(), stored.map(idOf));
  });

  it('takes a receipt of an accepted sender only', async () => {
    const receipt = [{ ...copyFor('1'), type: 'receipt' as const }];
    for (const [conversation, outcome] of [
      ['a', 'stored'],
      ['n', 'not-accepted'],
      ['ba', 'stored'],
      ['bn', 'not-accepted'],
    ] as const) {
      const { send } = await inboxScene(redis, { conversation });
      assert.equal((await send('m', { messages: receipt })).outcome, outcome, conversation);
    }
  });

  /** Everything that a sender can learn, by every path of the script. */
  async function answersTo({ send }: InboxScene) {
    const limits = { pair: { max: 6, windowSeconds: 60 }, recipient: { max: 8, windowSeconds: 60 } };
    const results: SendResult[] = [];
    for (const [id, more] of [
      ['one', {}],
      ['one', {}],
      ['one', { content: 'BBBB' }],
      ['two', { messages: [copyFor('2')] }],
      ['two', { messages: [{ ...copyFor('1'), registrationId: 5 }] }],
      ['online', { isOnline: true }],
      ['receipt', { messages: [{ ...copyFor('1'), type: 'receipt' as const }] }],
      ...Array.from({ length: 6 }, (_, index) => [`many${index}`, {}] as const),
    ] as const) {
      results.push(await send(id, { limits, now, ...more }));
    }
    return results.map((result) => ({ ...result, wake: [], local: [] }));
  }

  it('answers a blocked sender as one who is not, and nothing reaches the recipient', async () => {
    for (const decided of ['a', 'n', 'r'] as const) {
      const open = await inboxScene(redis, { conversation: decided, push: ['1'] });
      const blocked = await inboxScene(redis, { conversation: `b${decided}`, push: ['1'] });
      assert.deepEqual(await answersTo(blocked), await answersTo(open), decided);
      assert.deepEqual(await blocked.ids(), []);
      const { last: _id, ...state } = await redis.hgetall(keys.inboxes({ userId: blocked.userId }));
      assert.deepEqual(Object.keys(state).sort(), ['d1', 'set', 'size'], decided);
    }
  });

  it('uses up the limit of the recipient for the blocked sender alone', async () => {
    const { send, userId } = await inboxScene(redis, { conversation: 'ba' });
    const limits = { pair: { max: 100, windowSeconds: 60 }, recipient: { max: 4, windowSeconds: 60 } };
    const flood = await atOnce(10, (index) => send(`m${index}`, { limits, now }));
    assert.equal(outcomes(flood).filter((outcome) => outcome === 'stored').length, 4);
    const honest = { from: { userId: uniqueName('carl'), deviceId: '1' }, conversation: 'a' as const };
    assert.equal((await send('m', { ...honest, limits, now })).outcome, 'stored');
    assert.equal(await redis.exists(keys.inbox({ userId, deviceId: '1' })), 1);
  });
});

describe('caps of inboxes', () => {
  it('refuses what the inbox of an only device has no room for, by number and by bytes, until it acknowledges', async () => {
    const caps = { count: 3, bytes: 40 };
    const { send, inboxes, device, ids } = await inboxScene(redis, { caps });
    const full = { outcome: 'limited', limit: 'inbox' };
    for (const id of ['1', '2', '3']) assert.equal((await send(id)).outcome, 'stored');
    assert.deepEqual(await send('4'), full);
    await inboxes.acknowledge(device(), (await ids()).slice(0, 2));
    assert.equal((await send('5', { content: 'A'.repeat(36) })).outcome, 'stored');
    assert.deepEqual(await send('6'), full);
    assert.equal((await send('7', { isOnline: true })).outcome, 'stored', 'it needs no room');
  });

  it('suspends a device that has no room while another one has, tells it, and counts what it misses', async () => {
    const caps = { count: 3, bytes: 1000 };
    const { send, inboxes, device, ids, nodeId } = await inboxScene(redis, { caps, devices: ['1', '2'] });
    await using node = await listenAsNode(redis, nodeId);
    await inboxes.connect(device('2'), { nodeId, connectionId: 'c2' });
    for (const id of ['1', '2', '3']) await send(id, { now });
    await inboxes.acknowledge(device('1'), await ids('1'));
    const results = await atOnce(3, (index) => send(`more ${index}`, { now: now + 1 }));
    assert.deepEqual(outcomes(results), ['stored', 'stored', 'stored']);
    assert.deepEqual([(await ids('1')).length, await ids('2')], [3, []]);
    await eventually(() => node.heard.find(({ kind }) => kind === 'close'));
    assert.deepEqual(node.heard.at(-1), { kind: 'close', ...device('2'), connectionId: 'c2', reason: 'suspended' });
    assert.deepEqual(await send('full'), { outcome: 'limited', limit: 'inbox' }, 'the last one is not suspended');

    const gap = { from: now, to: now + 1, count: 6, reason: 'overflow' };
    const opened = await inboxes.connect(device('2'), { nodeId, connectionId: 'c3' });
    assert.deepEqual(opened, { gap, count: 0, wasSuspended: true });
    await inboxes.clearGap(device('2'), gap as never);
    assert.equal(await inboxes.readGap(device('2')), undefined);
    await inboxes.acknowledge(device('1'), await ids('1'));
    const next = await send('next');
    assert.deepEqual(await ids('2'), [idOf(next)]);
  });

  it('suspends an idle device on request, and never the last one', async () => {
    const { inboxes, device, send } = await inboxScene(redis, { devices: ['1', '2'] });
    const results = await Promise.all([inboxes.suspend(device('1')), inboxes.suspend(device('2'))]);
    assert.deepEqual(results.sort(), [false, true]);
    assert.equal((await send('m')).outcome, 'stored');
  });
});

describe('deliveries of message-send.lua', () => {
  it('tells other processes and answers its own, each with the entry before', async () => {
    const { send, inboxes, device, nodeId, sender } = await inboxScene(redis, { devices: ['1', '2'] });
    const otherId = uniqueName('n').slice(0, 20);
    await using other = await listenAsNode(redis, otherId);
    await inboxes.connect(device('1'), { nodeId, connectionId: 'c1' });
    await inboxes.connect(device('2'), { nodeId: otherId, connectionId: 'c2' });
    const first = idOf(await send('m'));
    const online = await send('online', { isOnline: true });
    const second = await send('n', { timestamp: 7, isUrgent: false });
    assert.ok(second.outcome === 'stored' && online.outcome === 'stored');
    const message = { from: sender, type: 'message', content: 'AAAA', timestamp: 7, isUrgent: false };
    const told = { kind: 'message', message: { messageId: second.messageId, ...message }, previousId: first };
    assert.deepEqual(second.local, [{ ...told, ...device('1'), connectionId: 'c1' }]);
    assert.deepEqual(
      online.local.map(({ kind }) => kind),
      ['online'],
    );
    await eventually(() => other.heard[2]);
    assert.deepEqual(
      other.heard.map(({ kind }) => kind),
      ['message', 'online', 'message'],
    );
    assert.deepEqual(other.heard[2], { ...told, ...device('2'), connectionId: 'c2' });
  });

  it('lets connections look again when a send is repeated whose answer was lost', async () => {
    const { send, inboxes, device, nodeId } = await inboxScene(redis);
    await inboxes.connect(device(), { nodeId, connectionId: 'c1' });
    await send('m');
    const repeated = await send('m');
    assert.ok(repeated.outcome === 'duplicate');
    assert.deepEqual(repeated.local, [{ kind: 'check', ...device(), connectionId: 'c1' }]);
  });

  it('wakes a device up once until it connects, if it has a push registration and the message is urgent', async () => {
    const { send, inboxes, device, nodeId } = await inboxScene(redis, { devices: ['1', '2'], push: ['1'] });
    const wakeOf = async (id: string, more = {}) => {
      const result = await send(id, more);
      assert.ok(result.outcome === 'stored');
      return result.wake;
    };
    assert.deepEqual(await wakeOf('1', { isUrgent: false }), []);
    const all = await atOnce(10, (index) => wakeOf(`many ${index}`));
    assert.deepEqual(all.flat(), ['1']);
    await inboxes.clearWake(device('1'));
    assert.deepEqual(await wakeOf('2'), ['1'], 'the wake-up failed');
    await inboxes.connect(device('1'), { nodeId, connectionId: 'c1' });
    assert.deepEqual(await wakeOf('3'), [], 'it is connected');
    assert.deepEqual(await inboxes.disconnect(device('1'), { nodeId, connectionId: 'c1' }), {
      waiting: 13,
      wake: true,
    });
    assert.deepEqual(await wakeOf('4'), [], 'the end of the connection woke it up');
  });

  it('K20 wakes up a device whose process died, before its lease ends', async () => {
    const { send, inboxes, device } = await inboxScene(redis, { push: ['1'] });
    await inboxes.connect(device(), { nodeId: uniqueName('dead').slice(0, 20), connectionId: 'c1' });
    const result = await send('m');
    assert.ok(result.outcome === 'stored');
    // in a Redis Cluster no node knows all subscribers: there it is woken up when the lease has ended
    assert.deepEqual(result.wake, isOnCluster() ? [] : ['1']);
  });

  it('stores for a device that is added between two sends', async () => {
    const { send, inboxes, userId, ids } = await inboxScene(redis);
    const add = inboxes.writeDevices(userId, { version: 2, devices: [mirrored('1'), mirrored('2')] });
    const results = await Promise.all([send('m'), add]);
    assert.ok(['stored', 'mismatched'].includes(results[0].outcome));
    const both = await send('n', { messages: [copyFor('1'), copyFor('2')] });
    assert.deepEqual((await ids('2')).at(-1), idOf(both));
  });
});
