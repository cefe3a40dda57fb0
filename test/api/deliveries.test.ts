// @rerun never
/** The delivery of an inbox to one connection: whatever is published, lost, repeated or out of order. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../adapters/redis/connect.ts';
import { createInboxes, type Inboxes } from '../../adapters/redis/inboxes.ts';
import type { Delivery as Published } from '../../adapters/redis/node-channel.ts';
import { Delivery, type DeliveryDeps, type Emit } from '../../api/sockets/delivery.ts';
import type { ReceivedMessage } from '../../contract/messages.ts';
import type { InboxMessage } from '../../domain/message.ts';
import { newId } from '../../platform/crypto.ts';
import { connectTestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const limits = { pair: { max: 1_000_000, windowSeconds: 1 }, recipient: { max: 1_000_000, windowSeconds: 1 } };
const nodeId = 'node';
let redis: Redis;
let inboxes: Inboxes;

before(() => {
  redis = connectTestRedis();
  inboxes = createInboxes(redis);
});
after(() => redis.disconnect());

/** A device with its delivery, and what its connection emits. */
interface Scene {
  device: { userId: string; deviceId: string };
  delivery: Delivery;
  emitted: { event: string; payload: unknown; acknowledge: () => void }[];
  failures: unknown[];
  clock: { now: number };
  /** Stores a message, and returns what is published of it. */
  send(content?: string): Promise<Extract<Published, { kind: 'message' }>>;
  /** The contents of `message:new`. */
  contents(): string[];
  /** Takes the lease and begins. */
  begin(): Promise<void>;
}

async function newScene(): Promise<Scene> {
  const device = { userId: newId(), deviceId: '1' };
  await inboxes.writeDevices(device.userId, {
    version: 1,
    devices: [{ deviceId: '1', registrationId: 1, createdAt: 1 }],
  });
  const emitted: Scene['emitted'] = [];
  const failures: unknown[] = [];
  const clock = { now: 0 };
  const emit = ((event: string, payload: unknown, acknowledge = () => undefined) => {
    emitted.push({ event, payload, acknowledge });
  }) as Emit;
  const silent = () => undefined;
  const events = {
    messageDelivered: silent,
    inboxRead: silent,
    messagesAcknowledged: silent,
    gapTold: silent,
    archiveReturned: silent,
  };
  const deps = { inboxes, archive: {}, events } as unknown as DeliveryDeps;
  const onFailure = (err: unknown) => failures.push(err);
  const delivery = new Delivery(deps, device, { emit, onFailure, now: () => clock.now });
  let last = '';
  return {
    device,
    delivery,
    emitted,
    failures,
    clock,
    async send(content = 'AAAA') {
      const message = { deviceId: '1', registrationId: 1, type: 'message' as const, content };
      const sent = await inboxes.send({
        to: device.userId,
        from: { userId: 'sender', deviceId: '1' },
        clientMessageId: newId(),
        bodyHash: newId().slice(0, 22),
        messages: [message],
        timestamp: 0,
        conversation: 'a',
        limits,
        nodeId,
      });
      assert.equal(sent.outcome, 'stored');
      const [stored] = await inboxes.read(device, { after: last === '' ? undefined : last, count: 1 });
      const previousId = last;
      last = stored?.messageId ?? '';
      const published = { kind: 'message' as const, ...device, connectionId: 'connection', previousId };
      return { ...published, message: stored as InboxMessage };
    },
    contents: () =>
      emitted.flatMap(({ event, payload }) => (event === 'message:new' ? [(payload as ReceivedMessage).content] : [])),
    async begin() {
      const opened = await inboxes.connect(device, { nodeId, connectionId: 'connection' });
      await delivery.begin(opened ?? { count: 0, wasSuspended: false });
    },
  };
}

const textOf = (number: number) => Buffer.from(String(number).padStart(3, '0')).toString('base64');

describe('A delivery', () => {
  it('emits in the order of the inbox, each message once, whatever order publications have', async () => {
    const scene = await newScene();
    await scene.begin();
    const published = [];
    for (let number = 0; number < 5; number++) published.push(await scene.send(textOf(number)));
    const [zero, one, two, three, four] = published;
    for (const one of [zero, two, zero, four, three] as Published[]) scene.delivery.receive(one);
    await until(() => scene.contents().length === 5);
    if (one !== undefined) scene.delivery.receive(one);
    assert.deepEqual(scene.contents(), [0, 1, 2, 3, 4].map(textOf));
  });

  it('finds what was published while nobody heard it, and what was removed meanwhile', async () => {
    const scene = await newScene();
    await scene.begin();
    await scene.send(textOf(0));
    scene.delivery.check();
    await until(() => scene.contents().length === 1);
    const removed = await scene.send(textOf(1));
    await inboxes.acknowledge(scene.device, [removed.message.messageId]);
    const next = await scene.send(textOf(2));
    scene.delivery.receive(next);
    await until(() => scene.contents().length === 2);
    const last = await scene.send(textOf(3));
    scene.delivery.receive(last);
    assert.deepEqual(scene.contents(), [0, 2, 3].map(textOf));
  });

  it('notes what is published before it begins and during its pages', async () => {
    const scene = await newScene();
    await scene.send(textOf(0));
    scene.delivery.receive(await scene.send(textOf(1)));
    const beginning = scene.begin();
    await until(() => scene.emitted.length === 1);
    scene.delivery.receive(await scene.send(textOf(2)));
    scene.emitted[0]?.acknowledge();
    await until(() => scene.emitted.length === 2);
    scene.emitted[1]?.acknowledge();
    await beginning;
    assert.deepEqual(
      scene.emitted.map(({ event }) => event),
      ['inbox:page', 'inbox:page', 'inbox:drained'],
    );
    scene.delivery.receive(await scene.send(textOf(3)));
    assert.deepEqual(scene.contents(), [textOf(3)]);
  });

  it('holds at most a mebibyte of unacknowledged contents, and goes on when half of it is free', async () => {
    const scene = await newScene();
    await scene.begin();
    const large = 'A'.repeat(128 * 1024);
    for (let number = 0; number < 12; number++) scene.delivery.receive(await scene.send(large));
    await until(() => scene.contents().length === 8);
    for (const { acknowledge } of scene.emitted.slice(1, 6)) acknowledge();
    await until(() => scene.contents().length === 12);
    await scene.delivery.close();
    assert.equal((await inboxes.readStates(scene.device.userId))[0]?.count, 7);
  });

  it('is stalled when its client owes an acknowledgement for a minute', async () => {
    const scene = await newScene();
    await scene.begin();
    scene.clock.now = 3_600_000;
    assert.equal(scene.delivery.isStalled(), false);
    scene.delivery.receive(await scene.send());
    scene.delivery.receive(await scene.send());
    scene.clock.now += 59_999;
    assert.equal(scene.delivery.isStalled(), false);
    scene.emitted.at(-1)?.acknowledge();
    scene.clock.now += 59_999;
    assert.equal(scene.delivery.isStalled(), false);
    scene.clock.now += 1;
    assert.equal(scene.delivery.isStalled(), true);
  });

  it('tells a gap once, after the backlog', async () => {
    const scene = await newScene();
    await scene.send();
    const gap = { from: 1000, to: 2000, count: 3, reason: 'expired' as const };
    await inboxes.noteGap(scene.device, gap);
    const beginning = scene.begin();
    await until(() => scene.emitted.length === 1);
    scene.emitted[0]?.acknowledge();
    await beginning;
    assert.deepEqual(
      scene.emitted.slice(1).map(({ event, payload }) => [event, payload]),
      [
        [
          'inbox:gap',
          { from: '1970-01-01T00:00:01.000Z', to: '1970-01-01T00:00:02.000Z', count: 3, reason: 'expired' },
        ],
        ['inbox:drained', {}],
      ],
    );
    assert.equal(await inboxes.readGap(scene.device), undefined);
  });

  it('ends a backlog whose client has gone', async () => {
    const scene = await newScene();
    await scene.send();
    const beginning = scene.begin();
    await until(() => scene.emitted.length === 1);
    await scene.delivery.close();
    await beginning;
    assert.equal(scene.emitted.length, 1);
    assert.deepEqual(scene.failures, []);
  });
});
