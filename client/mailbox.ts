/**
 * Sending and receiving without their transport: what is kept, and when. A message is encrypted, and its bytes are kept in
 * the outbox, in one transaction; only then it is sent, the same bytes at each repeat, so that no key encrypts two
 * messages. A received message is decrypted and kept with its id in one transaction; only then it is acknowledged, so that
 * none is lost or kept twice.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import type { KeyBundles } from '../contract/devices.ts';
import type { ReceivedMessage } from '../contract/messages.ts';
import { fromBase64, toBase64 } from './bytes.ts';
import { addressOf, closeSessions, decryptFrom, encryptTo, forgetDevice } from './crypto/devices.ts';
import { reasonOf, type UndecryptableReason, undecryptable } from './crypto/failures.ts';
import type { Random } from './crypto/primitives.ts';
import type { Surroundings } from './crypto/ratchet.ts';
import { decodeRetry, encodeRetry } from './crypto/retry.ts';
import { hasCode, VyryError } from './errors.ts';
import type {
  ClientState,
  ClientStore,
  DeviceAddress,
  OutgoingMessage,
  OutgoingType,
  StoredDeviceMessage,
} from './store.ts';

/** Ids of received messages that are remembered: the server repeats what was not acknowledged. */
const seenMax = 1000;
/** A device is asked at most once in this time to send again. */
const retryMs = 3_600_000;

/** A text for the devices of a person. */
export interface NewMessage {
  clientMessageId: string;
  userId: string;
  deviceIds: readonly string[];
  plain: Uint8Array;
  /** `message` by default. */
  type?: OutgoingType;
  /** The keys of devices without a session. */
  bundles?: KeyBundles | undefined;
}

/** What became of a received message. */
export type Received =
  | { kind: 'message'; isIdentityChanged: boolean }
  /** The other device could not decrypt these messages, and has begun a new session. */
  | { kind: 'retry'; messageIds: string[]; isIdentityChanged: boolean }
  /** It was received before: acknowledge it again. */
  | { kind: 'seen' }
  /** It is to be acknowledged too; `willRetry` says that the other device is asked to send it again. */
  | { kind: 'undecryptable'; reason: UndecryptableReason; willRetry: boolean };

/** What the server says of the devices of a recipient when it refuses a message: 409 and 410. */
interface DeviceChanges {
  /** Devices that the person does not have. */
  extra?: readonly string[];
  /** Devices that are others now. */
  stale?: readonly string[];
  /** The keys of devices that are missing or stale. */
  bundles?: KeyBundles | undefined;
}

/** The messages of a device. */
export interface Mailbox {
  /**
   * Encrypts a message for devices and keeps it in the outbox.
   *
   * @returns whether the person has another identity key than before
   * @throws {VyryError} SESSION_NEEDED, IDENTITY_CHANGED, BUNDLE_INVALID: nothing has changed
   */
  queue(message: NewMessage): Promise<{ isIdentityChanged: boolean }>;
  /** Returns the messages to send, in their order. */
  outbox(): Promise<OutgoingMessage[]>;
  /** Encrypts a refused message for other devices, under the same id: the server has not stored it. */
  amend(clientMessageId: string, changes: DeviceChanges): Promise<{ isIdentityChanged: boolean }>;
  /** Removes a message that the server has confirmed, or refused for good. */
  confirm(clientMessageId: string): Promise<void>;
  /** Decrypts a message and keeps it. Acknowledge it then, whatever came of it. */
  receive(message: ReceivedMessage): Promise<Received>;
  /** Returns the messages that the application has not taken, in their order. */
  received(): Promise<ClientState['received']>;
  /** Removes a message that the application has kept. */
  take(messageId: string): Promise<void>;
  /** Returns the devices that are to be asked to send again. */
  retries(): Promise<ClientState['retries']>;
  /** Encrypts the request to send again in a new session, and keeps it in the outbox; none for a device that is no more. */
  queueRetry(from: DeviceAddress, bundles: KeyBundles): Promise<void>;
}

/** Creates the mailbox of a store. */
export function createMailbox(
  store: ClientStore,
  { now, random = randomBytes }: { now: () => number; random?: Random },
): Mailbox {
  const surroundings = (): Surroundings => ({ random, now: now() });
  return {
    queue: (message) => store.transaction((state) => queueMessage(state, message, surroundings())),
    outbox: () => store.transaction((state) => state.outbox),
    amend: (id, changes) => store.transaction((state) => amendMessage(state, { id, changes }, surroundings())),
    confirm: (clientMessageId) =>
      store.transaction((state) => {
        state.outbox = state.outbox.filter((one) => one.clientMessageId !== clientMessageId);
      }),
    receive: (message) => store.transaction((state) => receiveMessage(state, message, now())),
    received: () => store.transaction((state) => state.received),
    take: (messageId) =>
      store.transaction((state) => {
        state.received = state.received.filter((one) => one.messageId !== messageId);
      }),
    retries: () => store.transaction((state) => state.retries),
    queueRetry: (from, bundles) =>
      store.transaction((state) => queueRetryFor(state, { from, bundles }, surroundings())),
  };
}

async function queueMessage(state: ClientState, message: NewMessage, surroundings: Surroundings) {
  const { clientMessageId, userId, plain, type = 'message' } = message;
  if (state.outbox.some((one) => one.clientMessageId === clientMessageId)) return { isIdentityChanged: false };
  const encrypted = await encryptForAll(state, { ...message, type }, surroundings);
  state.outbox.push({
    clientMessageId,
    userId,
    type,
    timestamp: new Date(surroundings.now).toISOString(),
    plain: toBase64(plain),
    messages: encrypted.messages,
  });
  return { isIdentityChanged: encrypted.isIdentityChanged };
}

async function amendMessage(
  state: ClientState,
  { id, changes }: { id: string; changes: DeviceChanges },
  surroundings: Surroundings,
) {
  const outgoing = state.outbox.find((one) => one.clientMessageId === id);
  if (outgoing === undefined) return { isIdentityChanged: false };
  const { extra = [], stale = [], bundles } = changes;
  const { userId, type } = outgoing;
  for (const deviceId of extra) forgetDevice(state, { userId, deviceId });
  for (const deviceId of stale) closeSessions(state, { userId, deviceId });
  const deviceIds = bundles?.devices.map(({ deviceId }) => deviceId) ?? [];
  const input = { userId, deviceIds, type, plain: fromBase64(outgoing.plain), bundles };
  const encrypted = await encryptForAll(state, input, surroundings);
  const replaced = new Set([...extra, ...stale, ...deviceIds]);
  const kept = outgoing.messages.filter(({ deviceId }) => !replaced.has(deviceId));
  outgoing.messages = [...kept, ...encrypted.messages];
  return { isIdentityChanged: encrypted.isIdentityChanged };
}

/** @throws {VyryError} SESSION_NEEDED, with every device that needs one */
async function encryptForAll(
  state: ClientState,
  { userId, deviceIds, plain, type = 'message', bundles }: Omit<NewMessage, 'clientMessageId'>,
  surroundings: Surroundings,
): Promise<{ messages: StoredDeviceMessage[]; isIdentityChanged: boolean }> {
  const messages: StoredDeviceMessage[] = [];
  const missing: string[] = [];
  let isIdentityChanged = false;
  for (const deviceId of deviceIds) {
    try {
      const letter = { to: { userId, deviceId }, plain, bundle: bundleOf(bundles, deviceId) };
      const encrypted = await encryptTo(state, letter, surroundings);
      messages.push(type === 'message' ? encrypted.message : { ...encrypted.message, type });
      isIdentityChanged ||= encrypted.isIdentityChanged;
    } catch (err) {
      if (!hasCode(err, 'SESSION_NEEDED')) throw err;
      missing.push(deviceId);
    }
  }
  if (missing.length > 0)
    throw new VyryError('SESSION_NEEDED', 'Get the keys of the devices first', { fields: { deviceIds: missing } });
  return { messages, isIdentityChanged };
}

function bundleOf(bundles: KeyBundles | undefined, deviceId: string) {
  const device = bundles?.devices.find((one) => one.deviceId === deviceId);
  return bundles && device && { identityKey: bundles.identityKey, device };
}

/** @throws {Error} what is no refusal of the protocol: nothing changes, and the message stays at the server */
async function receiveMessage(state: ClientState, message: ReceivedMessage, now: number): Promise<Received> {
  const { messageId, from, type, content, timestamp, serverTimestamp } = message;
  if (state.seen.includes(messageId)) return { kind: 'seen' };
  try {
    const { plain, isIdentityChanged } = await decryptFrom(state, { from, content: contentOf(content) }, now);
    remember(state, messageId);
    if (type === 'retry') return { kind: 'retry', messageIds: decodeRetry(plain), isIdentityChanged };
    state.received.push({ messageId, from, type, plain: toBase64(plain), timestamp, serverTimestamp });
    return { kind: 'message', isIdentityChanged };
  } catch (err) {
    const reason = reasonOf(err);
    if (reason === undefined) throw err;
    remember(state, messageId);
    return { kind: 'undecryptable', reason, willRetry: askAgain(state, { from, messageId }, now) };
  }
}

function contentOf(content: string): Uint8Array {
  try {
    return fromBase64(content);
  } catch {
    throw undecryptable('malformed');
  }
}

function remember(state: ClientState, messageId: string): void {
  state.seen = [...state.seen.filter((one) => one !== messageId), messageId].slice(-seenMax);
}

/** One request an hour and device: a device that sends nonsense must not make this one answer without end. */
function askAgain(state: ClientState, retry: ClientState['retries'][number], now: number): boolean {
  const address = addressOf(retry.from);
  const last = state.retriedAt[address];
  if (last !== undefined && now - last < retryMs) return false;
  state.retriedAt[address] = now;
  state.retries.push(retry);
  return true;
}

async function queueRetryFor(
  state: ClientState,
  { from, bundles }: { from: DeviceAddress; bundles: KeyBundles },
  surroundings: Surroundings,
): Promise<void> {
  const isOf = (one: ClientState['retries'][number]) => addressOf(one.from) === addressOf(from);
  const messageIds = state.retries.filter(isOf).map(({ messageId }) => messageId);
  if (messageIds.length === 0) return;
  if (bundleOf(bundles, from.deviceId) === undefined) return forgetDevice(state, from);
  closeSessions(state, from);
  state.retries = state.retries.filter((one) => !isOf(one));
  const message = {
    clientMessageId: `retry-${messageIds[0]}`,
    userId: from.userId,
    deviceIds: [from.deviceId],
    plain: encodeRetry(messageIds),
    type: 'retry',
    bundles,
  } as const;
  await queueMessage(state, message, surroundings);
}
