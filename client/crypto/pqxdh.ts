/**
 * The handshake: PQXDH, revision 3 (https://signal.org/docs/specifications/pqxdh), with Curve25519, SHA-256 and
 * Kyber-1024. Unlike there, a bundle without a KEM key is not accepted. Both sides derive 32 bytes, the first root key of the
 * ratchet, from three or four agreements and one encapsulated secret.
 */
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { isCurvePublicKey } from '../../contract/key-rules.ts';
import { agree, generateKeyPair, type KeyPair, verify } from './curve.ts';
import { Reader, u8, u16, u32 } from './encoding.ts';
import { badBundle, undecryptable } from './failures.ts';
import { decapsulate, encapsulate, type KyberKeyPair } from './kyber.ts';
import { deriveBytes, type Random } from './primitives.ts';

const info = utf8ToBytes('Vyry_CURVE25519_SHA-256_CRYSTALS-KYBER-1024');
/** F of X3DH, section 2.2: no encoding of a point, so the input differs from that of a signature. */
const domainSeparator = new Uint8Array(32).fill(0xff);
const version = 1;
/** The id of a one-time curve key that the bundle did not have. */
const noKeyId = 0xffff_ffff;
const curveKeyBytes = 33;
const kemCiphertextBytes = 1569;
/** Length of the part of a first message before the message of the ratchet. */
export const prefixBytes = 1 + 2 + 4 + 4 + 4 + 2 * curveKeyBytes + kemCiphertextBytes;

/** A key of a bundle, serialised. */
interface BundleKey {
  keyId: number;
  publicKey: Uint8Array;
}

/** The keys that the directory answers for one device. */
export interface Bundle {
  registrationId: number;
  identityKey: Uint8Array;
  signedPreKey: BundleKey & { signature: Uint8Array };
  preKey?: BundleKey | undefined;
  /** A one-time key, or the last-resort key: the sender cannot tell. */
  pqPreKey: BundleKey & { signature: Uint8Array };
}

/** What a first message says before its message: whose keys it was made with. */
export interface Prefix {
  /** The registration id of the sender. It is not authenticated, and the server checks it at each send. */
  registrationId: number;
  signedPreKeyId: number;
  /** Undefined when the bundle had no one-time curve key. */
  preKeyId: number | undefined;
  kemKeyId: number;
  identityKey: Uint8Array;
  baseKey: Uint8Array;
  kemCiphertext: Uint8Array;
}

/** A person's device with the identity key of its account. */
export interface Party {
  identityKey: Uint8Array;
  /** `userId.deviceId` */
  address: string;
}

/** The private keys that a bundle stood for, and the identity key pair. */
export interface ResponderKeys {
  identity: KeyPair;
  signedPreKey: KeyPair;
  preKey?: KeyPair | undefined;
  kem: KyberKeyPair;
}

/**
 * Checks both signatures of a bundle.
 *
 * @throws {VyryError} BUNDLE_INVALID: a key is malformed, or was not signed by the identity key
 */
function verifyBundle({ identityKey, signedPreKey, preKey, pqPreKey }: Bundle): void {
  if (!isCurvePublicKey(signedPreKey.publicKey)) throw badBundle('the signed prekey is malformed');
  if (preKey && !isCurvePublicKey(preKey.publicKey)) throw badBundle('the one-time prekey is malformed');
  if (!verify(identityKey, signedPreKey.publicKey, signedPreKey.signature)) throw badBundle('a signature is wrong');
  if (!verify(identityKey, pqPreKey.publicKey, pqPreKey.signature)) throw badBundle('a signature is wrong');
}

/**
 * Begins a handshake with a bundle: the secrets of PQXDH section 3.3 in their order, and what the first message tells.
 *
 * @throws {VyryError} BUNDLE_INVALID
 */
export function initiate(
  own: { identity: KeyPair; registrationId: number },
  bundle: Bundle,
  random: Random,
): { secrets: Uint8Array; prefix: Prefix } {
  verifyBundle(bundle);
  const { identityKey, signedPreKey, preKey, pqPreKey } = bundle;
  const base = generateKeyPair(random);
  const kem = encapsulateTo(pqPreKey.publicKey, random);
  const secrets = concatBytes(
    domainSeparator,
    agree(own.identity.privateKey, signedPreKey.publicKey),
    agree(base.privateKey, identityKey),
    agree(base.privateKey, signedPreKey.publicKey),
    ...(preKey ? [agree(base.privateKey, preKey.publicKey)] : []),
    kem.secret,
  );
  return {
    secrets,
    prefix: {
      registrationId: own.registrationId,
      signedPreKeyId: signedPreKey.keyId,
      preKeyId: preKey?.keyId,
      kemKeyId: pqPreKey.keyId,
      identityKey: own.identity.publicKey,
      baseKey: base.publicKey,
      kemCiphertext: kem.ciphertext,
    },
  };
}

/** The other side of `initiate`: the same secrets, from a prefix and the private keys that it names. */
export function respond({ identity, signedPreKey, preKey, kem }: ResponderKeys, prefix: Prefix): Uint8Array {
  return concatBytes(
    domainSeparator,
    agree(signedPreKey.privateKey, prefix.identityKey),
    agree(identity.privateKey, prefix.baseKey),
    agree(signedPreKey.privateKey, prefix.baseKey),
    ...(preKey ? [agree(preKey.privateKey, prefix.baseKey)] : []),
    decapsulate(kem.secretKey, prefix.kemCiphertext),
  );
}

/** Returns the shared key of a handshake, 32 bytes. */
export function sharedKey(secrets: Uint8Array): Uint8Array {
  return deriveBytes(secrets, info, { length: 32 });
}

/**
 * Returns what every message of a session authenticates with its text: version, both identity keys and both devices, the
 * initiator first. A server that swaps people or devices makes messages that do not open.
 */
export function associatedData(initiator: Party, responder: Party): Uint8Array {
  return concatBytes(
    u8(version),
    initiator.identityKey,
    responder.identityKey,
    ...[initiator, responder].flatMap(({ address }) => {
      const bytes = utf8ToBytes(address);
      if (bytes.length > 255) throw new RangeError('An address has more than 255 bytes');
      return [u8(bytes.length), bytes];
    }),
  );
}

/** Returns the two identity keys of associated data. */
export function identityKeysOf(data: Uint8Array): { initiator: Uint8Array; responder: Uint8Array } {
  const keys = data.subarray(1, 1 + 2 * curveKeyBytes);
  return { initiator: keys.subarray(0, curveKeyBytes), responder: keys.subarray(curveKeyBytes) };
}

/** Serialises a prefix. */
export function encodePrefix(prefix: Prefix): Uint8Array {
  return concatBytes(
    u8(version),
    u16(prefix.registrationId),
    u32(prefix.signedPreKeyId),
    u32(prefix.preKeyId ?? noKeyId),
    u32(prefix.kemKeyId),
    prefix.identityKey,
    prefix.baseKey,
    prefix.kemCiphertext,
  );
}

/**
 * Reads the prefix at the beginning of bytes that look like a first message.
 *
 * @throws {VyryError} UNDECRYPTABLE: malformed
 */
export function decodePrefix(bytes: Uint8Array): Prefix {
  const reader = new Reader(bytes, () => undecryptable('malformed'));
  if (reader.number(1) !== version) throw undecryptable('malformed');
  const [registrationId, signedPreKeyId, preKeyId] = [reader.number(2), reader.number(4), reader.number(4)];
  const prefix: Prefix = {
    registrationId,
    signedPreKeyId,
    preKeyId: preKeyId === noKeyId ? undefined : preKeyId,
    kemKeyId: reader.number(4),
    identityKey: reader.bytes(curveKeyBytes),
    baseKey: reader.bytes(curveKeyBytes),
    kemCiphertext: reader.bytes(kemCiphertextBytes),
  };
  if (!isCurvePublicKey(prefix.identityKey)) throw undecryptable('malformed');
  if (!isCurvePublicKey(prefix.baseKey)) throw undecryptable('malformed');
  return prefix;
}

/**
 * Returns whether bytes look like a first message: the type bytes of its three keys are in their places. One in 2^24 other
 * messages of that length does so too, and is tried as both.
 */
export function looksLikeFirstMessage(bytes: Uint8Array): boolean {
  return bytes.length > prefixBytes && bytes[15] === 0x05 && bytes[48] === 0x05 && bytes[81] === 0x08;
}

function encapsulateTo(publicKey: Uint8Array, random: Random): { secret: Uint8Array; ciphertext: Uint8Array } {
  try {
    return encapsulate(publicKey, random);
  } catch {
    throw badBundle('the KEM key is malformed or of another type');
  }
}
