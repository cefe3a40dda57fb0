/**
 * Keys and what is done with them: sealing, keyed hashes, tokens. One root key gives one key a purpose by HKDF (RFC 5869),
 * so that a value made for one purpose never opens another.
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
import type { Secret } from './config.ts';

/** What a key may be used for. */
export type KeyPurpose =
  | 'temporal'
  | 'secret'
  | 'refresh'
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
  | 'registration-stop';

/** Encrypts for one purpose: AES-256-GCM (NIST SP 800-38D), random 96-bit IV, key id as additional data. */
export interface Cipher {
  /** The id of the key that `seal` uses: the start of a hash of the key, safe to show. */
  readonly keyId: string;
  encrypt(plain: Uint8Array): Uint8Array;
  /** @throws {Error} the key is not known or the text was changed */
  decrypt(keyId: string, encrypted: Uint8Array): Uint8Array;
  /** A text sealed into `keyId.base64url`. */
  encryptText(plain: string): string;
  /** @throws {Error} the key is not known or the text was changed */
  decryptText(encrypted: string): string;
}

const ivBytes = 12;
const tagBytes = 16;

/** Makes the box of a purpose; `older` keys open what they sealed, for rotation. */
export function createCipher(purpose: KeyPurpose, current: Secret, older: readonly Secret[] = []): Cipher {
  const keys = new Map([current, ...older].reverse().map((root) => [keyIdOf(root), deriveKey(root, purpose)]));
  const keyId = keyIdOf(current);

  function seal(plain: Uint8Array): Uint8Array {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', keyFor(keyId), iv).setAAD(Buffer.from(keyId));
    return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  function open(id: string, encrypted: Uint8Array): Uint8Array {
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
    encrypt: seal,
    decrypt: open,
    encryptText: (plain) => `${keyId}.${Buffer.from(seal(Buffer.from(plain))).toString('base64url')}`,
    decryptText(encrypted) {
      const [id = '', body = ''] = encrypted.split('.');
      return Buffer.from(open(id, Buffer.from(body, 'base64url'))).toString();
    },
  };
}

/** The key of a purpose, 32 bytes: HKDF-SHA-256 of a root key (RFC 5869). */
export function deriveKey(root: Secret, purpose: KeyPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(root.reveal(), 'base64'), '', `vyry ${purpose}`, 32));
}

/** A keyed hash, base64url: HMAC-SHA-256 (RFC 2104) of the parts, none of which can run into the next. */
export function keyedHash(key: Buffer, ...parts: string[]): string {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url');
}

/** SHA-256 of a random token, base64url: enough for 256 random bits, where nothing can be guessed. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** A bearer token: 256 random bits, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

const randomPool = Buffer.alloc(4096);
let randomUsed = randomPool.length;

/** Random bytes of the system as hexadecimal digits. They are drawn ahead, as each draw costs as much as a hundred of them. */
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

/** An id nobody can guess: 128 random bits, as 32 hexadecimal digits. */
export function newId(): string {
  return randomHex(16);
}

/** A one-time code: six decimal digits, each as likely as the others (RFC 4226 section 5.3 asks for at least six). */
export function newCode(): string {
  return String(randomInt(1_000_000)).padStart(6, '0');
}

/** The id of a root key: the start of a hash of it, safe to show. */
export function keyIdOf(root: Secret): string {
  return createHash('sha256').update(`vyry key ${root.reveal()}`).digest('hex').slice(0, 8);
}
