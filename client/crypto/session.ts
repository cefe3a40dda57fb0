/**
 * One session: a handshake, its ratchet, and what the first messages repeat until the other side has answered. A list of
 * sessions with one device is stored in a binary form with a version.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import type { KeyPair } from './curve.ts';
import { optional, Reader, sized, time, u8, u16, u32 } from './encoding.ts';
import { pad, unpad } from './padding.ts';
import {
  associatedData,
  type Bundle,
  encodePrefix,
  identityKeysOf,
  initiate,
  type Prefix,
  prefixBytes,
  type ResponderKeys,
  respond,
  sharedKey,
} from './pqxdh.ts';
import {
  createInitiator,
  createResponder,
  decrypt,
  encrypt,
  type Healing,
  type Ratchet,
  type ReceivingChain,
  type SendingChain,
  type Surroundings,
} from './ratchet.ts';

const version = 1;
/** A handshake that nobody has answered for so long is not used any more: its prekeys may be gone. */
const unansweredMs = 30 * 86_400_000;
/** Sessions with a device that are kept besides the current one. */
const archivedMax = 40;

/** A session with one device. */
export interface Session {
  associatedData: Uint8Array;
  isInitiator: boolean;
  /** SHA-256 of the prefix without the registration id: which handshake it was. */
  handshake: Uint8Array;
  /** The prefix of own messages until the other side has answered. */
  prefix: Uint8Array | undefined;
  /** The registration id of the other device. */
  registrationId: number;
  createdAt: number;
  /** False when the session only receives: the other device is another one now, or asked for a new session. */
  canSend: boolean;
  ratchet: Ratchet;
}

/** This device, as the other side of a session. */
export interface OwnParty {
  identity: KeyPair;
  registrationId: number;
  address: string;
}

/**
 * Begins a session with a bundle.
 *
 * @throws {VyryError} BUNDLE_INVALID
 */
export function beginSession(
  own: OwnParty,
  peer: { bundle: Bundle; address: string },
  { random, now }: Surroundings,
): Session {
  const { bundle } = peer;
  const { secrets, prefix } = initiate(own, bundle, random);
  const encoded = encodePrefix(prefix);
  return {
    associatedData: associatedData(
      { identityKey: own.identity.publicKey, address: own.address },
      { identityKey: bundle.identityKey, address: peer.address },
    ),
    isInitiator: true,
    handshake: handshakeOf(encoded),
    prefix: encoded,
    registrationId: bundle.registrationId,
    createdAt: now,
    canSend: true,
    ratchet: createInitiator(sharedKey(secrets), bundle.signedPreKey.publicKey, now),
  };
}

/** Accepts the handshake of a first message. The session is to be kept only when the message has opened in it. */
export function acceptSession(
  own: ResponderKeys & { address: string },
  peer: { prefix: Prefix; address: string },
  now: number,
): Session {
  const { prefix } = peer;
  return {
    associatedData: associatedData(
      { identityKey: prefix.identityKey, address: peer.address },
      { identityKey: own.identity.publicKey, address: own.address },
    ),
    isInitiator: false,
    handshake: handshakeOf(encodePrefix(prefix)),
    prefix: undefined,
    registrationId: prefix.registrationId,
    createdAt: now,
    canSend: true,
    ratchet: createResponder(sharedKey(respond(own, prefix)), own.signedPreKey, now),
  };
}

/** Returns which handshake an encoded prefix, or a first message, belongs to. */
export function handshakeOf(firstMessage: Uint8Array): Uint8Array {
  return sha256(firstMessage.subarray(3, prefixBytes));
}

/** Encrypts a text. The result is a first message until the other side has answered. */
export async function encryptIn(
  session: Session,
  plain: Uint8Array,
  surroundings: Surroundings,
): Promise<{ session: Session; content: Uint8Array; isFirst: boolean }> {
  const input = { plain: pad(plain), associatedData: session.associatedData };
  const { state, message } = await encrypt(session.ratchet, input, surroundings);
  return {
    session: { ...session, ratchet: state },
    content: session.prefix ? concatBytes(session.prefix, message) : message,
    isFirst: session.prefix !== undefined,
  };
}

/**
 * Decrypts a message of the ratchet.
 *
 * @throws {VyryError} UNDECRYPTABLE
 */
export async function decryptIn(
  session: Session,
  message: Uint8Array,
  now: number,
): Promise<{ session: Session; plain: Uint8Array }> {
  const input = { message, associatedData: session.associatedData };
  const { state, plain } = await decrypt(session.ratchet, input, now);
  return { session: { ...session, prefix: undefined, ratchet: state }, plain: unpad(plain) };
}

/** Returns the identity keys that a session was begun with. */
export function identitiesOf(session: Session): { own: Uint8Array; peer: Uint8Array } {
  const { initiator, responder } = identityKeysOf(session.associatedData);
  return session.isInitiator ? { own: initiator, peer: responder } : { own: responder, peer: initiator };
}

/** Returns whether a session has waited too long for its first answer. */
export function isUnanswered({ prefix, createdAt }: Session, now: number): boolean {
  return prefix !== undefined && now - createdAt >= unansweredMs;
}

/** Returns sessions with one at their head, and the oldest above the limit left out. */
export function withCurrent(sessions: readonly Session[], current: Session): Session[] {
  return [current, ...sessions].slice(0, 1 + archivedMax);
}

/** Serialises the sessions with a device, the current one first. */
export function encodeSessions(sessions: readonly Session[]): Uint8Array {
  return concatBytes(u8(version), u8(sessions.length), ...sessions.map((session) => sized(encodeSession(session))));
}

/**
 * Reads what `encodeSessions` wrote.
 *
 * @throws {Error} it is of another version, or damaged
 */
export function decodeSessions(bytes: Uint8Array): Session[] {
  const damaged = () => new Error('the stored sessions cannot be read');
  const reader = new Reader(bytes, damaged);
  if (reader.number(1) !== version) throw damaged();
  return reader.list(reader.number(1), () => decodeSession(new Reader(reader.sized(), damaged)));
}

function encodeSession(session: Session): Uint8Array {
  return concatBytes(
    sized(session.associatedData),
    u8((session.isInitiator ? 1 : 0) | (session.canSend ? 2 : 0)),
    session.handshake,
    optional(session.prefix),
    u16(session.registrationId),
    time(session.createdAt),
    encodeRatchet(session.ratchet),
  );
}

function decodeSession(reader: Reader): Session {
  const data = reader.sized();
  const flags = reader.number(1);
  return {
    associatedData: data,
    isInitiator: (flags & 1) !== 0,
    canSend: (flags & 2) !== 0,
    handshake: reader.bytes(32),
    prefix: reader.optional(() => reader.bytes(prefixBytes)),
    registrationId: reader.number(2),
    createdAt: reader.number(6),
    ratchet: decodeRatchet(reader),
  };
}

function encodeRatchet({ rootKey, privateKey, sending, previousCount, receiving, healing }: Ratchet): Uint8Array {
  return concatBytes(
    rootKey,
    optional(privateKey),
    optional(sending && encodeSending(sending)),
    u32(previousCount),
    u8(receiving.length),
    ...receiving.map(encodeReceiving),
    u8(healing.count),
    time(healing.at),
    optional(healing.offered),
    optional(healing.asked),
    optional(healing.answered),
  );
}

function decodeRatchet(reader: Reader): Ratchet {
  return {
    rootKey: reader.bytes(32),
    privateKey: reader.optional(() => reader.bytes(32)),
    sending: reader.optional(() => decodeSending(reader)),
    previousCount: reader.number(4),
    receiving: reader.list(reader.number(1), () => decodeReceiving(reader)),
    healing: decodeHealing(reader),
  };
}

function encodeSending({ ratchetKey, chainKey, next, answer }: SendingChain): Uint8Array {
  return concatBytes(ratchetKey, chainKey, u32(next), optional(answer));
}

function decodeSending(reader: Reader): SendingChain {
  return {
    ratchetKey: reader.bytes(33),
    chainKey: reader.bytes(32),
    next: reader.number(4),
    answer: reader.optional(() => reader.bytes(1088)),
  };
}

function encodeReceiving({ ratchetKey, chainKey, next, skipped }: ReceivingChain): Uint8Array {
  const keys = skipped.flatMap(({ number, key }) => [u32(number), key]);
  return concatBytes(ratchetKey, optional(chainKey), u32(next), u32(skipped.length), ...keys);
}

function decodeReceiving(reader: Reader): ReceivingChain {
  return {
    ratchetKey: reader.bytes(33),
    chainKey: reader.optional(() => reader.bytes(32)),
    next: reader.number(4),
    skipped: reader.list(reader.number(4), () => ({ number: reader.number(4), key: reader.bytes(32) })),
  };
}

function decodeHealing(reader: Reader): Healing {
  return {
    count: reader.number(1),
    at: reader.number(6),
    offered: reader.optional(() => reader.bytes(64)),
    asked: reader.optional(() => reader.bytes(1184)),
    answered: reader.optional(() => reader.bytes(32)),
  };
}
