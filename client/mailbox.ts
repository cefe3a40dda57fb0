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
import { encodeRetry } from './crypto/retry.ts';
import { hasCode, VyryError } from './errors.ts';
import type {
  ClientState,
  ClientStore,
  DeviceAddress,
  IncomingMessage,
  OutgoingMessage,
  OutgoingType,
  StoredDeviceMessage,
} from './store.ts';

/** Ids of received messages that are remembered: the server repeats what was not acknowledged. */
const seenMax = 1000;
/** A device is asked at most once in this time to send again. */
const retryMs = 3_600_000;
/** Messages that one request names. */
const retriesMax = 255;
/** Messages that were asked for and are remembered. */
const askedMax = 1000;

/** A text for the devices of a person. */
export interface NewMessage {
  clientMessageId: string;
  userId: string;
  /** By default the devices that have a session; the server names the others when it refuses the message. */
  deviceIds?: readonly string[];
  plain: Uint8Array;
  /** `message` by default. */
  type?: OutgoingType;
  /** The keys of devices without a session. */
  bundles?: KeyBundles | undefined;
  /** Wakes up devices that are not connected; true by default. */
  urgent?: boolean | undefined;
  /** Only for devices that are connected. */
  online?: boolean | undefined;
}

/** A message that was decrypted. */
export interface OpenedMessage extends Omit<ReceivedMessage, 'content'> {
  plain: Uint8Array;
}

/**
 * Keeps what a decrypted message says, in the transaction that decrypts it, and returns what kind of message it is.
 *
 * @throws {VyryError} UNDECRYPTABLE: malformed
 */
export type Keep<K> = (state: ClientState, opened: OpenedMessage, surroundings: Surroundings) => K | Promise<K>;

/** What became of a received message: what `Keep` returned, or why it was not called. */
export type Received<K> =
  | (K & { isIdentityChanged: boolean })
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
  /** Devices that have no copy. */
  missing?: readonly string[];
  /** The keys of devices that need a new session. */
  bundles?: KeyBundles | undefined;
}

/** The messages of a device. */
export interface Mailbox<K> {
  /**
   * Encrypts a message for devices and keeps it in the outbox.
   *
   * @returns whether the person has another identity key than before
   * @throws {VyryError} SESSION_NEEDED, IDENTITY_CHANGED, BUNDLE_INVALID: nothing has changed
   */
  queue(message: NewMessage): Promise<{ isIdentityChanged: boolean }>;
  /** Returns the messages to send, in their order. */
  outbox(): Promise<OutgoingMessage[]>;
  /**
   * Encrypts a refused message for other devices, under the same id: the server has not stored it.
   *
   * @throws {VyryError} as `queue`
   */
  amend(clientMessageId: string, changes: DeviceChanges): Promise<{ isIdentityChanged: boolean }>;
  /**
   * Removes a message that the server has confirmed, or refused for good. `follow` changes the state in the same
   * transaction; it is not called for a message that was removed before.
   */
  confirm(clientMessageId: string, follow?: Follow): Promise<void>;
  /** Decrypts a message and keeps it. Acknowledge it then, whatever came of it. */
  receive(message: ReceivedMessage): Promise<Received<K>>;
  /** Returns the messages that the application has not taken, in their order. */
  received(): Promise<ClientState['received']>;
  /** Removes a message that the application has kept. */
  take(messageId: string): Promise<void>;
  /** Returns the devices that are to be asked to send again. */
  retries(): Promise<ClientState['retries']>;
  /** Encrypts the request to send again in a new session, and keeps it in the outbox; none for a device that is no more. */
  queueRetry(from: DeviceAddress, bundles: KeyBundles): Promise<void>;
}

/** What follows from the end of a message. */
type Follow = (state: ClientState, outgoing: OutgoingMessage, surroundings: Surroundings) => void | Promise<void>;

/** Creates the mailbox of a store. */
export function createMailbox<K>(
  store: ClientStore,
  { now, random = randomBytes, keep }: { now: () => number; random?: Random; keep: Keep<K> },
): Mailbox<K> {
  const surroundings = (): Surroundings => ({ random, now: now() });
  return {
    queue: (message) => store.transaction((state) => queueMessage(state, message, surroundings())),
    outbox: () => store.transaction((state) => state.outbox),
    amend: (id, changes) => store.transaction((state) => amendMessage(state, { id, changes }, surroundings())),
    confirm: (clientMessageId, follow) =>
      store.transaction(async (state) => {
        const outgoing = state.outbox.find((one) => one.clientMessageId === clientMessageId);
        if (outgoing === undefined) return;
        state.outbox = state.outbox.filter((one) => one !== outgoing);
        await follow?.(state, outgoing, surroundings());
      }),
    receive: (message) => store.transaction((state) => receiveMessage(state, message, { ...surroundings(), keep })),
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

/**
 * Encrypts a message in a transaction of its caller, and keeps it in the outbox.
 *
 * @returns whether the person has another identity key than before
 * @throws {VyryError} SESSION_NEEDED, IDENTITY_CHANGED, BUNDLE_INVALID: the transaction must fail
 */
export async function queueMessage(
  state: ClientState,
  message: NewMessage,
  surroundings: Surroundings,
): Promise<{ isIdentityChanged: boolean }> {
  const { clientMessageId, userId, plain, type = 'message', bundles, urgent, online } = message;
  if (state.outbox.some((one) => one.clientMessageId === clientMessageId)) return { isIdentityChanged: false };
  const { deviceIds = devicesOf(state, userId) } = message;
  const letter = { userId, deviceIds, plain, type, bundles, isPartial: message.deviceIds === undefined };
  const encrypted = await encryptForAll(state, letter, surroundings);
  state.outbox.push({
    clientMessageId,
    userId,
    type,
    timestamp: new Date(surroundings.now).toISOString(),
    plain: toBase64(plain),
    messages: encrypted.messages,
    ...(urgent !== undefined && { urgent }),
    ...(online !== undefined && { online }),
  });
  return { isIdentityChanged: encrypted.isIdentityChanged };
}

/** Returns the devices of a person that have sessions. */
function devicesOf({ sessions }: ClientState, userId: string): string[] {
  return Object.keys(sessions).flatMap((address) => {
    const end = address.lastIndexOf('.');
    return address.slice(0, end) === userId ? [address.slice(end + 1)] : [];
  });
}

async function amendMessage(
  state: ClientState,
  { id, changes }: { id: string; changes: DeviceChanges },
  surroundings: Surroundings,
) {
  const outgoing = state.outbox.find((one) => one.clientMessageId === id);
  if (outgoing === undefined) return { isIdentityChanged: false };
  const { extra = [], stale = [], missing = [], bundles } = changes;
  const { userId, type } = outgoing;
  for (const deviceId of extra) forgetDevice(state, { userId, deviceId });
  for (const deviceId of stale) closeSessions(state, { userId, deviceId });
  const deviceIds = [...new Set([...missing, ...(bundles?.devices.map(({ deviceId }) => deviceId) ?? [])])];
  const input = { userId, deviceIds, type, plain: fromBase64(outgoing.plain), bundles };
  const encrypted = await encryptForAll(state, input, surroundings);
  const replaced = new Set([...extra, ...stale, ...deviceIds]);
  const kept = outgoing.messages.filter(({ deviceId }) => !replaced.has(deviceId));
  outgoing.messages = [...kept, ...encrypted.messages];
  return { isIdentityChanged: encrypted.isIdentityChanged };
}

/** A text for some devices. `isPartial`: those that need a session are left out. */
interface Letters extends Required<Pick<NewMessage, 'userId' | 'deviceIds' | 'plain' | 'type'>> {
  bundles: KeyBundles | undefined;
  isPartial?: boolean;
}

/** @throws {VyryError} SESSION_NEEDED, with every device that needs one */
async function encryptForAll(
  state: ClientState,
  { userId, deviceIds, plain, type, bundles, isPartial = false }: Letters,
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
  if (missing.length > 0 && !isPartial)
    throw new VyryError('SESSION_NEEDED', 'Get the keys of the devices first', { fields: { deviceIds: missing } });
  return { messages, isIdentityChanged };
}

function bundleOf(bundles: KeyBundles | undefined, deviceId: string) {
  const device = bundles?.devices.find((one) => one.deviceId === deviceId);
  return bundles && device && { identityKey: bundles.identityKey, device };
}

/**
 * A text that `keep` refuses as malformed has opened: its key is used up all the same.
 *
 * @throws {Error} what is no refusal of the protocol: nothing changes, and the message stays at the server
 */
async function receiveMessage<K>(
  state: ClientState,
  message: ReceivedMessage,
  { keep, ...surroundings }: Surroundings & { keep: Keep<K> },
): Promise<Received<K>> {
  const { messageId, from, content, ...rest } = message;
  if (state.seen.includes(messageId)) return { kind: 'seen' };
  try {
    const { plain, isIdentityChanged } = await decryptFrom(
      state,
      { from, content: contentOf(content) },
      surroundings.now,
    );
    remember(state, messageId);
    return { ...(await keep(state, { ...rest, messageId, from, plain }, surroundings)), isIdentityChanged };
  } catch (err) {
    const reason = reasonOf(err);
    if (reason === undefined) throw err;
    remember(state, messageId);
    return { kind: 'undecryptable', reason, willRetry: askAgain(state, { from, messageId }, surroundings.now) };
  }
}

/** Keeps a message until the application takes it. */
export function keepForApplication(
  state: ClientState,
  { plain, ...message }: OpenedMessage & Pick<IncomingMessage, 'peerId' | 'peerMessageId'>,
): void {
  state.received.push({ ...message, plain: toBase64(plain) });
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

/**
 * One request an hour and device: a device that sends nonsense must not make this one answer without end. A request that
 * was not sent yet names all messages that came until then.
 */
function askAgain(state: ClientState, retry: ClientState['retries'][number], now: number): boolean {
  const address = addressOf(retry.from);
  const last = state.retriedAt[address];
  const waiting = state.retries.filter(({ from }) => addressOf(from) === address);
  const isOver = last === undefined || now - last >= retryMs;
  if (waiting.length === 0 ? !isOver : waiting.length >= retriesMax) return false;
  if (isOver) state.retriedAt[address] = now;
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
  state.asked = [...state.asked, ...messageIds.map((messageId) => ({ messageId, from }))].slice(-askedMax);
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
