// @rerun never
/** Conversations by REST: strangers, acceptance and blocks, and what is announced to contacts and own devices. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createInboxes } from '../../adapters/redis/inboxes.ts';
import { nodeChannel, parsePublication } from '../../adapters/redis/node-channel.ts';
import type { MessageSend } from '../../contract/messages.ts';
import type { DeviceAddress } from '../../domain/message.ts';
import { newId } from '../../platform/crypto.ts';
import type { Answer } from '../support/client.ts';
import { makeIdentity, makePreKeys, makeRotation } from '../support/device-keys.ts';
import { createLinkSteps } from '../support/links.ts';
import { deviceOwner, messageTo, type TestDevice, textOf } from '../support/messages.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { eventually } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, person } = await withSystem();
const other = createRestClient((await startAnotherApi(system, {})).apiUrl);
const inboxes = createInboxes(behind.redis);

let people = 0;
const newOwner = () => deviceOwner(system, people++);
type State = 'accepted' | 'blocked' | 'requested';

const decide = ({ token }: TestDevice, { userId }: TestDevice, state: State, receipts?: boolean) =>
  api.changeConversation({ userId, token, body: { state, ...(receipts !== undefined && { receipts }) } });
const readOf = ({ token }: TestDevice, { userId }: { userId: string }) => api.readConversation({ userId, token });
const stateOf = async (one: TestDevice, another: TestDevice) => {
  const { status, body } = await readOf(one, another);
  return status === 404 ? undefined : body.state;
};
const send = ({ token }: TestDevice, { userId }: TestDevice, body: MessageSend, client = api) =>
  client.sendMessage({ userId, token, body });
const write = (from: TestDevice, to: TestDevice, text = 'hello', client = api) =>
  send(from, to, messageTo([to], text), client);
const textsOf = async ({ token }: TestDevice) => (await must(api.readMessages({ token }))).body.items.map(textOf);

describe('A conversation', () => {
  it('begins with one message of a stranger, who waits until it is accepted', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    assert.deepEqual([await stateOf(alice, bob), await stateOf(bob, alice)], [undefined, undefined]);
    await must(write(alice, bob, 'may I?'));
    assert.deepEqual([await stateOf(alice, bob), await stateOf(bob, alice)], ['accepted', 'requested']);
    for (const client of [api, other]) {
      const { body } = await must(write(alice, bob, 'hello?', client), 403);
      assert.deepEqual([body.error_code, body.limit], ['FORBIDDEN', undefined]);
    }
    await must(decide(bob, alice, 'accepted'));
    await must(write(alice, bob, 'thank you', other));
    assert.deepEqual(await textsOf(bob), ['may I?', 'thank you']);
  });

  it('is accepted by an answer', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    await must(write(alice, bob));
    await must(write(bob, alice, 'hi', other));
    assert.equal(await stateOf(bob, alice), 'accepted');
    await must(write(alice, bob));
    await must(write(bob, alice));
  });

  it('takes no receipt from a stranger, and a refused message begins nothing', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    await must(send(alice, bob, messageTo([bob], 'seen', { type: 'receipt' })), 403);
    await must(send(alice, bob, messageTo([], 'x')), 409);
    assert.deepEqual([await stateOf(alice, bob), await stateOf(bob, alice)], [undefined, undefined]);
    await must(write(alice, bob));
    await must(decide(bob, alice, 'accepted'));
    await must(send(alice, bob, messageTo([bob], 'seen', { type: 'receipt' })));
  });

  it('keeps the choice of receipts', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    const conversation = { state: 'accepted', receipts: false };
    assert.deepEqual((await must(decide(alice, bob, 'accepted', false))).body, conversation);
    assert.deepEqual((await must(decide(alice, bob, 'accepted'))).body, conversation);
    await must(write(alice, bob));
    assert.deepEqual((await must(readOf(alice, bob))).body, conversation);
    assert.deepEqual((await must(readOf(bob, alice))).body, { state: 'requested', receipts: true });
  });

  it('is with another user whom the server knows', async () => {
    const alice = await newOwner();
    const { body } = await must(decide(alice, alice, 'accepted'), 400);
    assert.equal(body.details[0].path, 'userId');
    for (const userId of [newId(), 'nobody']) {
      await must(decide(alice, { ...alice, userId }, 'blocked'), 404);
      await must(readOf(alice, { userId }), 404);
    }
    const { userId, token } = await person(people++);
    await must(api.changeConversation({ userId: alice.userId, token, body: { state: 'accepted' } }));
    await must(decide(alice, { ...alice, userId }, 'accepted'));
  });

  it('is listed to its user alone, in pages whose cursor is good for that list', async () => {
    const alice = await newOwner();
    const others = [await newOwner(), await newOwner(), await newOwner()];
    for (const one of others) await must(decide(alice, one, 'accepted'));
    const list = (token: string, query: Record<string, string>) => api.listConversations({ token, query });
    const first = (await must(list(alice.token, { limit: '2' }))).body;
    const second = (await must(list(alice.token, { limit: '2', cursor: first.nextCursor ?? '' }))).body;
    assert.deepEqual(
      [...first.items, ...second.items].map(({ userId }) => userId),
      others.map(({ userId }) => userId).sort(),
    );
    assert.deepEqual([first.items.length, second.nextCursor], [2, null]);
    const [friend] = others;
    assert.ok(friend);
    assert.deepEqual((await must(list(friend.token, {}))).body, { items: [], nextCursor: null });
    assert.equal((await list(friend.token, { cursor: first.nextCursor ?? '' })).status, 400);
  });

  it('can be undone: the other user is a stranger again', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    await must(decide(bob, alice, 'requested'));
    await must(write(alice, bob, 'the first'));
    await must(write(alice, bob), 403);
    await must(decide(bob, alice, 'accepted'));
    await must(decide(bob, alice, 'requested'));
    await must(write(alice, bob), 403);
    assert.deepEqual(await textsOf(bob), ['the first']);
  });
});

/** What a sender sees of an answer, without what differs between any two requests. */
function seen({ status, headers, body }: Answer) {
  const { request_id: _request, messages, serverTimestamp: _time, ...rest } = body as Record<string, unknown>;
  const devices = (messages as { deviceId: string }[] | undefined)?.map(({ deviceId }) => deviceId);
  const names = [...headers.keys()].filter((name) => name !== 'etag').sort();
  return { status, names, devices, ...rest };
}

describe('A blocked sender', () => {
  const acts = ['message', 'message', 'receipt', 'message'] as const;

  /** What a sender sees of some messages to a user who has prepared something. */
  async function experience(prepare: (me: TestDevice, sender: TestDevice) => Promise<unknown>) {
    const [sender, me] = [await newOwner(), await newOwner()];
    await prepare(me, sender);
    const answers: Answer[] = [];
    const body = messageTo([me], 'repeated');
    for (const type of acts) answers.push(await send(sender, me, messageTo([me], 'let me in', { type })));
    for (let time = 0; time < 2; time++) answers.push(await send(sender, me, body));
    answers.push(await send(sender, me, { ...body, messages: messageTo([me], 'other').messages }));
    answers.push(await send(sender, me, messageTo([], 'x')));
    return { seen: answers.map(seen), texts: await textsOf(me), keys: await behind.keys(`sent:{${me.userId}}:*`) };
  }

  it('sees no difference, whether he was accepted, a stranger or unknown before', async () => {
    const befores = {
      accepted: (me: TestDevice, sender: TestDevice) => decide(me, sender, 'accepted'),
      requested: (me: TestDevice, sender: TestDevice) => write(sender, me, 'before'),
      unknown: async () => undefined,
    };
    for (const [name, before] of Object.entries(befores)) {
      const open = await experience(before);
      const blocked = await experience(async (me, sender) => {
        await before(me, sender);
        await must(decide(me, sender, 'blocked'));
      });
      assert.deepEqual(blocked.seen, open.seen, name);
      assert.equal(blocked.keys.length, open.keys.length, name);
      assert.deepEqual(blocked.texts, name === 'requested' ? ['before'] : [], name);
    }
  });

  it('runs the same commands in Redis for a message that is not delivered', async () => {
    const monitor = await behind.redis.monitor();
    const commands: string[][] = [];
    monitor.on('monitor', (_time: string, command: string[], source: string) => {
      if (source !== 'lua') commands.push(command);
    });
    try {
      const shapes: string[][] = [];
      for (const state of ['accepted', 'blocked'] as const) {
        const [sender, me] = [await newOwner(), await newOwner()];
        await must(decide(me, sender, 'accepted'));
        await must(write(sender, me));
        await must(decide(me, sender, state));
        commands.length = 0;
        await must(write(sender, me));
        const marker = newId();
        await behind.redis.get(marker);
        await eventually(() => commands.some((command) => command.includes(marker)));
        // in a key; events have it in other places
        const isOwn = (part: string) => part.includes(`{${me.userId}}`) || part.includes(`:${me.userId}`);
        const own = commands.filter((command) => command.some(isOwn));
        shapes.push(own.map(([name = '', ...args]) => `${name.toLowerCase()} ${args.length}`).sort());
      }
      assert.ok(shapes[0]?.some((shape) => shape.startsWith('evalsha')));
      assert.deepEqual(shapes[1], shapes[0]);
    } finally {
      monitor.disconnect();
    }
  });

  it('is accepted again with what he was before, and nothing of what he sent meanwhile arrives', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    await must(decide(bob, alice, 'accepted'));
    await must(decide(bob, alice, 'blocked'));
    await must(write(alice, bob, 'lost'));
    await must(decide(bob, alice, 'accepted'));
    await must(write(alice, bob, 'arrives'));
    assert.deepEqual(await textsOf(bob), ['arrives']);
  });

  it('gets no message of the user who blocks him', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    await must(decide(bob, alice, 'blocked'));
    const { body } = await must(write(bob, alice), 403);
    assert.equal(body.error_code, 'FORBIDDEN');
    assert.equal(await stateOf(bob, alice), 'blocked');
    assert.deepEqual(await textsOf(alice), []);
  });

  it('is recorded under a pseudonym', async () => {
    const [alice, bob] = [await newOwner(), await newOwner()];
    await must(decide(bob, alice, 'blocked'));
    const event = await eventually(async () =>
      (await behind.auditEvents('user-block')).find(({ userId }) => userId === bob.userId),
    );
    assert.equal(JSON.stringify(event).includes(alice.userId), false);
  });
});

describe('Announcements', () => {
  /** Connects a device to a process of this test, and returns what it is told. */
  async function listen({ userId, deviceId, token }: DeviceAddress & { token: string }) {
    // a device that has read its inbox is known to Redis
    await must(api.readMessages({ token }));
    const [nodeId, connectionId] = [newId().slice(0, 16), newId().slice(0, 16)];
    const subscriber = behind.redis.duplicate();
    const told: { event: string; payload: unknown }[] = [];
    subscriber.on('message', (_channel, text: string) => {
      const publication = parsePublication(text);
      if (publication?.kind === 'event') told.push({ event: publication.event, payload: publication.payload });
    });
    await subscriber.subscribe(nodeChannel(nodeId));
    await inboxes.connect({ userId, deviceId }, { nodeId, connectionId });
    return { told, [Symbol.dispose]: () => subscriber.disconnect() };
  }

  /** Resolves with what a device was told of an event. */
  const hears = ({ told }: Awaited<ReturnType<typeof listen>>, event: string, count = 1) =>
    eventually(() => {
      const payloads = told.filter((one) => one.event === event).map(({ payload }) => payload);
      return payloads.length >= count ? payloads : undefined;
    });

  it('tell the devices of a user what happens to devices and links, and to few keys', async () => {
    const steps = createLinkSteps(api);
    const owner = await steps.ownerOf(await person(people++));
    const alice = await newOwner();
    using own = await listen(owner);
    const link = await steps.approved(owner);
    const { linkId } = link;
    const tablet = await steps.linked(owner);
    await must(api.renameDevice({ token: owner.token, deviceId: '2', body: { name: 'Tablet' } }), 204);
    await must(api.revokeDevice({ token: owner.token, deviceId: tablet.device?.deviceId ?? '' }));
    await must(steps.deny(link, owner), 204);
    const links = await hears(own, 'device-link:changed', 8);
    const states = links.filter((one) => (one as { linkId: string }).linkId === linkId);
    assert.deepEqual(
      states,
      ['claimed', 'revealed', 'approved', 'denied'].map((state) => ({ linkId, state })),
    );
    assert.deepEqual(await hears(own, 'devices:changed', 3), [
      { change: 'added', deviceId: '2' },
      { change: 'renamed', deviceId: '2' },
      { change: 'removed', deviceId: '2' },
    ]);
    await must(api.uploadKeys({ token: owner.token, body: { preKeys: makePreKeys(1) } }), 204);
    await must(api.takeKeys({ userId: owner.userId, token: alice.token }));
    assert.deepEqual(await hears(own, 'keys:low'), [{ count: 0, pqCount: 0 }]);
  });

  it('tell each contact once that the identity key has changed, and nobody else', async () => {
    const steps = createLinkSteps(api);
    const owner = await steps.ownerOf(await person(people++));
    const [friend, stranger, blocker] = [await newOwner(), await newOwner(), await newOwner()];
    await must(decide(friend, { ...friend, userId: owner.userId }, 'accepted'));
    await must(decide(blocker, { ...blocker, userId: owner.userId }, 'blocked'));
    using a = await listen(friend);
    using b = await listen(stranger);
    using c = await listen(blocker);
    const rotation = { token: owner.token, body: makeRotation(makeIdentity(), ['1']) };
    await must(api.rotateIdentity(rotation), 204);
    await must(api.rotateIdentity(rotation), 204);
    const [told] = await hears(a, 'identity:changed');
    const { at, ...rest } = told as { at: string };
    assert.deepEqual(rest, { userId: owner.userId, reason: 'rotated' });
    assert.equal(new Date(at).toISOString(), at);
    await eventually(async () =>
      (await behind.auditEvents('identity-announce')).find(({ user }) => user?.target?.id === owner.userId),
    );
    assert.deepEqual([a.told.length, b.told.length, c.told.length], [1, 0, 0]);
  });
});
