/**
 * Safety numbers: 60 digits that two people compare to know that no server stands between them. They are those of Signal's
 * clients for the same keys and ids (https://signal.org/blog/safety-number-updates; libsignal, NumericFingerprint): each
 * side gives 30 digits, of 5,200 rounds of SHA-512, and the lower 30 come first.
 */
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { utf8 } from '../bytes.ts';

/** Version 0 of the fingerprint, in 2 bytes. */
const version = new Uint8Array(2);
const rounds = 5200;
const groups = 6;
const groupBytes = 5;

/** A person as the safety number knows one. */
export interface NumberedPerson {
  userId: string;
  /** Serialised. */
  identityKey: Uint8Array;
}

/** Returns the safety number of two people, without blanks. Both get the same one, in either order. */
export function safetyNumber(one: NumberedPerson, other: NumberedPerson): string {
  return [digitsOf(one), digitsOf(other)].sort().join('');
}

function digitsOf({ userId, identityKey }: NumberedPerson): string {
  let hash = concatBytes(version, identityKey, utf8(userId));
  for (let round = 0; round < rounds; round += 1) hash = sha512(concatBytes(hash, identityKey));
  return Array.from({ length: groups }, (_, index) => {
    const group = hash.subarray(index * groupBytes, (index + 1) * groupBytes);
    const number = group.reduce((value, byte) => value * 256 + byte, 0);
    return String(number % 100_000).padStart(5, '0');
  }).join('');
}
