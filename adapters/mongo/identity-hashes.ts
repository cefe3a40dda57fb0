/** The keyed hashes by which user names, numbers, addresses and directory entries are stored and found. */
import { keyedHash } from '../../platform/crypto.ts';

/** Hashes a value by the current key; `all` by every key, the current one first. */
export interface HashOf {
  (kind: string, value: string): string;
  all(kind: string, value: string): string[];
}

/** Returns the hashes with some keys. The first is the current one. */
export function hashesWith(keys: readonly [Buffer, ...Buffer[]]): HashOf {
  return Object.assign((kind: string, value: string) => keyedHash(keys[0], kind, value), {
    all: (kind: string, value: string) => keys.map((key) => keyedHash(key, kind, value)),
  });
}
