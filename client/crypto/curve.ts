/**
 * Curve25519: key pairs, agreement (RFC 7748) and XEdDSA signatures as Signal's clients make and check them.
 *
 * A public key is serialised: type byte 05, then the u-coordinate. A private key is 32 bytes, clamped.
 */
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { isCurvePublicKey } from '../../contract/key-rules.ts';
import { isEqual, type Random } from './primitives.ts';

const { Point } = ed25519;
const { Fp, Fn } = Point;

/** The type byte of a serialised curve key. */
const curveType = Uint8Array.of(0x05);
/** 2^256 - 2 in little-endian: no encoding of a point, so the nonce's hash is not that of a signature (XEdDSA, hash_1). */
const nonceDomain = new Uint8Array(32).fill(0xff);
nonceDomain[0] = 0xfe;

/** A public key with its private key. */
export interface KeyPair {
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

/** Makes a key pair. */
export function generateKeyPair(random: Random = randomBytes): KeyPair {
  const privateKey = clamp(random(32));
  return { publicKey: publicKeyOf(privateKey), privateKey };
}

/** Returns the serialised public key of a private key. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return concatBytes(curveType, x25519.getPublicKey(privateKey));
}

/**
 * Returns the shared secret of a private key and another's serialised public key, 32 bytes.
 *
 * @throws {Error} the public key is malformed or of low order
 */
export function agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  if (!isCurvePublicKey(publicKey)) throw new Error('not a curve key');
  return x25519.getSharedSecret(privateKey, publicKey.subarray(1));
}

/**
 * Signs a message with XEdDSA. Two signatures of one message differ. As in libsignal, and unlike the specification, the
 * top bit of the last byte is the sign of the public key's Edwards point: the private key is never negated.
 */
export function sign(privateKey: Uint8Array, message: Uint8Array, random: Random = randomBytes): Uint8Array {
  const scalar = scalarOf(clamp(privateKey));
  const publicPoint = Point.BASE.multiply(scalar).toBytes();
  const nonce = hashToScalar(nonceDomain, privateKey, message, random(64));
  const commitment = Point.BASE.multiply(nonce).toBytes();
  const challenge = hashToScalar(commitment, publicPoint, message);
  const signature = concatBytes(commitment, Fn.toBytes(Fn.add(nonce, Fn.mul(challenge, scalar))));
  signature[63] = (signature[63] ?? 0) | (signBitOf(publicPoint) << 7);
  return signature;
}

/** Returns whether a signature of a message verifies under a serialised public key. It never throws. */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const sign = (signature[63] ?? 0) >> 7;
  if (signature.length !== 64 || !isCurvePublicKey(publicKey)) return false;
  const commitment = signature.subarray(0, 32);
  // a copy, also of a Buffer, whose `slice` shares its memory
  const response = Uint8Array.from(signature.subarray(32));
  response[31] = (response[31] ?? 0) & 0x7f;
  try {
    const point = Point.fromBytes(edwardsOf(publicKey, sign));
    const challenge = hashToScalar(commitment, point.toBytes(), message);
    // refuses an s of L or more, of which an s of 2^253 or more is a part
    const expected = Point.BASE.multiplyUnsafe(Fn.fromBytes(response)).subtract(point.multiplyUnsafe(challenge));
    return isEqual(expected.toBytes(), commitment);
  } catch {
    return false;
  }
}

/** Returns the encoding of the Edwards point of a curve key with a sign: y = (u - 1) / (u + 1) (XEdDSA, section 2.3). */
function edwardsOf(publicKey: Uint8Array, sign: number): Uint8Array {
  const u = Fp.fromBytes(publicKey.subarray(1));
  const encoded = Fp.toBytes(Fp.div(Fp.sub(u, Fp.ONE), Fp.add(u, Fp.ONE)));
  encoded[31] = (encoded[31] ?? 0) | (sign << 7);
  return encoded;
}

function signBitOf(point: Uint8Array): number {
  return (point[31] ?? 0) >> 7;
}

/** Sets the bits that RFC 7748 section 5 fixes. */
function clamp(privateKey: Uint8Array): Uint8Array {
  const clamped = Uint8Array.from(privateKey);
  clamped[0] = (clamped[0] ?? 0) & 0xf8;
  clamped[31] = ((clamped[31] ?? 0) & 0x7f) | 0x40;
  return clamped;
}

function scalarOf(littleEndian: Uint8Array): bigint {
  const digits = Array.from(littleEndian, (byte) => byte.toString(16).padStart(2, '0')).reverse();
  return Fn.create(BigInt(`0x${digits.join('')}`));
}

function hashToScalar(...parts: Uint8Array[]): bigint {
  return scalarOf(sha512(concatBytes(...parts)));
}
