/**
 * What a device keeps. All of it can be written as JSON; bytes are base64.
 *
 * A store is a small interface, because a device keeps its state in a file, in IndexedDB or in an encrypted database of
 * the application. What it must promise stands at `transaction`.
 */
import type { z } from 'zod';
import type { IdentityRotation } from '../contract/devices.ts';
import type { KeyUpload } from '../contract/keys.ts';
import type { DeviceMessage } from '../contract/messages.ts';
import { VyryError } from './errors.ts';
import { applyChanges, type Change, changesOf, draftOf } from './state-changes.ts';

/** A private key that the device made, with its times in milliseconds since the Unix epoch. */
export interface StoredKey {
  keyId: number;
  /** Base64 of the 32 bytes of a curve key, or of the 64 bytes of a Kyber seed. */
  secret: string;
  createdAt: number;
  /** When another key took its place at the server. Messages made with it may still arrive. */
  replacedAt?: number;
}

/** The ids of the keys that the server has confirmed, one-time keys in the order of their upload. */
interface ConfirmedKeys {
  signedPreKeyId: number;
  pqLastResortPreKeyId: number;
  preKeyIds: number[];
  pqPreKeyIds: number[];
}

/** The tokens of a session. */
export interface StoredTokens {
  accessToken: string;
  refreshToken: string;
  /** When the access token expires, in milliseconds since the Unix epoch. */
  expiresAt: number;
  /** The device of the session; absent if it has none. */
  deviceId?: string;
}

/** The kinds of prekeys, by their names in uploads. */
export type KeyKind = 'signedPreKey' | 'pqLastResortPreKey' | 'preKeys' | 'pqPreKeys';

/** The identity key of another account: trusted at the first contact, perhaps verified by its person since. */
export interface StoredIdentity {
  userId: string;
  /** Base64 of the serialised key. */
  publicKey: string;
  /** A person has compared the safety number. */
  isVerified: boolean;
  /** Earlier keys, the newest last. */
  replaced: string[];
}

/** A device of a person. */
export interface DeviceAddress {
  userId: string;
  deviceId: string;
}

/** A message that is encrypted and that the server has not confirmed. A repeat sends the same bytes. */
export interface OutgoingMessage {
  clientMessageId: string;
  userId: string;
  /** ISO 8601 */
  timestamp: string;
  type: OutgoingType;
  /** Base64 of the text, for devices that the server adds. */
  plain: string;
  messages: StoredDeviceMessage[];
  /** As the options of a send; absent for the default. */
  urgent?: boolean;
  online?: boolean;
}

/** The types of messages that the application or the client asks for; a first `message` is sent as `prekey`. */
export type OutgoingType = Exclude<StoredDeviceMessage['type'], 'prekey'>;

/** The copy of an outgoing message for one device. */
export type StoredDeviceMessage = z.output<typeof DeviceMessage>;

/** A message that the server has stored, kept for a while in case a device cannot decrypt it. */
interface StoredSentMessage {
  clientMessageId: string;
  messageId: string;
  userId: string;
  type: OutgoingType;
  /** ISO 8601 */
  timestamp: string;
  /** Base64 of the text. */
  plain: string;
  /** How often it was sent again. */
  resends: number;
}

/** A decrypted message that the application has not taken. */
export interface IncomingMessage {
  messageId: string;
  from: DeviceAddress;
  /** The recipient, if another device of this account has sent it. */
  peerId?: string;
  /** The id under which that recipient has it. */
  peerMessageId?: string;
  type: string;
  /** Base64 of the text. */
  plain: string;
  timestamp: string;
  serverTimestamp: string;
}

/** New keys of a device under a new identity key of its account, with their private parts. */
export interface RotatedKeys {
  deviceId: string;
  identity: { publicKey: string; privateKey: string };
  signedPreKey: StoredKey;
  pqLastResortPreKey: StoredKey;
}

/** A new identity key that the server may have or not. */
export interface Rotation {
  /** Of this device. */
  keys: RotatedKeys;
  /** The request that makes it; absent if another device makes it. */
  body?: IdentityRotation;
  /** The keys of the other devices. */
  others?: RotatedKeys[];
}

/** Everything that a device keeps. */
export interface ClientState {
  userId?: string;
  deviceId?: string;
  tokens?: StoredTokens;
  /** A registration that is not finished. */
  registration?: { registrationId: string; token: string };
  registrationId?: number;
  /** The identity key pair of the account, serialised. */
  identity?: { publicKey: string; privateKey: string };
  /** The private keys of each kind, oldest first. */
  keys: Record<KeyKind, StoredKey[]>;
  /** An upload whose answer has not arrived. It is repeated as it is. */
  pending?: KeyUpload;
  confirmed?: ConfirmedKeys;
  /** The sessions with each device by `userId.deviceId`, in the form of `encodeSessions`, in base64. */
  sessions: Record<string, string>;
  identities: StoredIdentity[];
  /** The handshakes that were made with a last-resort key that this device still has. */
  usedHandshakes: UsedHandshake[];
  /** The ids of the last messages that were received, oldest first. */
  seen: string[];
  /** When each device was last asked to send again, by `userId.deviceId`. */
  retriedAt: Record<string, number>;
  /** Messages that could not be decrypted, and whose senders are to be asked. */
  retries: { from: DeviceAddress; messageId: string }[];
  /** Messages that senders were asked to send again, oldest first. */
  asked: { from: DeviceAddress; messageId: string }[];
  /** The last messages that the server has stored, oldest first. */
  sent: StoredSentMessage[];
  outbox: OutgoingMessage[];
  received: IncomingMessage[];
  /** New identity keys of which this device does not know yet whether the server has them. */
  rotations?: Rotation[];
}

/** A handshake that must not be accepted again. */
interface UsedHandshake {
  kemKeyId: number;
  signedPreKeyId: number;
  /** Base64. */
  baseKey: string;
}

/** The place where a device keeps its state. */
export interface ClientStore {
  /**
   * Runs `change` on a copy of the state, one transaction at a time. When it resolves, the copy is kept durably before
   * the promise of the transaction resolves. When it rejects, nothing has changed. After a crash the state is the one
   * before the transaction or the one after it. test/support/store-contract.ts is the test of these promises.
   *
   * @throws {VyryError} STORE_FULL, STORE_FAILED: the medium refused the change
   */
  transaction<T>(change: (state: ClientState) => T | Promise<T>): Promise<T>;
}

/** Returns the state of a device that has no keys. */
export function emptyState(): ClientState {
  return {
    keys: { signedPreKey: [], pqLastResortPreKey: [], preKeys: [], pqPreKeys: [] },
    sessions: {},
    identities: [],
    usedHandshakes: [],
    seen: [],
    retriedAt: {},
    retries: [],
    asked: [],
    sent: [],
    outbox: [],
    received: [],
  };
}

/**
 * Creates a store of a medium: it holds the state in memory, runs one transaction at a time, and saves what was changed.
 * `save` keeps all changes of a transaction or none.
 */
export function createStore(initial: ClientState, save: (changes: readonly Change[]) => Promise<void>): ClientStore {
  let state = initial;
  let last: Promise<unknown> = Promise.resolve();
  const run = async <T>(change: (state: ClientState) => T | Promise<T>): Promise<T> => {
    const draft = draftOf(state);
    const result = await change(draft);
    const changes = changesOf(state, draft);
    if (changes.length === 0) return result;
    await save(changes);
    state = applyChanges(state, changes);
    return result;
  };
  return {
    transaction(change) {
      const next = last.then(() => run(change));
      last = next.catch(() => undefined);
      return next;
    },
  };
}

/** Returns the error of a medium that did not keep a change. */
export function storeFailure(cause: unknown, isFull: boolean): VyryError {
  return isFull
    ? new VyryError('STORE_FULL', 'There is no room left for the state of this device', { cause })
    : new VyryError('STORE_FAILED', 'The state of this device could not be kept', { cause });
}
