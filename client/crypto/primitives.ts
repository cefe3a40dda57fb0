/**
 * The symmetric primitives of the encryption: HKDF (RFC 5869) and HMAC (RFC 2104) with SHA-256, and AES-256-GCM
 * (NIST SP 800-38D). They are noble's, which run in every runtime; WebCrypto encrypts long texts, where it is thirty times
 * as fast.
 */
import { gcm } from '@noble/ciphers/aes.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** A source of random bytes. Tests pass a repeatable one. */
export type Random = (length: number) => Uint8Array;

/** Below this a call of WebCrypto takes longer than the encryption. */
const nativeBytesMin = 4096;

const zeroSalt = new Uint8Array(32);

/** Returns `length` bytes derived by HKDF-SHA-256; the salt is 32 zero bytes by default. */
export function deriveBytes(
  secret: Uint8Array,
  info: Uint8Array,
  { length, salt = zeroSalt }: { length: number; salt?: Uint8Array },
): Uint8Array {
  return hkdf(sha256, secret, salt, info, length);
}

/** Returns the HMAC-SHA-256 of a message, 32 bytes. */
export function authenticate(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(sha256, key, message);
}

/** What AES-256-GCM needs: a key of 32 bytes, a nonce of 12, and the data that is authenticated and not encrypted. */
export interface GcmInput {
  key: Uint8Array;
  nonce: Uint8Array;
  associatedData: Uint8Array;
}

/** Encrypts with AES-256-GCM; the tag of 16 bytes follows the ciphertext. */
export async function encryptGcm(input: GcmInput, plain: Uint8Array): Promise<Uint8Array> {
  const subtle = nativeFor(plain);
  if (subtle === undefined) return gcm(input.key, input.nonce, input.associatedData).encrypt(plain);
  return new Uint8Array(await subtle.encrypt(paramsOf(input), await nativeKey(subtle, input), owned(plain)));
}

/**
 * Decrypts what `encryptGcm` returned.
 *
 * @throws {Error} the tag does not verify
 */
export async function decryptGcm(input: GcmInput, encrypted: Uint8Array): Promise<Uint8Array> {
  const subtle = nativeFor(encrypted);
  if (subtle === undefined) return gcm(input.key, input.nonce, input.associatedData).decrypt(encrypted);
  return new Uint8Array(await subtle.decrypt(paramsOf(input), await nativeKey(subtle, input), owned(encrypted)));
}

/** Compares bytes in a time that depends on their lengths only. */
export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let index = 0; index < one.length; index += 1) difference |= (one[index] ?? 0) ^ (other[index] ?? 0);
  return difference === 0;
}

/** Browsers have no `subtle` on pages without TLS. */
function nativeFor(text: Uint8Array): SubtleCrypto | undefined {
  return text.length < nativeBytesMin ? undefined : globalThis.crypto?.subtle;
}

async function nativeKey(subtle: SubtleCrypto, { key }: GcmInput): Promise<CryptoKey> {
  return await subtle.importKey('raw', owned(key), 'AES-GCM', false, ['encrypt', 'decrypt']);
}

function paramsOf({ nonce, associatedData }: GcmInput) {
  return { name: 'AES-GCM', iv: owned(nonce), additionalData: owned(associatedData) };
}

/** WebCrypto does not take views of shared memory. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}
