/**
 * Hybrid public-key encryption for secrets in flight: HPKE (RFC 9180) in PSK mode with one suite, DHKEM(X25519,
 * HKDF-SHA-256), HKDF-SHA-256 and AES-256-GCM, one message for each encapsulation. The PSK authenticates the sender: only
 * holders of it can seal, and only the holder of the private key can open.
 *
 * It is made of `node:crypto`, whose calls return at once: a registration seals several payloads, and with WebCrypto each
 * takes a millisecond of processor time. The tests compare it with the package `hpke`.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';

const [kemId, kdfId, aeadId] = [0x0020, 0x0001, 0x0002];
const kemSuite = Buffer.concat([Buffer.from('KEM'), numberOf(kemId)]);
const suite = Buffer.concat([Buffer.from('HPKE'), numberOf(kemId), numberOf(kdfId), numberOf(aeadId)]);
const [keyBytes, nonceBytes, tagBytes] = [32, 12, 16];
const pskMode = Buffer.of(1);
const none = Buffer.alloc(0);

/** What both sides of a message know. */
export interface SealContext {
  psk: Uint8Array;
  pskId: Uint8Array;
  info: Uint8Array;
  aad: Uint8Array;
}

/** Derives a private key from 32 random bytes (RFC 9180 section 7.1.3). */
export function derivePrivateKey(seed: Uint8Array): KeyObject {
  const extracted = labeledExtract(kemSuite, none, 'dkp_prk', seed);
  const scalar = labeledExpand(kemSuite, extracted, { label: 'sk', info: none, length: keyBytes });
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, scalar]), format: 'der', type: 'pkcs8' });
}

/** Returns the 32 bytes of the public key of a private or public key, which are computed once for each key. */
export function publicBytesOf(key: KeyObject): Buffer {
  const known = publicBytes.get(key);
  if (known !== undefined) return known;
  const bytes = bytesOf(key.type === 'private' ? createPublicKey(key) : key);
  publicBytes.set(key, bytes);
  return bytes;
}

const publicBytes = new WeakMap<KeyObject, Buffer>();

/** Reads a public key of 32 bytes. */
export function readPublicKey(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiHead, bytes]), format: 'der', type: 'spki' });
}

/** Seals a message: the encapsulated key, then the ciphertext with its tag. */
export function seal(recipient: KeyObject, plain: Uint8Array, context: SealContext): Buffer {
  const own = generateKeyPairSync('x25519');
  const encapsulated = bytesOf(own.publicKey);
  const secret = secretOf(own.privateKey, recipient, Buffer.concat([encapsulated, publicBytesOf(recipient)]));
  const { key, nonce } = scheduleOf(secret, context);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(context.aad);
  return Buffer.concat([encapsulated, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Opens a message. @throws {Error} it was changed, or sealed to another key, by another sender or in another context */
export function open(recipient: KeyObject, sealed: Uint8Array, context: SealContext): Buffer {
  const encapsulated = sealed.subarray(0, keyBytes);
  const sharedBytes = Buffer.concat([encapsulated, publicBytesOf(recipient)]);
  const secret = secretOf(recipient, readPublicKey(encapsulated), sharedBytes);
  const { key, nonce } = scheduleOf(secret, context);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(context.aad);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(keyBytes, -tagBytes)), decipher.final()]);
}

/** RFC 9180 section 4.1, ExtractAndExpand. Node refuses a shared secret of zeros. */
function secretOf(privateKey: KeyObject, publicKey: KeyObject, sharedBytes: Uint8Array): Buffer {
  const extracted = labeledExtract(kemSuite, none, 'eae_prk', diffieHellman({ privateKey, publicKey }));
  return labeledExpand(kemSuite, extracted, { label: 'shared_secret', info: sharedBytes, length: keyBytes });
}

/** RFC 9180 section 5.1, KeySchedule. */
function scheduleOf(secret: Uint8Array, { psk, pskId, info }: SealContext): { key: Buffer; nonce: Buffer } {
  const context = Buffer.concat([
    pskMode,
    labeledExtract(suite, none, 'psk_id_hash', pskId),
    labeledExtract(suite, none, 'info_hash', info),
  ]);
  const extracted = labeledExtract(suite, secret, 'secret', psk);
  return {
    key: labeledExpand(suite, extracted, { label: 'key', info: context, length: keyBytes }),
    nonce: labeledExpand(suite, extracted, { label: 'base_nonce', info: context, length: nonceBytes }),
  };
}

function labeledExtract(suiteId: Buffer, salt: Uint8Array, label: string, material: Uint8Array): Buffer {
  return createHmac('sha256', salt).update('HPKE-v1').update(suiteId).update(label).update(material).digest();
}

/** At most 32 bytes, which is one block of HKDF. */
function labeledExpand(
  suiteId: Buffer,
  key: Buffer,
  { label, info, length }: { label: string; info: Uint8Array; length: number },
): Buffer {
  const mac = createHmac('sha256', key).update(numberOf(length)).update('HPKE-v1').update(suiteId).update(label);
  return mac.update(info).update(Buffer.of(1)).digest().subarray(0, length);
}

/** The bytes before the 32 of a key in PKCS #8 and SubjectPublicKeyInfo (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');
const spkiHead = Buffer.from('302a300506032b656e032100', 'hex');

function bytesOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-keyBytes);
}

function numberOf(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}
