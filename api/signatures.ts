/**
 * XEdDSA signatures of devices' keys. The identity key is mapped to its Edwards points once; each signature is then an
 * Ed25519 signature that node:crypto checks, eight times as fast as in JavaScript.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { isCurvePublicKey, signatureBytes } from '../domain/keys.ts';

/** A key whose signature is to be verified. */
export interface SignedKey {
  /** The place of the key in the request's body. */
  path: string;
  /** The serialised key, which is the signed message. */
  publicKey: Uint8Array;
  signature: Uint8Array;
}

const fieldPrime = 2n ** 255n - 19n;
/** The encoding of an Ed25519 public key (RFC 8410 section 4) up to its 32 bytes. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
/** Signatures between two turns of the event loop: about a millisecond of work. */
const sliceSize = 10;

/**
 * Returns the paths of the keys whose signature is not that of the identity key; malformed ones are among them. Other
 * requests are served between slices.
 */
export async function verifySignatures(identityKey: Uint8Array, keys: readonly SignedKey[]): Promise<string[]> {
  const points = edwardsKeys(identityKey);
  const failed: string[] = [];
  for (const [index, { path, publicKey, signature }] of keys.entries()) {
    if (index > 0 && index % sliceSize === 0) await setImmediate();
    if (!isSignature(points, publicKey, signature)) failed.push(path);
  }
  return failed;
}

/**
 * Returns the two Edwards points of a curve key, by sign: y = (u - 1) / (u + 1) (XEdDSA, section 2.3). A key without such
 * points has no valid signatures: it is refused here, or by OpenSSL when there is no x for the y.
 */
function edwardsKeys(identityKey: Uint8Array): KeyObject[] {
  if (!isCurvePublicKey(identityKey)) return [];
  const u = BigInt(`0x${Buffer.from(identityKey.subarray(1)).reverse().toString('hex')}`);
  const y = modulo((u - 1n) * inverse(u + 1n));
  const encoded = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse();
  return [0x00, 0x80].map((sign) => {
    const point = Buffer.concat([spkiPrefix, encoded]);
    point[point.length - 1] = (point.at(-1) ?? 0) | sign;
    return createPublicKey({ key: point, format: 'der', type: 'spki' });
  });
}

/**
 * The sign of the public key's point is the top bit of the signature, where libsignal puts it. The two bits below make s
 * at least 2^253. OpenSSL refuses an s of L or more, which includes them.
 */
function isSignature(points: readonly KeyObject[], message: Uint8Array, signature: Uint8Array): boolean {
  const last = signature.at(-1) ?? 0;
  const key = points[last >> 7];
  if (signature.length !== signatureBytes || key === undefined) return false;
  const standard = Buffer.from(signature);
  standard[signatureBytes - 1] = last & 0x7f;
  return verify(null, message, key, standard);
}

function modulo(number: bigint): bigint {
  const rest = number % fieldPrime;
  return rest < 0n ? rest + fieldPrime : rest;
}

/** By Fermat: a^(p - 2) is the inverse of a. */
function inverse(number: bigint): bigint {
  let result = 1n;
  let power = modulo(number);
  for (let exponent = fieldPrime - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = modulo(result * power);
    power = modulo(power * power);
  }
  return result;
}
