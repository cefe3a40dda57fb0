/**
 * The handshake, ratchet and messages of Signal's clients, on the key agreement, the KEM, the chains and the root steps of
 * `client/crypto/`. Labels, AES-CBC, HMAC, protobuf and the post-quantum ratchet are Signal's, and are in tests only: they
 * show that keys, signatures, handshake and ratchet steps are compatible. Wire facts: libsignal 0.103,
 * `rust/protocol/src/proto/wire.proto`, `ratchet/keys.rs`, `protocol.rs`; SparsePostQuantumRatchet, `chain.rs`.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { concatBytes } from '@noble/hashes/utils.js';
import protobuf from 'protobufjs';
import { utf8 } from '../../client/bytes.ts';
import { agree, generateKeyPair, type KeyPair } from '../../client/crypto/curve.ts';
import { u32 } from '../../client/crypto/encoding.ts';
import type { Prefix } from '../../client/crypto/pqxdh.ts';
import { deriveBytes } from '../../client/crypto/primitives.ts';
import { stepChain, stepRoot } from '../../client/crypto/ratchet.ts';
import { fieldsOf } from './libsignal.ts';

const handshakeInfo = utf8('WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024');
const rootInfo = utf8('WhisperRatchet');
const messageInfo = utf8('WhisperMessageKeys');
/** Version 4 of the message, of a sender that knows version 4. */
const version = 0x44;
const macBytes = 8;

/** The keys that a session of Signal begins with: root and chain of the signed prekey, and the key of its KEM ratchet. */
export function signalKeys(secrets: Uint8Array): { rootKey: Uint8Array; chainKey: Uint8Array; kemRatchet: Uint8Array } {
  const derived = deriveBytes(secrets, handshakeInfo, { length: 96 });
  return { rootKey: derived.slice(0, 32), chainKey: derived.slice(32, 64), kemRatchet: derived.slice(64) };
}

/** One direction of a session: its chain, and the first epoch of the post-quantum ratchet, which no answer has ended. */
export class SignalChain {
  #chainKey: Uint8Array;
  #kemKey: Uint8Array;
  #count = 0;

  constructor(chainKey: Uint8Array, kemRatchet: Uint8Array, isFromInitiator: boolean) {
    const start = deriveBytes(kemRatchet, utf8('Signal PQ Ratchet V1 Chain  Start'), { length: 96 });
    this.#chainKey = chainKey;
    this.#kemKey = isFromInitiator ? start.slice(32, 64) : start.slice(64);
  }

  /** Returns the number of the next message and its keys, which the post-quantum ratchet salts. */
  next() {
    const number = this.#count;
    const { messageKey, chainKey } = stepChain(this.#chainKey);
    this.#count += 1;
    const info = concatBytes(u32(this.#count), utf8('Signal PQ Ratchet V1 Chain Next'));
    const kem = deriveBytes(this.#kemKey, info, { length: 64 });
    this.#chainKey = chainKey;
    this.#kemKey = kem.slice(0, 32);
    const keys = deriveBytes(messageKey, messageInfo, { length: 80, salt: kem.slice(32) });
    return { number, cipherKey: keys.slice(0, 32), macKey: keys.slice(32, 64), iv: keys.slice(64) };
  }
}

/** The parties of a message, as its MAC names them: serialised identity keys. */
export interface MacParties {
  sender: Uint8Array;
  recipient: Uint8Array;
}

/** Opens the message of a chain: protobuf, MAC and AES-CBC. */
export function openSignalMessage(message: Uint8Array, chain: SignalChain, parties: MacParties): string {
  const fields = fieldsOf(message.subarray(1, -macBytes));
  const { number, cipherKey, macKey, iv } = chain.next();
  if (message[0] !== version || fields.get(2)?.[0] !== number) throw new Error('another message was expected');
  const mac = macOf(message.subarray(0, -macBytes), macKey, parties);
  if (!mac.equals(message.subarray(-macBytes))) throw new Error('the MAC differs');
  const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv);
  return Buffer.concat([decipher.update(bytesField(fields, 4)), decipher.final()]).toString();
}

/** Begins the sending chain of an initiator with the signed prekey of the other side. */
export function beginSignalChain(
  { rootKey, kemRatchet }: ReturnType<typeof signalKeys>,
  signedPreKey: Uint8Array,
): { chain: SignalChain; ratchet: KeyPair } {
  const ratchet = generateKeyPair();
  const step = stepRoot(rootKey, agree(ratchet.privateKey, signedPreKey), { info: rootInfo });
  return { chain: new SignalChain(step.chainKey, kemRatchet, true), ratchet };
}

/** The other side of `beginSignalChain`. */
export function receiveSignalChain(
  { rootKey, kemRatchet }: ReturnType<typeof signalKeys>,
  signedPreKey: KeyPair,
  ratchetKey: Uint8Array,
): SignalChain {
  const step = stepRoot(rootKey, agree(signedPreKey.privateKey, ratchetKey), { info: rootInfo });
  return new SignalChain(step.chainKey, kemRatchet, true);
}

/** Makes a message of a chain. Its part of the post-quantum ratchet says: version 1, epoch 1, this index, nothing to send. */
export function makeSignalMessage(
  text: string,
  { chain, ratchetKey, parties }: { chain: SignalChain; ratchetKey: Uint8Array; parties: MacParties },
): Uint8Array {
  const { number, cipherKey, macKey, iv } = chain.next();
  const cipher = createCipheriv('aes-256-cbc', cipherKey, iv);
  const writer = protobuf.Writer.create();
  writer.uint32(0x0a).bytes(ratchetKey);
  writer.uint32(0x10).uint32(number);
  writer.uint32(0x18).uint32(0);
  writer.uint32(0x22).bytes(Buffer.concat([cipher.update(text), cipher.final()]));
  writer.uint32(0x2a).bytes(Uint8Array.of(1, 1, number + 1, 0));
  const serialised = concatBytes(Uint8Array.of(version), writer.finish());
  return concatBytes(serialised, macOf(serialised, macKey, parties));
}

/** Puts a message into the first message of a handshake. */
export function makeSignalFirstMessage(prefix: Prefix, message: Uint8Array): Uint8Array {
  const writer = protobuf.Writer.create();
  if (prefix.preKeyId !== undefined) writer.uint32(0x08).uint32(prefix.preKeyId);
  writer.uint32(0x12).bytes(prefix.baseKey);
  writer.uint32(0x1a).bytes(prefix.identityKey);
  writer.uint32(0x22).bytes(message);
  writer.uint32(0x28).uint32(prefix.registrationId);
  writer.uint32(0x30).uint32(prefix.signedPreKeyId);
  writer.uint32(0x38).uint32(prefix.kemKeyId);
  writer.uint32(0x42).bytes(prefix.kemCiphertext);
  return concatBytes(Uint8Array.of(version), writer.finish());
}

/** Reads the first message of a handshake. */
export function readSignalFirstMessage(bytes: Uint8Array): {
  prefix: Prefix;
  message: Uint8Array;
  ratchetKey: Uint8Array;
} {
  const fields = fieldsOf(bytes.subarray(1));
  const number = (field: number) => Number(fields.get(field)?.[0]);
  const message = bytesField(fields, 4);
  return {
    prefix: {
      registrationId: number(5),
      signedPreKeyId: number(6),
      preKeyId: fields.has(1) ? number(1) : undefined,
      kemKeyId: number(7),
      identityKey: bytesField(fields, 3),
      baseKey: bytesField(fields, 2),
      kemCiphertext: bytesField(fields, 8),
    },
    message,
    ratchetKey: bytesField(fieldsOf(message.subarray(1, -macBytes)), 1),
  };
}

function macOf(serialised: Uint8Array, macKey: Uint8Array, { sender, recipient }: MacParties): Buffer {
  return createHmac('sha256', macKey)
    .update(sender)
    .update(recipient)
    .update(serialised)
    .digest()
    .subarray(0, macBytes);
}

function bytesField(fields: ReturnType<typeof fieldsOf>, field: number): Uint8Array {
  const [value] = fields.get(field) ?? [];
  if (!(value instanceof Uint8Array)) throw new Error(`the message has no field ${field}`);
  return value;
}
