/**
 * ML-KEM (FIPS 203): the check of public keys, and ML-KEM-768 for the ratchet. A key pair is kept as its seed of 64 bytes.
 */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';

/** The prime of the coefficients, of which a public key encodes two in three bytes. */
const q = 3329;
const seedBytes = 32;

/**
 * Returns whether the coefficients of a public key are below the prime: the modulus check of FIPS 203 section 7.2. The library
 * checks lengths; its own modulus check lets such keys pass (`@noble/post-quantum` 0.5.4).
 */
export function isReduced(publicKey: Uint8Array): boolean {
  for (let index = 0; index < publicKey.length - seedBytes; index += 3) {
    const [low = 0, middle = 0, high = 0] = publicKey.subarray(index, index + 3);
    if ((low | ((middle & 0x0f) << 8)) >= q) return false;
    if (((middle >> 4) | (high << 4)) >= q) return false;
  }
  return true;
}

/** Returns the public key of a seed, 1,184 bytes. */
export function publicKeyOfSeed(seed: Uint8Array): Uint8Array {
  return ml_kem768.keygen(seed).publicKey;
}

/**
 * Makes a secret of 32 bytes for the owner of a public key, and its ciphertext of 1,088 bytes.
 *
 * @param message 32 random bytes
 * @throws {Error} the key is malformed
 */
export function encapsulateSecret(
  publicKey: Uint8Array,
  message: Uint8Array,
): { secret: Uint8Array; ciphertext: Uint8Array } {
  if (!isReduced(publicKey)) throw new Error('not an ML-KEM-768 key');
  const { sharedSecret, cipherText } = ml_kem768.encapsulate(publicKey, message);
  return { secret: sharedSecret, ciphertext: cipherText };
}

/** Derives the secret from a ciphertext. One that was changed gives another secret. */
export function decapsulateSecret(seed: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return ml_kem768.decapsulate(ciphertext, ml_kem768.keygen(seed).secretKey);
}
