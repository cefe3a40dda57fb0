/**
 * Encryption, keyed hashes, tokens and ids. HKDF (RFC 5869) derives one key per purpose from a root key, so that a
 * value made for one purpose is not valid for another.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  randomBytes,
  randomFillSync,
  randomInt,
  timingSafeEqual,
} from 'node:crypto';
import type { Secret } from './config/secret.ts';

/**
 * Authenticated encryption for one purpose: AES-256-GCM (NIST SP 800-38D), random 96-bit IV. Additional data are the key id
 * and the context, which is what the ciphertext belongs to, such as the key of its record.
 */
export interface Cipher {
  /** The id of the key that `encrypt` uses: a prefix of a hash of the key. It is not secret. */
  readonly keyId: string;
  /** Returns IV, ciphertext and authentication tag. */
  encrypt(plain: Uint8Array, context?: string): Uint8Array;
  /** @throws {Error} the key is unknown, or the ciphertext was changed or belongs to another context */
  decrypt(keyId: string, encrypted: Uint8Array, context?: string): Uint8Array;
  /** Returns the encrypted text as `keyId.base64url`. */
  encryptText(plain: string, context?: string): string;
  /** @throws {Error} as `decrypt` */
  decryptText(encrypted: string, context?: string): string;
}

const ivBytes = 12;
const tagBytes = 16;

/** Creates the cipher of a purpose from root keys. `current` encrypts; `older` keys only decrypt, for key rotation. */
export function createCipher(purpose: string, current: Secret, older: readonly Secret[] = []): Cipher {
  const derived = (root: Secret): DerivedKey => ({ id: keyIdOf(root), key: deriveKey(root, purpose) });
  return cipherOf([derived(current), ...older.map(derived)], purpose);
}

/** A key of one purpose, and the id of its root key. */
export interface DerivedKey {
  id: string;
  key: Buffer;
}

/** Creates a cipher. The first key encrypts, all of them decrypt. */
export function cipherOf(derived: readonly [DerivedKey, ...DerivedKey[]], purpose: string): Cipher {
  const keys = new Map([...derived].reverse().map(({ id, key }) => [id, key]));
  const keyId = derived[0].id;

  function encrypt(plain: Uint8Array, context?: string): Uint8Array {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', keyFor(keyId), iv).setAAD(boundTo(keyId, context));
    return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  function decrypt(id: string, encrypted: Uint8Array, context?: string): Uint8Array {
    const decipher = createDecipheriv('aes-256-gcm', keyFor(id), encrypted.subarray(0, ivBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(boundTo(id, context)).setAuthTag(encrypted.subarray(-tagBytes));
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
    encryptText: (plain, context) =>
      `${keyId}.${Buffer.from(encrypt(Buffer.from(plain), context)).toString('base64url')}`,
    decryptText(encrypted, context) {
      const [id = '', body = '', ...others] = encrypted.split('.');
      if (others.length > 0 || !isCanonical(body)) throw new Error('The ciphertext was changed');
      return Buffer.from(decrypt(id, Buffer.from(body, 'base64url'), context)).toString();
    },
  };
}

function boundTo(keyId: string, context: string | undefined): Buffer {
  return Buffer.from(context === undefined ? keyId : `${keyId}\n${context}`);
}

/** Authenticates the fields of a record in a store that others may write. */
export interface RecordMac {
  /** Returns the MAC of some fields, with the id of its key. The encoding of the fields is unambiguous. */
  sign(fields: readonly (string | number)[]): string;
  /** Returns whether a MAC was made of these fields, with any of the keys. */
  verify(mac: string | null | undefined, fields: readonly (string | number)[]): boolean;
  /** Returns whether the current key made a MAC, by the id in it. */
  isCurrent(mac: string): boolean;
}

/** MACs that were verified are remembered, because the same record is checked with each request of a session. */
const verifiedMax = 5000;

/**
 * Creates HMAC-SHA-256 (RFC 2104) over the fields of records. The first key signs, all of them verify. A MAC that was
 * verified is not computed again: whether it is right depends on nothing but the fields and the key.
 */
export function createRecordMac(derived: readonly [DerivedKey, ...DerivedKey[]]): RecordMac {
  const keys = new Map([...derived].reverse().map(({ id, key }) => [id, createSecretKey(key)]));
  const keyId = derived[0].id;
  let [recent, earlier] = [new Set<string>(), new Set<string>()];

  function macOf(id: string, text: string): string | undefined {
    const key = keys.get(id);
    return key && `${id}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  }

  function remember(known: string): void {
    if (recent.size >= verifiedMax) [recent, earlier] = [new Set<string>(), recent];
    recent.add(known);
  }

  return {
    sign: (fields) => macOf(keyId, textOf(fields)) ?? '',
    isCurrent: (mac) => mac.startsWith(`${keyId}.`),
    verify(mac, fields) {
      if (!mac) return false;
      const text = textOf(fields);
      const known = `${mac} ${text}`;
      if (recent.has(known)) return true;
      if (!earlier.has(known) && !isEqual(macOf(mac.slice(0, mac.indexOf('.')), text), mac)) return false;
      remember(known);
      return true;
    },
  };
}

function textOf(fields: readonly (string | number)[]): string {
  return JSON.stringify(fields.map(String));
}

/** Compares in constant time. */
function isEqual(wanted: string | undefined, given: string): boolean {
  if (wanted === undefined || wanted.length !== given.length) return false;
  const [one, other] = [Buffer.from(wanted), Buffer.from(given)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Derives the key of a purpose, 32 bytes, from a root key with HKDF-SHA-256 (RFC 5869). */
export function deriveKey(root: Secret, purpose: string): Buffer {
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
