/**
 * Padding hides the length of a text up to 160 bytes: the byte 80, then zeros, to the next multiple of 160 (the padding
 * of ISO/IEC 7816-4, method 2 of ISO/IEC 9797-1).
 */
import { undecryptable } from './failures.ts';

const blockBytes = 160;
const marker = 0x80;

/** Returns a text with its padding, which has at least one byte. */
export function pad(plain: Uint8Array): Uint8Array {
  const padded = new Uint8Array((Math.floor(plain.length / blockBytes) + 1) * blockBytes);
  padded.set(plain);
  padded[plain.length] = marker;
  return padded;
}

/**
 * Removes the padding. Only text whose tag has verified reaches it, so what it refuses tells nothing to others.
 *
 * @throws {VyryError} UNDECRYPTABLE: the padding is not what `pad` writes
 */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length % blockBytes !== 0) throw undecryptable('malformed');
  let length = padded.length - 1;
  while (length >= 0 && padded[length] === 0) length -= 1;
  if (padded[length] !== marker) throw undecryptable('malformed');
  if (padded.length - length > blockBytes) throw undecryptable('malformed');
  return padded.slice(0, length);
}
