/**
 * Rules of one-time keys: what an upload changes, and when a device should upload more.
 *
 * Terminology
 * - spent: handed out from an earlier set of the device. A spent key is never handed out again, also when a delayed or
 *   repeated upload contains it.
 */
import { oneTimeKeysMax } from './keys.ts';

/** A key as it is recognized when it is uploaded again: its id and a hash of its public key. */
export interface KnownKey {
  keyId: number;
  hash: string;
}

/** As many keys as three uploads have: a device deletes the private keys of earlier ones. */
const spentMax = 3 * oneTimeKeysMax;
/** With fewer keys left, a device should upload more. */
export const keysLowBelow = 10;

/** Returns the keys that are not spent, in their order. */
export function unspentOf<K extends KnownKey>(keys: readonly K[], spent: readonly KnownKey[]): K[] {
  const gone = new Set(spent.map(nameOf));
  return keys.filter((key) => !gone.has(nameOf(key)));
}

/**
 * Returns the spent keys of a device once its set is replaced, the latest last.
 *
 * @param uploaded the keys of the upload that made the set
 * @param spent the keys that were spent when the set was made, which it does not contain
 * @param next how many keys of the set were handed out
 */
export function spentAfter({ uploaded, spent }: UploadedKeys, next: number): KnownKey[] {
  return [...spent, ...unspentOf(uploaded, spent).slice(0, next)].slice(-spentMax);
}

/** The keys of an upload in its order, and the keys that were spent before it. */
export interface UploadedKeys {
  uploaded: KnownKey[];
  spent: KnownKey[];
}

/** Returns the ids under which another key is known than the given one. */
export function takenIds(known: readonly KnownKey[], given: readonly KnownKey[]): number[] {
  const hashes = new Map(known.map(({ keyId, hash }) => [keyId, hash]));
  return given.flatMap(({ keyId, hash }) => ((hashes.get(keyId) ?? hash) === hash ? [] : [keyId]));
}

/** Returns whether an upload is a repeat: it has the known keys and no others, in any order. */
export function isRepeat(known: readonly KnownKey[], given: readonly KnownKey[]): boolean {
  const names = new Set(known.map(nameOf));
  return known.length === given.length && given.every((key) => names.has(nameOf(key)));
}

/** Returns whether a hand-out is the first that left few keys, or took the last one: the device is told to upload more. */
export function isRunningOut({ index, left }: { index: number; left: number }): boolean {
  return left === 0 || (left < keysLowBelow && (index === 0 || left === keysLowBelow - 1));
}

function nameOf({ keyId, hash }: KnownKey): string {
  return `${keyId} ${hash}`;
}
