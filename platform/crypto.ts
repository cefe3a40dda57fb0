/**
 * Encryption, keyed hashes, tokens and ids. HKDF (RFC 5869) derives one key per purpose from a root key, so that a
 * value made for one purpose is not valid for another.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
  randomFillSync,
  randomInt,
} from 'node:crypto';
import type { Secret } from './config/secret.ts';

/** The purposes for which a key is derived. */
export type KeyPurpose =
  | 'temporal'
  | 'secret'
  | 'refresh'
  | 'facts'
  | 'delivery-report'
  | 'code'
  | 'idempotency'
  | 'limit'
  | 'captcha'
  | 'field'
  | 'identity'
  | 'pepper'
  | 'operator'
  | 'trace'
  | 'pseudonym'
  | 'audit'
  | 'deletion'
  | 'registration-stop'
  | 'push';

/**
 * Authenticated encryption for one purpose: AES-256-GCM (NIST SP 800-38D), random 96-bit IV, key id as additional data.
 */
export interface Cipher {
  /** The id of the key that `encrypt` uses: a prefix of a hash of the key. It is not secret. */
  readonly keyId: string;
  /** Returns IV, ciphertext and authentication tag. */
  encrypt(plain: Uint8Array): Uint8Array;
  /** @throws {Error} the key is unknown or the ciphertext was changed */
  decrypt(keyId: string, encrypted: Uint8Array): Uint8Array;
  /** Returns the encrypted text as `keyId.base64url`. */
  encryptText(plain: string): string;
  /** @throws {Error} the key is unknown or the ciphertext was changed */
  decryptText(encrypted: string): string;
}

const ivBytes = 12;
const tagBytes = 16;

/** Creates the cipher of a purpose. `current` encrypts; `older` keys only decrypt, for key rotation. */
export function createCipher(purpose: KeyPurpose, current: Secret, older: readonly Secret[] = []): Cipher {
  const keys = new Map([current, ...older].reverse().map((root) => [keyIdOf(root), deriveKey(root, purpose)]));
  const keyId = keyIdOf(current);

  function encrypt(plain: Uint8Array): Uint8Array {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', keyFor(keyId), iv).setAAD(Buffer.from(keyId));
    return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  function decrypt(id: string, encrypted: Uint8Array): Uint8Array {
    const decipher = createDecipheriv('aes-256-gcm', keyFor(id), encrypted.subarray(0, ivBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(Buffer.from(id)).setAuthTag(encrypted.subarray(-tagBytes));
    return Buffer.concat([decipher.update(encrypted.subarray(ivBytes, -tagBytes)), decipher.final()]);
  }

  function keyFor(id: string): Buffer {
    const key = keys.get(id);
    if (key === undefined) throw new Error(`No key ${id} for ${purpose}`);
    return key;
  }

  return {
    keyId,
    encrypt,
    decrypt,
    encryptText: (plain) => `${keyId}.${Buffer.from(encrypt(Buffer.from(plain))).toString('base64url')}`,
    decryptText(encrypted) {
      const [id = '', body = '', ...others] = encrypted.split('.');
      if (others.length > 0 || !isCanonical(body)) throw new Error('The ciphertext was changed');
      return Buffer.from(decrypt(id, Buffer.from(body, 'base64url'))).toString();
    },
  };
}

/** Derives the key of a purpose, 32 bytes, from a root key with HKDF-SHA-256 (RFC 5869). */
export function deriveKey(root: Secret, purpose: KeyPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(root.reveal(), 'base64'), '', `vyry ${purpose}`, 32));
}

/**
 * Returns the password of the device that a registration adds at a Signal-Server: HKDF-SHA-256 (RFC 5869) of the
 * registration token, 32 bytes as base64url. The app derives the same one, so no answer contains it.
 */
export function deriveDevicePassword(registrationToken: string): string {
  return Buffer.from(hkdfSync('sha256', registrationToken, '', 'vyry signal device password', 32)).toString(
    'base64url',
  );
}

/** Returns an HMAC-SHA-256 (RFC 2104) of the parts, base64url. The encoding of the parts is unambiguous. */
export function keyedHash(key: Buffer, ...parts: string[]): string {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url');
}

/** Returns the SHA-256 of a token, base64url. It needs no salt or key, because tokens have 256 random bits. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** Returns the SHA-256 of the parts, one after the other. */
export function sha256(...parts: (Uint8Array | string)[]): Buffer {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/**
 * Returns whether a text is the one base64url encoding of its bytes (RFC 4648 section 3.5). Node also reads padding, unused
 * bits, the other alphabet and foreign characters, with which one signature would have many spellings.
 */
function isCanonical(text: string): boolean {
  return Buffer.from(text, 'base64url').toString('base64url') === text;
}

/** Returns whether a JWT is in compact form (RFC 7515 section 3.1) and each part is the one encoding of its bytes. */
export function isCanonicalJwt(token: string): boolean {
  const parts = token.split('.');
  return parts.length === 3 && parts.every((part) => part !== '' && isCanonical(part));
}

/** Returns a new bearer token: 256 random bits, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

const randomPool = Buffer.alloc(4096);
let randomUsed = randomPool.length;

/**
 * Returns random bytes of the system as hexadecimal digits. Drawn ahead, because one draw costs as much as a hundred.
 */
export function randomHex(bytes: number): string {
  if (randomUsed + bytes > randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  const end = randomUsed + bytes;
  const digits = randomPool.toString('hex', randomUsed, end);
  randomPool.fill(0, randomUsed, end);
  randomUsed = end;
  return digits;
}

/** Returns a new unguessable id: 128 random bits as 32 hexadecimal digits. */
export function newId(): string {
  return randomHex(16);
}

/** Returns a new one-time code: six uniformly random digits (RFC 4226 section 5.3 requires at least six). */
export function newCode(): string {
  return String(randomInt(1_000_000)).padStart(6, '0');
}

/** Returns the id of a root key: the first 8 hexadecimal digits of a hash of it. It is not secret. */
export function keyIdOf(root: Secret): string {
  return createHash('sha256').update(`vyry key ${root.reveal()}`).digest('hex').slice(0, 8);
}
