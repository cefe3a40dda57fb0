/**
 * The keys of a device: made here, uploaded, replaced, and removed when no message can need them. All functions change
 * the state that they are given, in a transaction of the store, before anything is sent.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import type { Device } from '../contract/devices.ts';
import { keyDigestInput } from '../contract/key-rules.ts';
import type { KeyUpload, PqPreKey, PreKey, SignedPreKey } from '../contract/keys.ts';
import { fromBase64, toBase64 } from './bytes.ts';
import { generateKeyPair, type KeyPair, publicKeyOf, sign } from './crypto/curve.ts';
import { generateKyberSeed, kyberKeyPair } from './crypto/kyber.ts';
import { VyryError } from './errors.ts';
import type { ClientState, KeyKind, StoredKey } from './store.ts';

/** One-time keys of each kind in an upload. */
const batchSize = 100;
/** Below this the one-time keys are replaced, as the server says `keys:low`. */
const countLow = 10;
/** Private one-time keys of each kind that are kept. */
const oneTimeKeysMax = 300;
const dayMs = 86_400_000;
/** Signed prekeys and last-resort keys are renewed after two days. */
const renewalMs = 2 * dayMs;
/** A replaced key is kept for messages that were made with it. */
const keptMs = 30 * dayMs;

/** What the server says about the keys of this device. */
export interface KeyStatus {
  count: number;
  pqCount: number;
  digest: string;
}

/** The body `Device` without its name and client: a device's identity with its first upload. */
export type DeviceKeys = Omit<Device, 'name' | 'client' | 'capabilities'>;
type WholeUpload = Omit<DeviceKeys, 'registrationId' | 'identityKey'>;

/** Sets the identity key pair of the account. Keys that another one has signed are not uploaded any more. */
export function setIdentity(state: ClientState, { publicKey, privateKey }: KeyPair): void {
  const identity = { publicKey: toBase64(publicKey), privateKey: toBase64(privateKey) };
  if (state.identity !== undefined && state.identity.publicKey !== identity.publicKey) discardUpload(state);
  state.identity = identity;
}

/**
 * Returns the identity and the first keys of a device, the same ones until the upload is confirmed. The first device of an
 * account makes its identity key.
 */
export function deviceKeys(state: ClientState, now: number): DeviceKeys {
  if (state.identity === undefined) setIdentity(state, generateKeyPair());
  const identityKey = identityOf(state).publicKey;
  state.registrationId ??= randomBits(14);
  const { signedPreKey, pqLastResortPreKey, preKeys, pqPreKeys } = state.pending ?? {};
  if (signedPreKey && pqLastResortPreKey && preKeys && pqPreKeys)
    return { registrationId: state.registrationId, identityKey, signedPreKey, pqLastResortPreKey, preKeys, pqPreKeys };
  return { registrationId: state.registrationId, identityKey, ...prepareWholeUpload(state, now) };
}

/**
 * Returns the keys by which the server recognizes the device of this store: its registration id and signed prekey. Undefined
 * if it is none, or an upload has no answer.
 */
export function knownDeviceKeys(state: ClientState): DeviceKeys | undefined {
  const { registrationId, identity, confirmed, pending, keys } = state;
  if (!registrationId || !identity || !confirmed || pending) return undefined;
  const signed = keys.signedPreKey.find(({ keyId }) => keyId === confirmed.signedPreKeyId);
  const lastResort = keys.pqLastResortPreKey.find(({ keyId }) => keyId === confirmed.pqLastResortPreKeyId);
  if (!signed || !lastResort) return undefined;
  const privateKey = fromBase64(identity.privateKey);
  return {
    registrationId,
    identityKey: identity.publicKey,
    signedPreKey: signKey(signed.keyId, publicKeyOf(fromBase64(signed.secret)), privateKey),
    pqLastResortPreKey: signKey(lastResort.keyId, storedKyberKeyPair(lastResort).publicKey, privateKey),
    preKeys: [],
    pqPreKeys: [],
  };
}

/**
 * Returns the upload that is due, or undefined: one without an answer, again; everything, when the server's digest is not
 * that of the state, which was then restored from a backup; one-time keys of which fewer than ten are left; a signed
 * prekey and a last-resort key after two days.
 */
export function dueUpload(state: ClientState, server: KeyStatus, now: number): KeyUpload | undefined {
  if (state.pending) return state.pending;
  if (server.digest !== keyDigest(state)) return prepareWholeUpload(state, now);
  const newest = state.keys.signedPreKey.at(-1)?.createdAt ?? 0;
  const kinds: KeyKind[] = [];
  if (newest + renewalMs <= now) kinds.push('signedPreKey', 'pqLastResortPreKey');
  if (server.count < countLow) kinds.push('preKeys');
  if (server.pqCount < countLow) kinds.push('pqPreKeys');
  return kinds.length === 0 ? undefined : prepareUpload(state, kinds, now);
}

/** Records that the server has the pending upload: its keys take the place of others, which end thirty days later. */
export function confirmUpload(state: ClientState, now: number): void {
  const { pending, confirmed } = state;
  if (pending === undefined) return;
  for (const kind of Object.keys(pending) as KeyKind[]) {
    const ids = new Set([pending[kind] ?? []].flat().map(({ keyId }) => keyId));
    for (const key of state.keys[kind]) if (!ids.has(key.keyId)) key.replacedAt ??= now;
  }
  state.confirmed = {
    signedPreKeyId: pending.signedPreKey?.keyId ?? confirmed?.signedPreKeyId ?? 0,
    pqLastResortPreKeyId: pending.pqLastResortPreKey?.keyId ?? confirmed?.pqLastResortPreKeyId ?? 0,
    preKeyIds: pending.preKeys?.map(({ keyId }) => keyId) ?? confirmed?.preKeyIds ?? [],
    pqPreKeyIds: pending.pqPreKeys?.map(({ keyId }) => keyId) ?? confirmed?.pqPreKeyIds ?? [],
  };
  delete state.pending;
  pruneKeys(state, now);
}

/** Forgets the pending upload and its keys: the server has refused it for good. */
export function discardUpload(state: ClientState): void {
  for (const kind of Object.keys(state.pending ?? {}) as KeyKind[]) {
    const ids = new Set([state.pending?.[kind] ?? []].flat().map(({ keyId }) => keyId));
    state.keys[kind] = state.keys[kind].filter(({ keyId }) => !ids.has(keyId));
  }
  delete state.pending;
}

/** Removes the keys that were replaced thirty days ago, and the oldest one-time keys above 300. What was remembered of them ends too. */
export function pruneKeys(state: ClientState, now: number): void {
  for (const [kind, keys] of Object.entries(state.keys) as [KeyKind, StoredKey[]][]) {
    state.keys[kind] = keys.filter((key) => isKept(key, now)).slice(-oneTimeKeysMax);
  }
  const lastResortIds = new Set(state.keys.pqLastResortPreKey.map(({ keyId }) => keyId));
  state.usedHandshakes = state.usedHandshakes.filter(({ kemKeyId }) => lastResortIds.has(kemKeyId));
}

/** Returns a key by which a message can be opened: it was not replaced more than thirty days ago. */
export function findKey(
  state: ClientState,
  { kind, keyId }: { kind: KeyKind; keyId: number },
  now: number,
): StoredKey | undefined {
  return state.keys[kind].find((key) => key.keyId === keyId && isKept(key, now));
}

/** Erases a one-time key that has opened a message. */
export function removeKey(state: ClientState, kind: 'preKeys' | 'pqPreKeys', keyId: number): void {
  state.keys[kind] = state.keys[kind].filter((key) => key.keyId !== keyId);
}

function isKept({ replacedAt }: StoredKey, now: number): boolean {
  return replacedAt === undefined || replacedAt + keptMs > now;
}

/**
 * Returns the digest that the server answers when it has what the state says, in base64, or undefined before the first
 * upload was confirmed.
 */
export function keyDigest(state: ClientState): string | undefined {
  if (state.confirmed === undefined) return undefined;
  const identityKey = fromBase64(identityOf(state).publicKey);
  return toBase64(sha256(keyDigestInput({ identityKey, ...state.confirmed })));
}

/** Returns the Kyber key pair of a stored key. */
export function storedKyberKeyPair({ secret }: StoredKey): ReturnType<typeof kyberKeyPair> {
  return kyberKeyPair(fromBase64(secret));
}

/** Makes a signed prekey and a last-resort key that another identity key of the account signs. */
export function makeSignedKeys(
  state: ClientState,
  identityKey: Uint8Array,
  now: number,
): {
  upload: Pick<WholeUpload, 'signedPreKey' | 'pqLastResortPreKey'>;
  stored: Record<'signedPreKey' | 'pqLastResortPreKey', StoredKey>;
} {
  const keyIds = unusedKeyIds(state);
  const [curve, kyber] = [makeSignedCurveKey(keyIds(), identityKey), makeKyberKey(keyIds(), identityKey)];
  return {
    upload: { signedPreKey: curve.key, pqLastResortPreKey: kyber.key },
    stored: { signedPreKey: storedKey(curve, now), pqLastResortPreKey: storedKey(kyber, now) },
  };
}

function identityOf({ identity }: ClientState): NonNullable<ClientState['identity']> {
  if (identity === undefined) throw new VyryError('NO_KEYS', 'This device has no identity key');
  return identity;
}

function prepareWholeUpload(state: ClientState, now: number): WholeUpload {
  return prepareUpload(state, ['signedPreKey', 'pqLastResortPreKey', 'preKeys', 'pqPreKeys'], now) as WholeUpload;
}

/** Makes the keys of an upload, and keeps them with it. */
function prepareUpload(state: ClientState, kinds: readonly KeyKind[], now: number): KeyUpload {
  const identityKey = fromBase64(identityOf(state).privateKey);
  const keyIds = unusedKeyIds(state);
  const make = <K extends PreKey>(kind: KeyKind, maker: KeyMaker<K>): K => {
    const made = maker(keyIds(), identityKey);
    state.keys[kind].push(storedKey(made, now));
    return made.key;
  };
  const makeBatch = <K extends PreKey>(kind: KeyKind, maker: KeyMaker<K>): K[] =>
    Array.from({ length: batchSize }, () => make(kind, maker));
  const upload: KeyUpload = {
    ...(kinds.includes('signedPreKey') && { signedPreKey: make('signedPreKey', makeSignedCurveKey) }),
    ...(kinds.includes('pqLastResortPreKey') && { pqLastResortPreKey: make('pqLastResortPreKey', makeKyberKey) }),
    ...(kinds.includes('preKeys') && { preKeys: makeBatch('preKeys', makeCurveKey) }),
    ...(kinds.includes('pqPreKeys') && { pqPreKeys: makeBatch('pqPreKeys', makeKyberKey) }),
  };
  state.pending = upload;
  return upload;
}

/** A new key, and its private part. */
interface MadeKey<K extends PreKey = PreKey> {
  secret: Uint8Array;
  key: K;
}

type KeyMaker<K extends PreKey> = (keyId: number, identityKey: Uint8Array) => MadeKey<K>;

function storedKey({ secret, key: { keyId } }: MadeKey, now: number): StoredKey {
  return { keyId, secret: toBase64(secret), createdAt: now };
}

function makeCurveKey(keyId: number): MadeKey {
  const { publicKey, privateKey } = generateKeyPair();
  return { secret: privateKey, key: { keyId, publicKey: toBase64(publicKey) } };
}

function makeSignedCurveKey(keyId: number, identityKey: Uint8Array): MadeKey<SignedPreKey> {
  const { publicKey, privateKey } = generateKeyPair();
  return { secret: privateKey, key: signKey(keyId, publicKey, identityKey) };
}

function makeKyberKey(keyId: number, identityKey: Uint8Array): MadeKey<PqPreKey> {
  const seed = generateKyberSeed();
  return { secret: seed, key: signKey(keyId, kyberKeyPair(seed).publicKey, identityKey) };
}

function signKey(keyId: number, publicKey: Uint8Array, identityKey: Uint8Array): SignedPreKey {
  return { keyId, publicKey: toBase64(publicKey), signature: toBase64(sign(identityKey, publicKey)) };
}

/** Ids are random: in a sequence they would tell how many keys were used, and so how often a person is contacted (MSC4225). */
function unusedKeyIds(state: ClientState): () => number {
  const used = new Set(Object.values(state.keys).flatMap((keys) => keys.map(({ keyId }) => keyId)));
  const next = (): number => {
    const keyId = randomBits(31);
    if (used.has(keyId)) return next();
    used.add(keyId);
    return keyId;
  };
  return next;
}

/** A random number from 1 to 2^bits - 1, for at most 31 bits. */
function randomBits(bits: number): number {
  const number = new DataView(randomBytes(4).buffer).getUint32(0) >>> (32 - bits);
  return number === 0 ? randomBits(bits) : number;
}
