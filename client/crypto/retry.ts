/**
 * The request to send messages again, the text of a message of type `retry`. It is encrypted as every text; its label keeps
 * a server that changes the type of a message from making a request of it.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { utf8 } from '../bytes.ts';
import { Reader, u8 } from './encoding.ts';
import { undecryptable } from './failures.ts';

const label = utf8('vyry retry v1');
const idsMax = 255;

/** Returns the text that asks for some messages by their ids. */
export function encodeRetry(messageIds: readonly string[]): Uint8Array {
  const ids = messageIds.slice(-idsMax).map(utf8);
  return concatBytes(label, u8(ids.length), ...ids.flatMap((id) => [u8(id.length), id]));
}

/**
 * Reads what `encodeRetry` wrote.
 *
 * @throws {VyryError} UNDECRYPTABLE: malformed
 */
export function decodeRetry(plain: Uint8Array): string[] {
  const reader = new Reader(plain, () => undecryptable('malformed'));
  const found = reader.bytes(label.length);
  if (!found.every((byte, index) => byte === label[index])) throw undecryptable('malformed');
  return reader.list(reader.number(1), () => new TextDecoder().decode(reader.bytes(reader.number(1))));
}
