/**
 * What is encrypted: the content of an application, or something that clients tell each other. The kind is inside, where the
 * server cannot change it. docs/client.md has the bytes.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { utf8 } from './bytes.ts';
import { Reader, u8, u16 } from './crypto/encoding.ts';
import { undecryptable } from './crypto/failures.ts';
import { decodeRetry } from './crypto/retry.ts';
import type { RotatedKeys } from './store.ts';

/** What the text of a message says. */
export type Envelope =
  | { kind: 'content'; content: Uint8Array }
  /** The other device could not decrypt these messages. */
  | { kind: 'retry'; messageIds: string[] }
  /** The text of a message that could not be decrypted, again. */
  | { kind: 'resend'; messageId: string; timestamp: string; plain: Uint8Array }
  /** A message that another device of this account has sent to a person. */
  | { kind: 'copy'; userId: string; messageId?: string; content: Uint8Array }
  /** The keys of other devices of this account under a new identity key. */
  | { kind: 'rotation'; keys: RotatedKeys[] }
  | { kind: 'receipt'; receipt: 'delivered' | 'read'; messageIds: string[] };

/** The first byte of a text. A request to send again has the label of its own form, which begins with `v`. */
const kindBytes = { content: 0, resend: 1, copy: 2, rotation: 3, receipt: 4 } as const;
const retryByte = 'v'.charCodeAt(0);

/** Returns the text of an application's content. */
export function encodeContent(content: Uint8Array): Uint8Array {
  return concatBytes(u8(kindBytes.content), content);
}

/** Returns the text that repeats another one. */
export function encodeResend({ messageId, timestamp }: { messageId: string; timestamp: string }, plain: Uint8Array) {
  return encode(kindBytes.resend, { messageId, timestamp }, plain);
}

/** Returns the text by which the other devices of the account learn of a message. */
export function encodeCopy(to: { userId: string; messageId?: string }, content: Uint8Array): Uint8Array {
  return encode(kindBytes.copy, to, content);
}

/** Returns the text that gives other devices of the account their keys. */
export function encodeRotation(keys: readonly RotatedKeys[]): Uint8Array {
  return encode(kindBytes.rotation, { keys });
}

/** Returns the text of a receipt. */
export function encodeReceipt(receipt: 'delivered' | 'read', messageIds: readonly string[]): Uint8Array {
  return encode(kindBytes.receipt, { receipt, messageIds });
}

/** The kind, the length of the header in two bytes, the header as JSON, and what follows it. */
function encode(kind: number, header: object, rest: Uint8Array = new Uint8Array()): Uint8Array {
  const json = utf8(JSON.stringify(header));
  return concatBytes(u8(kind), u16(json.length), json, rest);
}

/** Reads a text. @throws {VyryError} UNDECRYPTABLE: malformed */
export function decodeEnvelope(plain: Uint8Array): Envelope {
  const kind = plain[0];
  if (kind === kindBytes.content) return { kind: 'content', content: plain.slice(1) };
  if (kind === retryByte) return { kind: 'retry', messageIds: decodeRetry(plain) };
  const { header, rest } = decodeHeader(plain);
  const text = (name: string) => textIn(header[name]);
  switch (kind) {
    case kindBytes.resend:
      return { kind: 'resend', messageId: text('messageId'), timestamp: text('timestamp'), plain: rest };
    case kindBytes.copy: {
      const messageId = header.messageId === undefined ? {} : { messageId: text('messageId') };
      return { kind: 'copy', userId: text('userId'), ...messageId, content: rest };
    }
    case kindBytes.rotation:
      return { kind: 'rotation', keys: listIn(header.keys).map(rotatedKeysIn) };
    case kindBytes.receipt: {
      const receipt = text('receipt');
      if (receipt !== 'delivered' && receipt !== 'read') throw undecryptable('malformed');
      return { kind: 'receipt', receipt, messageIds: listIn(header.messageIds).map(textIn) };
    }
    default:
      throw undecryptable('malformed');
  }
}

function decodeHeader(plain: Uint8Array): { header: Record<string, unknown>; rest: Uint8Array } {
  const reader = new Reader(plain, () => undecryptable('malformed'));
  reader.bytes(1);
  const length = reader.number(2);
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(reader.bytes(length)));
    return { header: recordIn(header), rest: plain.slice(3 + length) };
  } catch {
    throw undecryptable('malformed');
  }
}

function textIn(value: unknown): string {
  if (typeof value !== 'string') throw undecryptable('malformed');
  return value;
}

function listIn(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw undecryptable('malformed');
  return value;
}

function recordIn(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw undecryptable('malformed');
  return value as Record<string, unknown>;
}

/** Whether the keys are pairs is checked where they are kept. */
function rotatedKeysIn(value: unknown): RotatedKeys {
  const { deviceId, identity, signedPreKey, pqLastResortPreKey } = recordIn(value);
  const { publicKey, privateKey } = recordIn(identity);
  const keyIn = (key: unknown) => {
    const { keyId, secret, createdAt } = recordIn(key);
    if (typeof keyId !== 'number' || typeof createdAt !== 'number') throw undecryptable('malformed');
    return { keyId, secret: textIn(secret), createdAt };
  };
  return {
    deviceId: textIn(deviceId),
    identity: { publicKey: textIn(publicKey), privateKey: textIn(privateKey) },
    signedPreKey: keyIn(signedPreKey),
    pqLastResortPreKey: keyIn(pqLastResortPreKey),
  };
}
