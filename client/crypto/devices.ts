/**
 * Encryption between this device and others, on the state of the client: which session, which keys, whose identity. All
 * functions run in a transaction of the store. They change the state only after nothing can fail any more.
 */
import type { KeyBundles } from '../../contract/devices.ts';
import { fromBase64, toBase64 } from '../bytes.ts';
import { hasCode, VyryError } from '../errors.ts';
import { findKey, removeKey } from '../keys.ts';
import type { ClientState, DeviceAddress, StoredDeviceMessage, StoredKey } from '../store.ts';
import { type KeyPair, publicKeyOf } from './curve.ts';
import { badBundle, reasonOf, undecryptable } from './failures.ts';
import { checkRecipient, checkSender, identityOf, keepIdentity, ownIdentity } from './identities.ts';
import { kyberKeyPair } from './kyber.ts';
import { type Bundle, decodePrefix, looksLikeFirstMessage, type Prefix, prefixBytes } from './pqxdh.ts';
import { isEqual } from './primitives.ts';
import type { Surroundings } from './ratchet.ts';
import {
  acceptSession,
  beginSession,
  decodeSessions,
  decryptIn,
  encodeSessions,
  encryptIn,
  handshakeOf,
  identitiesOf,
  isUnanswered,
  type OwnParty,
  type Session,
  withCurrent,
} from './session.ts';

/** The keys of one device, as the directory answers them. */
export type DeviceBundle = KeyBundles['devices'][number];

/** A text for one device. */
export interface Letter {
  to: DeviceAddress;
  plain: Uint8Array;
  /** The keys of the device, for a new session. */
  bundle?: { identityKey: string; device: DeviceBundle } | undefined;
}

/**
 * Encrypts a text. Without a session that can send, and without a bundle, it says that one is needed.
 *
 * @returns the copy to send, and whether the bundle has another identity key than the person had before
 * @throws {VyryError} SESSION_NEEDED, IDENTITY_CHANGED, BUNDLE_INVALID, NO_KEYS
 */
export async function encryptTo(
  state: ClientState,
  { to, plain, bundle }: Letter,
  surroundings: Surroundings,
): Promise<{ message: StoredDeviceMessage; isIdentityChanged: boolean }> {
  const sessions = readSessions(state, to);
  const [current] = sessions;
  const isUsable = current !== undefined && canSend(state, { session: current, userId: to.userId }, surroundings.now);
  const session = isUsable ? current : beginWith(state, { to, bundle }, surroundings);
  const encrypted = await encryptIn(session, plain, surroundings);
  const others = isUsable ? sessions.slice(1) : sessions;
  writeSessions(state, to, withCurrent(others, encrypted.session));
  return {
    message: {
      deviceId: to.deviceId,
      registrationId: session.registrationId,
      type: encrypted.isFirst ? 'prekey' : 'message',
      content: toBase64(encrypted.content),
    },
    isIdentityChanged: isUsable ? false : keepIdentity(state, to.userId, identitiesOf(session).peer),
  };
}

/**
 * Decrypts a message from a device: in the session of its handshake, in a new one, or in any that is kept. The session in
 * which it opens becomes the current one, so that both sides of two handshakes at the same time settle on one.
 *
 * @returns the text, and whether the sender has another identity key than before
 * @throws {VyryError} UNDECRYPTABLE: nothing has changed
 */
export async function decryptFrom(
  state: ClientState,
  { from, content }: { from: DeviceAddress; content: Uint8Array },
  now: number,
): Promise<{ plain: Uint8Array; isIdentityChanged: boolean }> {
  const sessions = readSessions(state, from);
  const opened = await open(state, { from, content, sessions }, now);
  const others = sessions.filter((session) => session !== opened.previous);
  writeSessions(state, from, withCurrent(others, opened.session));
  opened.consumeKeys?.();
  return {
    plain: opened.plain,
    isIdentityChanged: keepIdentity(state, from.userId, identitiesOf(opened.session).peer),
  };
}

/** Stops sending in the sessions with a device; what is still on its way can be opened. */
export function closeSessions(state: ClientState, device: DeviceAddress): void {
  const sessions = readSessions(state, device).map((session) => ({ ...session, canSend: false }));
  writeSessions(state, device, sessions);
}

/** Erases the sessions with a device that is no more. */
export function forgetDevice(state: ClientState, device: DeviceAddress): void {
  delete state.sessions[addressOf(device)];
  delete state.retriedAt[addressOf(device)];
  state.retries = state.retries.filter(({ from }) => addressOf(from) !== addressOf(device));
}

/** Returns how sessions and handshakes name a device. */
export function addressOf({ userId, deviceId }: DeviceAddress): string {
  return `${userId}.${deviceId}`;
}

/** Returns the sessions with a device, the current one first. */
export function readSessions(state: ClientState, device: DeviceAddress): Session[] {
  const stored = state.sessions[addressOf(device)];
  return stored === undefined ? [] : decodeSessions(fromBase64(stored));
}

function writeSessions(state: ClientState, device: DeviceAddress, sessions: readonly Session[]): void {
  state.sessions[addressOf(device)] = toBase64(encodeSessions(sessions));
}

/** A session with an identity key that either side has replaced is of no use for new messages. */
function canSend(state: ClientState, { session, userId }: { session: Session; userId: string }, now: number): boolean {
  const { own, peer } = identitiesOf(session);
  const isOwnCurrent = toBase64(own) === state.identity?.publicKey;
  return session.canSend && isOwnCurrent && toBase64(peer) === identityOf(state, userId) && !isUnanswered(session, now);
}

function beginWith(state: ClientState, { to, bundle }: Omit<Letter, 'plain'>, surroundings: Surroundings): Session {
  if (bundle === undefined)
    throw new VyryError('SESSION_NEEDED', 'Get the keys of the device first', { fields: { deviceIds: [to.deviceId] } });
  const read = readBundle(bundle);
  checkRecipient(state, to.userId, read.identityKey);
  return beginSession(ownParty(state), { bundle: read, address: addressOf(to) }, surroundings);
}

/** The result of opening a message. */
interface Opened {
  session: Session;
  /** The stored session that it was, if it was one. */
  previous?: Session;
  plain: Uint8Array;
  consumeKeys?: () => void;
}

/** A message from a device with the stored sessions. */
interface Arrived {
  from: DeviceAddress;
  content: Uint8Array;
  sessions: Session[];
}

/** The bytes say what kind of message it is; the server's word is not needed. */
async function open(state: ClientState, arrived: Arrived, now: number): Promise<Opened> {
  const { from, content, sessions } = arrived;
  const openAny = () => openIn(state, { from, candidates: sessions, message: content }, now);
  if (!looksLikeFirstMessage(content)) return await openAny();
  return await openFirst(state, arrived, now).catch((err) =>
    openAny().catch(() => {
      throw err;
    }),
  );
}

/** A repeat of a handshake belongs to its session; another handshake is a new session. */
async function openFirst(state: ClientState, { from, content, sessions }: Arrived, now: number): Promise<Opened> {
  const handshake = handshakeOf(content);
  const known = sessions.filter((session) => isEqual(session.handshake, handshake));
  const message = content.subarray(prefixBytes);
  if (known.length > 0) return await openIn(state, { from, candidates: known, message }, now);
  const prefix = decodePrefix(content);
  checkSender(state, from.userId, prefix.identityKey);
  refuseUsed(state, prefix);
  const keys = responderKeys(state, prefix, now);
  const own = { ...keys.keys, address: ownParty(state).address };
  const session = acceptSession(own, { prefix, address: addressOf(from) }, now);
  return { ...(await decryptIn(session, message, now)), consumeKeys: () => keys.consume() };
}

/** Tries sessions one after the other. */
async function openIn(
  state: ClientState,
  { from, candidates, message }: { from: DeviceAddress; candidates: Session[]; message: Uint8Array },
  now: number,
): Promise<Opened> {
  let failure: unknown = undecryptable('no-session');
  for (const previous of candidates) {
    try {
      checkSender(state, from.userId, identitiesOf(previous).peer);
      return { ...(await decryptIn(previous, message, now)), previous };
    } catch (err) {
      if (!hasCode(err, 'UNDECRYPTABLE')) throw err;
      // a session that knows the message tells more than one that does not
      if (reasonOf(failure) !== 'repeated') failure = err;
    }
  }
  throw failure;
}

/** A last-resort key stays: without this memory its handshakes could be repeated (PQXDH, its section on protocol replay). */
function refuseUsed({ usedHandshakes }: ClientState, { kemKeyId, signedPreKeyId, baseKey }: Prefix): void {
  const key = toBase64(baseKey);
  const isUsed = usedHandshakes.some(
    (used) => used.kemKeyId === kemKeyId && used.signedPreKeyId === signedPreKeyId && used.baseKey === key,
  );
  if (isUsed) throw undecryptable('key-used');
}

/** Finds the private keys that a prefix names, and what becomes of them once a message has opened. */
function responderKeys(state: ClientState, prefix: Prefix, now: number) {
  const { signedPreKeyId, preKeyId, kemKeyId, baseKey } = prefix;
  const signedPreKey = findKey(state, { kind: 'signedPreKey', keyId: signedPreKeyId }, now);
  const preKey = preKeyId === undefined ? undefined : findKey(state, { kind: 'preKeys', keyId: preKeyId }, now);
  const oneTimeKem = findKey(state, { kind: 'pqPreKeys', keyId: kemKeyId }, now);
  const kem = oneTimeKem ?? findKey(state, { kind: 'pqLastResortPreKey', keyId: kemKeyId }, now);
  if (signedPreKey === undefined || kem === undefined) throw undecryptable('unknown-key');
  if (preKeyId !== undefined && preKey === undefined) throw undecryptable('unknown-key');
  return {
    keys: {
      identity: ownIdentity(state),
      signedPreKey: curvePairOf(signedPreKey),
      preKey: preKey && curvePairOf(preKey),
      kem: kyberKeyPair(fromBase64(kem.secret)),
    },
    consume() {
      if (preKey) removeKey(state, 'preKeys', preKey.keyId);
      if (oneTimeKem) removeKey(state, 'pqPreKeys', oneTimeKem.keyId);
      else state.usedHandshakes.push({ kemKeyId, signedPreKeyId, baseKey: toBase64(baseKey) });
    },
  };
}

function curvePairOf({ secret }: StoredKey): KeyPair {
  const privateKey = fromBase64(secret);
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

function ownParty(state: ClientState): OwnParty {
  const { userId, deviceId, registrationId } = state;
  if (userId === undefined || deviceId === undefined || registrationId === undefined)
    throw new VyryError('NO_KEYS', 'This is not a device of an account yet');
  return { identity: ownIdentity(state), registrationId, address: addressOf({ userId, deviceId }) };
}

/** Returns what the directory answered, in bytes. @throws {VyryError} BUNDLE_INVALID: a key is no base64 */
export function readBundle({ identityKey, device }: NonNullable<Letter['bundle']>): Bundle {
  const { registrationId, signedPreKey, preKey, pqPreKey } = device;
  const signed = (key: DeviceBundle['signedPreKey']) => ({
    keyId: key.keyId,
    publicKey: readKey(key.publicKey),
    signature: readKey(key.signature),
  });
  return {
    registrationId,
    identityKey: readKey(identityKey),
    signedPreKey: signed(signedPreKey),
    preKey: preKey && { keyId: preKey.keyId, publicKey: readKey(preKey.publicKey) },
    pqPreKey: signed(pqPreKey),
  };
}

function readKey(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch {
    throw badBundle('a key is no base64');
  }
}
