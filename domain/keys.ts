/**
 * Public keys of devices: which bytes are one, and the digest of what a device has published.
 *
 * Terminology
 * - serialised key: a type byte, then the key. The type names the algorithm.
 * - curve key: the u-coordinate of a point of Curve25519 (RFC 7748), as identity key, signed prekey or one-time prekey.
 * - KEM key: the encapsulation key of a post-quantum key exchange.
 * - one-time prekey: handed out to one caller. The last-resort KEM key is handed out when no one-time key is left.
 */

/** Length of a serialised curve key, in bytes. */
const curvePublicKeyBytes = 33;
/** Length of a serialised KEM key, in bytes. */
const kemPublicKeyBytes = 1569;
/** Length of an XEdDSA signature, in bytes. */
export const signatureBytes = 64;
/** Key ids are 1 to this. */
export const keyIdMax = 2 ** 31 - 1;
/** Registration ids are 1 to this: Signal's clients have 14 bits for them. */
export const registrationIdMax = 16383;
/** One-time keys of one kind in one upload. */
export const oneTimeKeysMax = 100;

/** The type byte of a curve key. */
const curveType = 0x05;
/**
 * The type bytes of KEM keys: Kyber-1024 of the third NIST round, and ML-KEM-1024 (FIPS 203). Their keys have the same
 * encoding, and their shared secrets differ.
 */
const kemTypes: readonly number[] = [0x08, 0x0a];

/**
 * The points of low order in canonical encoding, little-endian. Every private key gives the same shared secret with such a
 * point (RFC 7748 section 6.1; Bernstein lists them at cr.yp.to/ecdh.html#validate: these five, and p and p + 1, which
 * are not canonical).
 */
const lowOrderPoints = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
].map((hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));

/** Returns whether bytes are a curve key: 33 bytes, type 05, a u-coordinate below p that is not of low order. */
export function isCurvePublicKey(bytes: Uint8Array): boolean {
  if (bytes.length !== curvePublicKeyBytes || bytes[0] !== curveType) return false;
  const point = bytes.subarray(1);
  return isBelowPrime(point) && !lowOrderPoints.some((low) => low.every((byte, index) => byte === point[index]));
}

/**
 * Returns whether bytes are a KEM key: 1,569 bytes, type 08 or 0A. The device that encapsulates to it checks its encoding
 * (FIPS 203 section 7.2); the server never computes with it.
 */
export function isKemPublicKey(bytes: Uint8Array): boolean {
  const [type = 0] = bytes;
  return bytes.length === kemPublicKeyBytes && kemTypes.includes(type);
}

/** What a device has published: the keys that it has now and the ids of its last uploads, handed out or not. */
export interface PublishedKeys {
  /** The serialised identity key. */
  identityKey: Uint8Array;
  signedPreKeyId: number;
  pqLastResortPreKeyId: number;
  /** In the order of the upload. */
  preKeyIds: readonly number[];
  /** In the order of the upload. */
  pqPreKeyIds: readonly number[];
}

/**
 * Returns the bytes whose SHA-256 is the digest of published keys: the identity key, then the id of the signed prekey,
 * the id of the last-resort key, the number of one-time curve keys with their ids, and the number of one-time KEM keys
 * with their ids. Each number takes 8 bytes, big-endian. A device compares the digest with its own to notice that it was
 * restored from an old backup.
 */
export function keyDigestInput(published: PublishedKeys): Uint8Array<ArrayBuffer> {
  const { identityKey, signedPreKeyId, pqLastResortPreKeyId, preKeyIds, pqPreKeyIds } = published;
  const numbers = [
    signedPreKeyId,
    pqLastResortPreKeyId,
    ...[preKeyIds, pqPreKeyIds].flatMap((ids) => [ids.length, ...ids]),
  ];
  const input = new Uint8Array(identityKey.length + numbers.length * 8);
  input.set(identityKey);
  const view = new DataView(input.buffer, identityKey.length);
  for (const [index, number] of numbers.entries()) view.setBigUint64(index * 8, BigInt(number));
  return input;
}

/** Returns whether 32 little-endian bytes are below the prime of the field, 2^255 - 19: ed, thirty times ff, 7f. */
function isBelowPrime(point: Uint8Array): boolean {
  const [least = 0] = point;
  const [most = 0] = point.subarray(-1);
  const isAmongLargest = most === 0x7f && point.subarray(1, -1).every((byte) => byte === 0xff);
  return isAmongLargest ? least < 0xed : most <= 0x7f;
}
