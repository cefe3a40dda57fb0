/**
 * Kyber-1024 of the third NIST round, which Signal's clients use, made from ML-KEM-1024 (FIPS 203). Keys and ciphertexts
 * of the two have the same encoding. Kyber hashes the message before encapsulation, and hashes the ciphertext into the
 * shared secret; ML-KEM does neither.
 */
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { ml_kem1024 } from '@noble/post-quantum/ml-kem.js';
import { isKemPublicKey } from '../../contract/key-rules.ts';
import { isReduced } from './ml-kem.ts';
import type { Random } from './primitives.ts';

/** The type byte of a serialised Kyber-1024 key. */
const kyberType = Uint8Array.of(0x08);

/** A Kyber key pair, serialised with its type byte. */
export interface KyberKeyPair {
  publicKey: Uint8Array;
  secretKey: Uint8Array;
}

/** Makes the seed of a key pair, 64 bytes: it is kept in place of the secret key, which is fifty times as long. */
export function generateKyberSeed(random: Random = randomBytes): Uint8Array {
  return random(64);
}

/** Returns the key pair of a seed. */
export function kyberKeyPair(seed: Uint8Array): KyberKeyPair {
  const { publicKey, secretKey } = ml_kem1024.keygen(seed);
  return { publicKey: concatBytes(kyberType, publicKey), secretKey: concatBytes(kyberType, secretKey) };
}

/** A shared secret of 32 bytes, and the serialised ciphertext from which the other side derives it. */
export interface Encapsulated {
  secret: Uint8Array;
  ciphertext: Uint8Array;
}

/**
 * Makes a shared secret with the owner of a serialised public key.
 *
 * @throws {Error} the key is malformed
 */
export function encapsulate(publicKey: Uint8Array, random: Random = randomBytes): Encapsulated {
  if (!isKemPublicKey(publicKey) || publicKey[0] !== kyberType[0]) throw new Error('not a Kyber-1024 key');
  if (!isReduced(publicKey.subarray(1))) throw new Error('not a Kyber-1024 key');
  const { cipherText, sharedSecret } = ml_kem1024.encapsulate(publicKey.subarray(1), sha3_256(random(32)));
  return { secret: kyberSecret(sharedSecret, cipherText), ciphertext: concatBytes(kyberType, cipherText) };
}

/**
 * Derives the shared secret from a serialised ciphertext. A ciphertext that was changed gives another secret.
 *
 * @throws {Error} the ciphertext has another length or type
 */
export function decapsulate(secretKey: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  if (ciphertext[0] !== kyberType[0]) throw new Error('not a Kyber-1024 ciphertext');
  const bare = ciphertext.subarray(1);
  return kyberSecret(ml_kem1024.decapsulate(bare, secretKey.subarray(1)), bare);
}

function kyberSecret(mlKemSecret: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return shake256(concatBytes(mlKemSecret, sha3_256(ciphertext)), { dkLen: 32 });
}
