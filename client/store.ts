/**
 * What a device keeps. All of it can be written as JSON; bytes are base64.
 *
 * A store is a small interface, because a device keeps its state in a file, in IndexedDB or in an encrypted database of
 * the application. What it must promise stands at `transaction`.
 */
import type { IdentityRotation } from '../contract/devices.ts';
import type { KeyUpload } from '../contract/keys.ts';

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
}

/** The kinds of prekeys, by their names in uploads. */
export type KeyKind = 'signedPreKey' | 'pqLastResortPreKey' | 'preKeys' | 'pqPreKeys';

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
  /** New identity keys of which this device does not know yet whether the server has them. */
  rotations?: Rotation[];
}

/** The place where a device keeps its state. */
export interface ClientStore {
  /**
   * Runs `change` on a copy of the state, one transaction at a time. When it resolves, the copy is kept durably before
   * the promise of the transaction resolves. When it rejects, nothing has changed.
   */
  transaction<T>(change: (state: ClientState) => T | Promise<T>): Promise<T>;
}

/** Returns the state of a device that has no keys. */
export function emptyState(): ClientState {
  return { keys: { signedPreKey: [], pqLastResortPreKey: [], preKeys: [], pqPreKeys: [] } };
}

/**
 * Creates a store of a medium: it holds the state in memory, runs one transaction at a time, and saves the JSON of a state
 * that was changed.
 */
export function createStore(initial: ClientState, save: (json: string) => Promise<void>): ClientStore {
  let state = initial;
  let saved = JSON.stringify(initial);
  let last: Promise<unknown> = Promise.resolve();
  const run = async <T>(change: (state: ClientState) => T | Promise<T>): Promise<T> => {
    const draft = structuredClone(state);
    const result = await change(draft);
    const json = JSON.stringify(draft);
    if (json !== saved) await save(json);
    state = draft;
    saved = json;
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
