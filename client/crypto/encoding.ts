/** Binary forms: numbers are big-endian, fields follow each other without names. */
import { concatBytes } from '@noble/hashes/utils.js';

/** The most that fits into 48 bits: milliseconds since the Unix epoch do until the year 10889. */
const upperUnit = 2 ** 32;

/** Returns a number in 1 byte. */
export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** Returns a number in 2 bytes. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

/** Returns a number in 4 bytes. */
export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Returns a time in milliseconds in 6 bytes. */
export function time(value: number): Uint8Array {
  return concatBytes(u16(Math.floor(value / upperUnit)), u32(value % upperUnit));
}

/** Returns bytes after their length in 4 bytes. */
export function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes(u32(bytes.length), bytes);
}

/** Returns bytes after a byte that says whether they are there. */
export function optional(bytes: Uint8Array | undefined): Uint8Array {
  return bytes === undefined ? u8(0) : concatBytes(u8(1), bytes);
}

/** Reads fields one after the other. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #fail: () => Error;
  #offset = 0;

  /** @param fail makes the error of a field that is not there */
  constructor(bytes: Uint8Array, fail: () => Error) {
    this.#bytes = bytes;
    this.#fail = fail;
  }

  /** Returns the next bytes, as a copy. */
  bytes(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw this.#fail();
    const field = Uint8Array.from(this.#bytes.subarray(this.#offset, end));
    this.#offset = end;
    return field;
  }

  /** Returns a number of 1, 2, 4 or 6 bytes. */
  number(length: 1 | 2 | 4 | 6): number {
    return this.bytes(length).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** Returns what `sized` wrote. */
  sized(): Uint8Array {
    return this.bytes(this.number(4));
  }

  /** Returns what `optional` wrote. */
  optional<T>(read: () => T): T | undefined {
    return this.number(1) === 1 ? read() : undefined;
  }

  /** Returns the bytes that are left. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#offset);
  }

  /** Returns a number of fields of one form. */
  list<T>(count: number, read: () => T): T[] {
    return Array.from({ length: count }, read);
  }
}
