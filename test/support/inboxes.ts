/** People with inboxes in Redis, for tests of the store of inboxes. */
import { hash } from 'node:crypto';
import type { Redis } from '../../adapters/redis/connect.ts';
import type { DeviceMessage, Send, SendOptions } from '../../adapters/redis/inbox-sends.ts';
import { createInboxes, type Inboxes } from '../../adapters/redis/inboxes.ts';
import { keys } from '../../adapters/redis/keys.ts';
import { type NodePublication, nodeChannel, parsePublication } from '../../adapters/redis/node-channel.ts';
import type { ConversationCode, DeviceAddress } from '../../domain/message.ts';
import { uniqueName } from './redis.ts';

/** Limits that no test reaches by accident. */
const wideLimits = {
  pair: { max: 100_000, windowSeconds: 60 },
  recipient: { max: 100_000, windowSeconds: 60 },
};

/** A recipient and a sender. */
export interface InboxScene {
  inboxes: Inboxes;
  userId: string;
  sender: DeviceAddress;
  nodeId: string;
  /** Returns a device of the recipient. */
  device(deviceId?: string): DeviceAddress;
  /** Sends a message to all devices of the recipient. */
  send(
    clientMessageId: string,
    more?: Partial<Send> & { content?: string; now?: number; store?: Inboxes },
  ): ReturnType<Inboxes['send']>;
  /** Returns the message ids in the stream of a device. */
  ids(deviceId?: string): Promise<string[]>;
}

/** How a scene begins. */
export interface SceneOptions extends SendOptions {
  /** Device ids of the recipient; default: one. */
  devices?: string[];
  /** Devices with a push registration. */
  push?: string[];
  /** What the recipient decided about the sender; default: accepted. */
  conversation?: ConversationCode;
}

/** Creates a recipient with devices, and a sender. */
export async function inboxScene(redis: Redis, options: SceneOptions = {}): Promise<InboxScene> {
  const { devices = ['1'], push = [], conversation = 'a', ...store } = options;
  const inboxes = createInboxes(redis, store);
  const [userId, sender, nodeId] = [uniqueName('bob'), { userId: uniqueName('ann'), deviceId: '1' }, uniqueName('n')];
  await inboxes.writeDevices(userId, { version: 1, devices: devices.map((id) => mirrored(id, push.includes(id))) });
  await redis.set(keys.conversation({ userId, peerId: sender.userId }), conversation);
  return {
    inboxes,
    userId,
    sender,
    nodeId: nodeId.slice(0, 20),
    device: (deviceId = '1') => ({ userId, deviceId }),
    send(clientMessageId, { content = 'AAAA', now, store: other = inboxes, ...more } = {}) {
      const messages = devices.map((deviceId) => copyFor(deviceId, content));
      const bodyHash = hash('sha256', JSON.stringify([more.messages ?? messages]), 'base64url').slice(0, 22);
      const own = { to: userId, from: sender, clientMessageId, bodyHash, messages, timestamp: 1 };
      return other.send({ ...own, limits: wideLimits, nodeId: nodeId.slice(0, 20), ...more }, now);
    },
    async ids(deviceId = '1') {
      return (await redis.xrange(keys.inbox({ userId, deviceId }), '-', '+')).map(([id]) => id);
    },
  };
}

/** Returns the copy of a message for a device whose registration id is its own. */
export function copyFor(deviceId: string, content = 'AAAA'): DeviceMessage {
  return { deviceId, registrationId: Number(deviceId), type: 'message', content };
}

/** Returns a device of a set, whose registration id is its own. */
export function mirrored(deviceId: string, hasPush = false, createdAt = 1000) {
  return { deviceId, registrationId: Number(deviceId), createdAt, ...(hasPush && { push: 'encrypted' }) };
}

/** Collects what is published to a process. */
export async function listenAsNode(redis: Redis, nodeId: string) {
  const subscriber = redis.duplicate();
  const heard: NodePublication[] = [];
  subscriber.on('message', (_channel: string, text: string) => {
    const publication = parsePublication(text);
    if (publication) heard.push(publication);
  });
  await subscriber.subscribe(nodeChannel(nodeId));
  return { heard, [Symbol.asyncDispose]: async () => subscriber.disconnect() };
}
