/** Devices that encrypt for each other, with few keys, a clock that is set and, where asked for, repeatable randomness. */
import { shake256 } from '@noble/hashes/sha3.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { fromBase64, toBase64, utf8 } from '../../client/bytes.ts';
import { generateKeyPair, sign } from '../../client/crypto/curve.ts';
import type { DeviceBundle } from '../../client/crypto/devices.ts';
import { generateKyberSeed, kyberKeyPair } from '../../client/crypto/kyber.ts';
import type { Random } from '../../client/crypto/primitives.ts';
import type { NewMessage } from '../../client/mailbox.ts';
import { createMemoryStore } from '../../client/memory-store.ts';
import { type ClientState, type ClientStore, emptyState, type OutgoingMessage } from '../../client/store.ts';
import type { KeyBundles } from '../../contract/devices.ts';
import type { ReceivedMessage } from '../../contract/messages.ts';
import { createPlainMailbox, type PlainMailbox, type PlainReceived } from './plain-mailbox.ts';

/** A clock that a test moves. */
export interface Clock {
  now: number;
}

/** When tests begin. */
export const testStart = Date.UTC(2026, 0, 1);

interface DeviceOptions {
  userId: string;
  deviceId?: string;
  /** One-time keys of each kind. */
  oneTimeKeys?: number;
  random?: Random;
  clock?: Clock;
}

/** A device, its store, and the keys that it has published. */
export interface CryptoDevice {
  userId: string;
  deviceId: string;
  store: ClientStore;
  mailbox: PlainMailbox;
  clock: Clock;
  /** Returns a bundle with the next one-time keys, or the last-resort key when none are left. */
  takeBundles(): KeyBundles;
}

/** Returns bytes that follow from a text: the same ones for the same calls. */
export function repeatable(seed: string): Random {
  const stream = shake256.create({}).update(utf8(seed));
  return (length) => stream.xof(length);
}

/** Creates a device in memory. */
export async function createDevice(options: DeviceOptions): Promise<CryptoDevice> {
  const { state, bundles } = createKeys(options);
  const store = createMemoryStore();
  await store.transaction((empty) => {
    Object.assign(empty, state);
  });
  return deviceOf(store, { ...options, bundles });
}

/** Creates the device of a store that has its keys. */
function deviceOf(
  store: ClientStore,
  {
    userId,
    deviceId = '1',
    random = randomBytes,
    clock = { now: testStart },
    bundles,
  }: DeviceOptions & { bundles: KeyBundles[] },
): CryptoDevice {
  const mailbox = createPlainMailbox(store, { now: () => clock.now, random });
  let taken = 0;
  return {
    userId,
    deviceId,
    store,
    mailbox,
    clock,
    takeBundles() {
      const next = bundles[Math.min(taken, bundles.length - 1)];
      taken += 1;
      if (next === undefined) throw new Error('the device has no bundle');
      return next;
    },
  };
}

/** Makes the state of a device with its private keys, and the bundles of its public ones: the last resort is the last. */
export function createKeys({ userId, deviceId = '1', oneTimeKeys = 1, random = randomBytes }: DeviceOptions): {
  state: ClientState;
  bundles: KeyBundles[];
} {
  const state = emptyState();
  const identity = generateKeyPair(random);
  const numbers = new DataView(Uint8Array.from(random(2)).buffer);
  const registrationId = 1 + (numbers.getUint16(0) % 16_383);
  Object.assign(state, { userId, deviceId, registrationId });
  state.identity = { publicKey: toBase64(identity.publicKey), privateKey: toBase64(identity.privateKey) };
  const signed = (keyId: number, publicKey: Uint8Array) => ({
    keyId,
    publicKey: toBase64(publicKey),
    signature: toBase64(sign(identity.privateKey, publicKey, random)),
  });
  const curveKey = (kind: 'signedPreKey' | 'preKeys', keyId: number) => {
    const pair = generateKeyPair(random);
    state.keys[kind].push({ keyId, secret: toBase64(pair.privateKey), createdAt: testStart });
    return pair.publicKey;
  };
  const kemKey = (kind: 'pqLastResortPreKey' | 'pqPreKeys', keyId: number) => {
    const seed = generateKyberSeed(random);
    state.keys[kind].push({ keyId, secret: toBase64(seed), createdAt: testStart });
    return signed(keyId, kyberKeyPair(seed).publicKey);
  };
  const signedPreKey = signed(1, curveKey('signedPreKey', 1));
  const withOneTimeKeys = Array.from({ length: oneTimeKeys }, (_, index) => ({
    preKey: { keyId: 100 + index, publicKey: toBase64(curveKey('preKeys', 100 + index)) },
    pqPreKey: kemKey('pqPreKeys', 200 + index),
  }));
  const lastResort = { pqPreKey: kemKey('pqLastResortPreKey', 2) };
  const bundles = [...withOneTimeKeys, lastResort].map((keys) => ({
    identityKey: toBase64(identity.publicKey),
    devices: [{ deviceId, registrationId, signedPreKey, ...keys } satisfies DeviceBundle],
  }));
  return { state, bundles };
}

let counter = 0;

/** Queues a text for a device, with a bundle when there is no session, and returns what is sent. */
export async function send(
  from: CryptoDevice,
  to: CryptoDevice,
  text: string,
  options: Partial<NewMessage> = {},
): Promise<OutgoingMessage> {
  counter += 1;
  const clientMessageId = `c-${counter}`;
  const message = { clientMessageId, userId: to.userId, deviceIds: [to.deviceId], plain: utf8(text), ...options };
  await from.mailbox.queue(message).catch(async (err) => {
    if (err.code !== 'SESSION_NEEDED') throw err;
    await from.mailbox.queue({ ...message, bundles: to.takeBundles() });
  });
  const outgoing = (await from.mailbox.outbox()).find((one) => one.clientMessageId === message.clientMessageId);
  if (outgoing === undefined) throw new Error('nothing was queued');
  await from.mailbox.confirm(outgoing.clientMessageId);
  return outgoing;
}

/** Returns an outgoing message as its recipient gets it from the server. */
export function delivered(from: CryptoDevice, outgoing: OutgoingMessage, content?: Uint8Array): ReceivedMessage {
  const [message] = outgoing.messages;
  if (message === undefined) throw new Error('the message is for no device');
  counter += 1;
  return {
    messageId: `m-${counter}`,
    from: { userId: from.userId, deviceId: from.deviceId },
    type: message.type,
    content: content === undefined ? message.content : toBase64(content),
    timestamp: outgoing.timestamp,
    serverTimestamp: outgoing.timestamp,
  };
}

/** Sends a text and delivers it. */
export async function exchange(from: CryptoDevice, to: CryptoDevice, text: string): Promise<PlainReceived> {
  return await to.mailbox.receive(delivered(from, await send(from, to, text)));
}

/** Returns the bytes of an outgoing message. */
export function contentOf(outgoing: OutgoingMessage): Uint8Array {
  return fromBase64(outgoing.messages[0]?.content ?? '');
}

/** Returns the texts that a device has received, in their order. */
export async function textsOf(device: CryptoDevice): Promise<string[]> {
  return (await device.mailbox.received()).map(({ plain }) => new TextDecoder().decode(fromBase64(plain)));
}
