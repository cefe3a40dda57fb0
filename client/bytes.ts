/** Text forms of bytes. `btoa` and `atob` exist in every runtime that the client supports. */
import { bytesOf } from '../contract/key-rules.ts';

/** Returns base64 with padding (RFC 4648 section 4), the form of all bytes in JSON. */
export function toBase64(bytes: Uint8Array): string {
  let characters = '';
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/**
 * Reads base64 with padding.
 *
 * @throws {Error} the text is not the base64 that `toBase64` returns
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(text);
  if (bytes === undefined) throw new Error('not base64');
  return bytes;
}

/** Returns base64url without padding (RFC 4648 section 5), the form of bytes in addresses. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Returns the UTF-8 of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
