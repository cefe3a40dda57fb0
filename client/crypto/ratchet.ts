/**
 * The ratchet: the Double Ratchet (https://signal.org/docs/specifications/doubleratchet) with HMAC and HKDF with SHA-256,
 * X25519 and AES-256-GCM, and with ML-KEM-768 (FIPS 203) mixed into a root step from time to time.
 *
 * Terminology
 * - root step: derives the next root key, and the first key of a chain, from an agreement and perhaps a KEM secret.
 * - chain: the messages under one ratchet key. Each message key comes from the chain key before it, which is then erased.
 * - offer: an ML-KEM-768 public key that a side puts into its messages until the other has answered.
 * - answer: the ciphertext to an offer. Its secret goes into the root step that begins the answering chain.
 *
 * A sending chain begins with the first message after a new ratchet key of the other side, not when that key arrives
 * (its section on deferring new ratchet key generation): an offer that came in between is answered in it. All functions return a new
 * state and leave the old one as it is, so a caller keeps the new state only if nothing failed.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { isCurvePublicKey } from '../../contract/key-rules.ts';
import { agree, generateKeyPair, type KeyPair } from './curve.ts';
import { Reader, u8, u32 } from './encoding.ts';
import { undecryptable } from './failures.ts';
import { decapsulateSecret, encapsulateSecret, isReduced, publicKeyOfSeed } from './ml-kem.ts';
import { authenticate, decryptGcm, deriveBytes, encryptGcm, isEqual, type Random } from './primitives.ts';

const rootInfo = utf8ToBytes('Vyry_Ratchet_X25519_ML-KEM-768_v1');
const messageInfo = utf8ToBytes('Vyry_Message_v1');
const messageKeyStep = Uint8Array.of(1);
const chainKeyStep = Uint8Array.of(2);
const version = 1;
const offerFlag = 1;
const answerFlag = 2;
const offerBytes = 1184;
const answerBytes = 1088;
const commitmentBytes = 32;
const tagBytes = 16;

/** Messages of a chain that may be missing before one that arrives. */
export const forwardMax = 25_000;
/** Keys of missing messages that a session keeps; the oldest are erased first. */
export const skippedMax = 2_000;
/** Receiving chains that a session knows; the oldest is erased first, with its keys. */
export const chainsMax = 5;
/** Own messages after which a new ML-KEM-768 key is offered. */
const healingMessages = 50;
/** Time after which a new ML-KEM-768 key is offered. */
const healingMs = 7 * 86_400_000;

/** The key of a message that has not arrived. */
interface SkippedKey {
  number: number;
  key: Uint8Array;
}

/** A chain of the other side. */
export interface ReceivingChain {
  /** Serialised, as all curve keys of the state. */
  ratchetKey: Uint8Array;
  /** Undefined when a later chain has begun: the keys that can still be needed are in `skipped`. */
  chainKey: Uint8Array | undefined;
  /** The number of the next message. */
  next: number;
  /** In the order of their numbers. */
  skipped: readonly SkippedKey[];
}

/** The own chain. */
export interface SendingChain {
  ratchetKey: Uint8Array;
  chainKey: Uint8Array;
  next: number;
  /** The answer that the chain began with; each of its messages repeats it. */
  answer: Uint8Array | undefined;
}

/** What the post-quantum healing remembers. */
export interface Healing {
  /** Own messages since the last healing. */
  count: number;
  /** When it was, in milliseconds since the Unix epoch. */
  at: number;
  /** The seed of the own key that is offered. */
  offered: Uint8Array | undefined;
  /** The key of the other side that is to be answered. */
  asked: Uint8Array | undefined;
  /** SHA-256 of the key that was answered last: late messages repeat it. */
  answered: Uint8Array | undefined;
}

/** The state of a ratchet. */
export interface Ratchet {
  rootKey: Uint8Array;
  /** The own private key until an answer to it has arrived. */
  privateKey: Uint8Array | undefined;
  /** Undefined when the next message begins a chain. */
  sending: SendingChain | undefined;
  /** Messages of the own chain before. */
  previousCount: number;
  /** Oldest first. */
  receiving: readonly ReceivingChain[];
  healing: Healing;
}

/** What a step depends on besides its state. */
export interface Surroundings {
  random: Random;
  /** Milliseconds since the Unix epoch. */
  now: number;
}

/** Returns the state of the side that began the handshake; its first message begins a chain. */
export function createInitiator(sharedKey: Uint8Array, signedPreKey: Uint8Array, now: number): Ratchet {
  const first: ReceivingChain = { ratchetKey: signedPreKey, chainKey: undefined, next: 0, skipped: [] };
  return { ...createState(sharedKey, now), receiving: [first] };
}

/** Returns the state of the other side, which cannot send before it has received. */
export function createResponder(sharedKey: Uint8Array, signedPreKey: KeyPair, now: number): Ratchet {
  return { ...createState(sharedKey, now), privateKey: signedPreKey.privateKey };
}

function createState(rootKey: Uint8Array, now: number): Ratchet {
  const healing = { count: 0, at: now, offered: undefined, asked: undefined, answered: undefined };
  return { rootKey, privateKey: undefined, sending: undefined, previousCount: 0, receiving: [], healing };
}

/** One root step: returns the next root key, and the first key of a chain. */
export function stepRoot(
  rootKey: Uint8Array,
  agreement: Uint8Array,
  { kemSecret = new Uint8Array(), info = rootInfo }: { kemSecret?: Uint8Array | undefined; info?: Uint8Array } = {},
): { rootKey: Uint8Array; chainKey: Uint8Array } {
  const derived = deriveBytes(concatBytes(agreement, kemSecret), info, { length: 64, salt: rootKey });
  return { rootKey: derived.slice(0, 32), chainKey: derived.slice(32) };
}

/** One chain step: returns the key of a message, and the next key of the chain. */
export function stepChain(chainKey: Uint8Array): { messageKey: Uint8Array; chainKey: Uint8Array } {
  return { messageKey: authenticate(chainKey, messageKeyStep), chainKey: authenticate(chainKey, chainKeyStep) };
}

/** Encrypts a padded text. The state must be kept before the message is sent: a key encrypts one message only. */
export async function encrypt(
  state: Ratchet,
  { plain, associatedData }: { plain: Uint8Array; associatedData: Uint8Array },
  { random, now }: Surroundings,
): Promise<{ state: Ratchet; message: Uint8Array }> {
  const begun = state.sending === undefined ? beginChain(state, { random, now }) : state;
  const healing = countMessage(begun.healing, { random, now });
  const { sending, previousCount } = begun;
  if (sending === undefined) throw new Error('the ratchet has no chain to send in');
  const { messageKey, chainKey } = stepChain(sending.chainKey);
  const header = encodeHeader({
    ratchetKey: sending.ratchetKey,
    number: sending.next,
    previousCount,
    offer: healing.offered && publicKeyOfSeed(healing.offered),
    answer: sending.answer,
  });
  const { key, nonce, commitment } = messageKeys(messageKey);
  const encrypted = await encryptGcm({ key, nonce, associatedData: concatBytes(associatedData, header) }, plain);
  return {
    state: { ...begun, healing, sending: { ...sending, chainKey, next: sending.next + 1 } },
    message: concatBytes(header, commitment, encrypted),
  };
}

/** Begins an own chain: a new ratchet key, and the answer to an offer. */
function beginChain(state: Ratchet, { random, now }: Surroundings): Ratchet {
  const remote = state.receiving.at(-1);
  if (remote === undefined) throw new Error('the other side has to send first');
  const own = generateKeyPair(random);
  const { asked } = state.healing;
  const answer = asked && encapsulateSecret(asked, random(32));
  const { rootKey, chainKey } = stepRoot(state.rootKey, agree(own.privateKey, remote.ratchetKey), {
    kemSecret: answer?.secret,
  });
  return {
    ...state,
    rootKey,
    privateKey: own.privateKey,
    sending: { ratchetKey: own.publicKey, chainKey, next: 0, answer: answer?.ciphertext },
    healing: asked ? { ...state.healing, count: 0, at: now, asked: undefined, answered: sha256(asked) } : state.healing,
  };
}

/** Counts an own message, and makes the key to offer when one is due. */
function countMessage(healing: Healing, { random, now }: Surroundings): Healing {
  const count = Math.min(healing.count + 1, healingMessages);
  const isDue = count >= healingMessages || now - healing.at >= healingMs;
  return { ...healing, count, offered: healing.offered ?? (isDue ? random(64) : undefined) };
}

/**
 * Decrypts a message. The text is returned, and the new state with it, only after the tag has verified.
 *
 * @throws {VyryError} UNDECRYPTABLE, with the reason
 */
export async function decrypt(
  state: Ratchet,
  { message, associatedData }: { message: Uint8Array; associatedData: Uint8Array },
  now: number,
): Promise<{ state: Ratchet; plain: Uint8Array }> {
  const { header, headerBytes, commitment, encrypted } = decodeMessage(message);
  const { state: stepped, messageKey } = findKey(state, header, now);
  const keys = messageKeys(messageKey);
  // GCM does not commit to its key: one ciphertext could open in several sessions (Len et al., USENIX Security 2021)
  if (!isEqual(keys.commitment, commitment)) throw undecryptable('changed');
  const input = { key: keys.key, nonce: keys.nonce, associatedData: concatBytes(associatedData, headerBytes) };
  const plain = await decryptGcm(input, encrypted).catch(() => {
    throw undecryptable('changed');
  });
  return { state: acceptOffer(stepped, header), plain };
}

/** Returns the key of a message, and the state without it. */
function findKey(state: Ratchet, header: Header, now: number): { state: Ratchet; messageKey: Uint8Array } {
  const known = state.receiving.some(({ ratchetKey }) => isEqual(ratchetKey, header.ratchetKey));
  const stepped = known ? state : receiveRatchetKey(state, header, now);
  const index = stepped.receiving.findIndex(({ ratchetKey }) => isEqual(ratchetKey, header.ratchetKey));
  const chain = stepped.receiving[index];
  if (chain === undefined) throw new Error('the chain was just begun');
  const { chain: next, messageKey } = takeKey(chain, header.number);
  const receiving = keepNewest(stepped.receiving.with(index, next));
  return { state: { ...stepped, receiving }, messageKey };
}

/** Begins a chain of the other side: the root step with the own private key, which is erased. */
function receiveRatchetKey(state: Ratchet, header: Header, now: number): Ratchet {
  // the other side makes a ratchet key only after it has received one that it did not know
  if (state.privateKey === undefined) throw undecryptable('changed');
  // without an offer there is no secret: the keys then differ, and the message is refused
  const kemSecret = header.answer && state.healing.offered && decapsulateSecret(state.healing.offered, header.answer);
  const { rootKey, chainKey } = stepRoot(state.rootKey, agree(state.privateKey, header.ratchetKey), { kemSecret });
  const closed = state.receiving.map((chain) => closeChain(chain, header.previousCount));
  const begun: ReceivingChain = { ratchetKey: header.ratchetKey, chainKey, next: 0, skipped: [] };
  return {
    ...state,
    rootKey,
    privateKey: undefined,
    sending: undefined,
    previousCount: state.sending?.next ?? state.previousCount,
    receiving: [...closed, begun].slice(-chainsMax),
    healing: kemSecret ? { ...state.healing, count: 0, at: now, offered: undefined } : state.healing,
  };
}

/** Keeps the keys of the messages that are missing in a chain of so many, and erases its chain key. */
function closeChain(chain: ReceivingChain, count: number): ReceivingChain {
  if (chain.chainKey === undefined) return chain;
  return { ...(count > chain.next ? skipTo(chain, count) : chain), chainKey: undefined };
}

/** Takes the key of a message out of its chain. */
function takeKey(chain: ReceivingChain, number: number): { chain: ReceivingChain; messageKey: Uint8Array } {
  if (number < chain.next || chain.chainKey === undefined) {
    const found = chain.skipped.find((skipped) => skipped.number === number);
    if (found === undefined) throw undecryptable('repeated');
    return { chain: { ...chain, skipped: chain.skipped.filter((one) => one !== found) }, messageKey: found.key };
  }
  const skipping = skipTo(chain, number);
  const { messageKey, chainKey } = stepChain(skipping.chainKey);
  return { chain: { ...skipping, chainKey, next: number + 1 }, messageKey };
}

/** Steps a chain to the key before a message, and keeps the keys that it passes. */
function skipTo(chain: ReceivingChain, number: number): ReceivingChain & { chainKey: Uint8Array } {
  if (number - chain.next > forwardMax) throw undecryptable('too-far');
  let { chainKey = new Uint8Array(), next } = chain;
  const skipped = [...chain.skipped];
  for (; next < number; next += 1) {
    const step = stepChain(chainKey);
    if (number - next <= skippedMax) skipped.push({ number: next, key: step.messageKey });
    chainKey = step.chainKey;
  }
  return { ...chain, chainKey, next, skipped };
}

/** Erases the oldest keys above the limit of the session. */
function keepNewest(chains: readonly ReceivingChain[]): readonly ReceivingChain[] {
  let excess = chains.reduce((count, { skipped }) => count + skipped.length, 0) - skippedMax;
  if (excess <= 0) return chains;
  return chains.map((chain) => {
    const erased = Math.min(Math.max(excess, 0), chain.skipped.length);
    excess -= erased;
    return { ...chain, skipped: chain.skipped.slice(erased) };
  });
}

/**
 * Remembers an offer that has to be answered. One of an older chain may have been answered and replaced, so only the newest
 * chain is listened to.
 */
function acceptOffer(state: Ratchet, { ratchetKey, offer }: Header): Ratchet {
  const { healing, receiving } = state;
  if (offer === undefined) return state;
  if (!isEqual(receiving.at(-1)?.ratchetKey ?? new Uint8Array(), ratchetKey)) return state;
  if (healing.answered && isEqual(healing.answered, sha256(offer))) return state;
  // a malformed key, which only the other side can have sent, would make each send fail
  if (!isReduced(offer)) return state;
  return { ...state, healing: { ...healing, asked: offer } };
}

/** The keys of one message. */
function messageKeys(messageKey: Uint8Array): { key: Uint8Array; nonce: Uint8Array; commitment: Uint8Array } {
  const derived = deriveBytes(messageKey, messageInfo, { length: 76 });
  return { key: derived.slice(0, 32), nonce: derived.slice(32, 44), commitment: derived.slice(44) };
}

/** The readable part of a message. */
interface Header {
  ratchetKey: Uint8Array;
  number: number;
  previousCount: number;
  offer: Uint8Array | undefined;
  answer: Uint8Array | undefined;
}

function encodeHeader({ ratchetKey, number, previousCount, offer, answer }: Header): Uint8Array {
  return concatBytes(
    u8(version),
    u8((offer ? offerFlag : 0) | (answer ? answerFlag : 0)),
    ratchetKey.subarray(1),
    u32(number),
    u32(previousCount),
    offer ?? new Uint8Array(),
    answer ?? new Uint8Array(),
  );
}

function decodeMessage(message: Uint8Array) {
  const reader = new Reader(message, () => undecryptable('malformed'));
  if (reader.number(1) !== version) throw undecryptable('malformed');
  const flags = reader.number(1);
  if (flags > (offerFlag | answerFlag)) throw undecryptable('malformed');
  const header: Header = {
    ratchetKey: concatBytes(u8(0x05), reader.bytes(32)),
    number: reader.number(4),
    previousCount: reader.number(4),
    offer: flags & offerFlag ? reader.bytes(offerBytes) : undefined,
    answer: flags & answerFlag ? reader.bytes(answerBytes) : undefined,
  };
  if (!isCurvePublicKey(header.ratchetKey)) throw undecryptable('malformed');
  const commitment = reader.bytes(commitmentBytes);
  const encrypted = reader.rest();
  if (encrypted.length < tagBytes) throw undecryptable('malformed');
  const headerBytes = message.subarray(0, message.length - commitmentBytes - encrypted.length);
  return { header, headerBytes, commitment, encrypted };
}
