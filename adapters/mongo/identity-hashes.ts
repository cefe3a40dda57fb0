/** The keyed hashes by which user names, numbers, addresses and directory entries are stored and found. */
import { type ContactIdentity, emailKey, usernameKey } from '../../domain/identity.ts';
import { currentNumber, formerNumbers } from '../../domain/renumbered-numbers.ts';
import { skeletonOf } from '../../domain/usernames.ts';
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

/** Returns the ids of the claims of an identity, by every key. */
export function claimIds(identity: ContactIdentity, hashOf: HashOf): string[] {
  return claimGroups(identity, hashOf).flat();
}

/** Returns the claims of an identity: for each what is claimed, by every key, that of the current one first. */
export function claimGroups(identity: ContactIdentity, hashOf: HashOf): string[][] {
  const { username, email, phone, directoryId } = identity;
  const claims: [kind: string, value: string | undefined][] = [
    ['directory', directoryId],
    ['username', username && usernameKey(username)],
    ['lookalike', username && skeletonOf(username)],
    ...(phone ? phonesOf(phone) : []).map((number): [string, string] => ['phone', number]),
    ['email', email && emailKey(email)],
  ];
  return claims.flatMap(([kind, value]) => (value ? [hashOf.all(kind, value).map((hash) => `${kind}:${hash}`)] : []));
}

/** A number as it is today, and as it was. */
export function phonesOf(phone: string): string[] {
  const today = currentNumber(phone);
  return [today, ...formerNumbers(today)];
}
