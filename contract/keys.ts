/**
 * Public keys and signatures in base64, and the uploads that contain them. Formats: API.md of Signal's key directory,
 * X3DH and PQXDH (https://signal.org/docs).
 */
import { z } from 'zod';
import { bytesOf } from '../domain/base64.ts';
import { isCurvePublicKey, isKemPublicKey, keyIdMax, oneTimeKeysMax, signatureBytes } from '../domain/keys.ts';

/** Base64 (RFC 4648 section 4), with or without its padding; the value is padded. */
function base64(isValid: (bytes: Uint8Array) => boolean, problem: string): z.ZodString {
  return z
    .string()
    .max(4096, 'must be at most 4096 characters')
    .overwrite(padded)
    .refine((text) => {
      const bytes = bytesOf(text);
      return bytes !== undefined && isValid(bytes);
    }, problem);
}

/** Base64 of an exact number of bytes. */
export function base64Bytes(length: number): z.ZodString {
  return base64((bytes) => bytes.length === length, `must be ${length} bytes in base64`);
}

/** Base64 of some bytes, at most the given number. */
export function base64Text(lengthMax: number): z.ZodString {
  return z
    .string()
    .max(Math.ceil(lengthMax / 3) * 4, `must be at most ${lengthMax} bytes`)
    .overwrite(padded)
    .refine((text) => (bytesOf(text)?.length ?? 0) > 0, 'must be base64 and not empty');
}

/** A Curve25519 public key: the type byte 05 and 32 bytes, canonical and not of low order. */
export const CurveKey = base64(
  isCurvePublicKey,
  'must be 33 bytes in base64: type 05 and a canonical X25519 public key that is not of low order',
);

/** A KEM public key: the type byte 08 (Kyber-1024) or 0A (ML-KEM-1024) and 1,568 bytes. */
export const KemKey = base64(isKemPublicKey, 'must be 1,569 bytes in base64: type 08 or 0A and a KEM-1024 public key');

const keyId = z.int().min(1).max(keyIdMax);
const signature = base64Bytes(signatureBytes);

/** A signed Curve25519 prekey. */
export const SignedPreKey = z.strictObject({ keyId, publicKey: CurveKey, signature });
export type SignedPreKey = z.output<typeof SignedPreKey>;

/** A one-time Curve25519 prekey. */
export const PreKey = z.strictObject({ keyId, publicKey: CurveKey });
export type PreKey = z.output<typeof PreKey>;

/** A signed KEM prekey: one-time or last resort. */
export const PqPreKey = z.strictObject({ keyId, publicKey: KemKey, signature });
export type PqPreKey = z.output<typeof PqPreKey>;

/** One-time keys in the order in which they are handed out. */
export const PreKeys = z.array(PreKey).max(oneTimeKeysMax).refine(hasDistinctIds, 'must not have a key id twice');
/** Signed one-time KEM keys in the order in which they are handed out. */
export const PqPreKeys = z.array(PqPreKey).max(oneTimeKeysMax).refine(hasDistinctIds, 'must not have a key id twice');

/** New keys of a device. Absent keys stay; a non-empty list replaces all one-time keys of its kind. */
export const KeyUpload = z.strictObject({
  signedPreKey: SignedPreKey.optional(),
  preKeys: PreKeys.optional(),
  pqLastResortPreKey: PqPreKey.optional(),
  pqPreKeys: PqPreKeys.optional(),
});
export type KeyUpload = z.output<typeof KeyUpload>;

function hasDistinctIds(keys: readonly { keyId: number }[]): boolean {
  return new Set(keys.map((key) => key.keyId)).size === keys.length;
}

function padded(text: string): string {
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}
