/**
 * The one-time keys that take the place of those that a device has, whether it uploads them or the identity key of its
 * account is replaced. A key that was handed out stays known: it is never handed out again.
 */
import { type KeySetHeader, knownKey, type OneTimeKind, oneTimeKinds } from '../../adapters/mongo/prekeys.ts';
import type { KeySet, OneTimeKey, SignedKey, StoredDevice } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { type KnownKey, spentAfter, takenIds } from '../../domain/one-time-keys.ts';
import type { ApiDeps } from '../deps.ts';

type Deps = Pick<ApiDeps, 'preKeys'>;

/** The headers of the sets that a device has. */
export type Headers = Partial<Record<OneTimeKind, KeySetHeader>>;

/** Lists of one-time keys. */
export type KeyLists = { [K in OneTimeKind]?: readonly OneTimeKey[] | undefined };

/** The keys of lists, as they are recognized. */
export type KnownLists = Record<OneTimeKind, KnownKey[] | undefined>;

/** A device and the headers of its sets. */
export interface KeysOfDevice {
  device: StoredDevice;
  headers: Headers;
}

/** Returns what recognizes the keys of lists. */
export function knownLists({ preKeys, pqPreKeys }: KeyLists): KnownLists {
  return { preKeys: preKeys?.map(knownKey), pqPreKeys: pqPreKeys?.map(knownKey) };
}

/** Reads the headers of the sets of a device; one that was just replaced may be missing. */
export async function readHeaders({ preKeys }: Deps, device: StoredDevice): Promise<Headers> {
  const found = await Promise.all(
    oneTimeKinds.map(async (kind) => {
      const set = device[kind];
      return [kind, set && (await preKeys.header(set.setId))] as const;
    }),
  );
  return Object.fromEntries(found.filter(([, header]) => header !== undefined));
}

/**
 * Returns the ids under which a device has another key than the given one.
 *
 * @param signed the signed keys that are given
 * @param lists the one-time keys that are given
 */
export function takenKeyIds(
  { device, headers }: KeysOfDevice,
  signed: { signedPreKey?: SignedKey | undefined; pqLastResortPreKey?: SignedKey | undefined },
  lists: KnownLists,
): number[] {
  return [
    ...(['signedPreKey', 'pqLastResortPreKey'] as const).flatMap((kind) => {
      const given = signed[kind];
      return given === undefined ? [] : takenIds([knownKey(device[kind])], [knownKey(given)]);
    }),
    ...oneTimeKinds.flatMap((kind) => takenIds(headers[kind]?.uploaded ?? [], lists[kind] ?? [])),
  ];
}

/** @throws {Failure} key-id-taken, if there is one */
export function requireNoneTaken(keyIds: readonly number[]): void {
  if (keyIds.length > 0) throw new Failure('key-id-taken', { fields: { keyIds: [...new Set(keyIds)] } });
}

/**
 * Stores the lists that are given, without the keys that were handed out before, and returns their sets. They count once
 * the device refers to them.
 */
export async function storeInPlace(
  { preKeys }: Deps,
  { userId, device, headers }: KeysOfDevice & { userId: string },
  lists: KeyLists,
): Promise<{ [K in OneTimeKind]?: KeySet }> {
  const kinds = oneTimeKinds.filter((kind) => lists[kind] !== undefined);
  const stored = await Promise.all(
    kinds.map(async (kind) => {
      const header = headers[kind];
      const spent = header === undefined ? [] : spentAfter(header, device[kind]?.next ?? 0);
      return [kind, await preKeys.store(userId, kind, lists[kind] ?? [], { spent })] as const;
    }),
  );
  return Object.fromEntries(stored);
}
