/**
 * Which identity key is whose: trust on first use. The first key of a person is trusted; another one later is reported and,
 * if the first was verified by its safety number, waits for the user before anything is sent to it.
 */
import { fromBase64, toBase64 } from '../bytes.ts';
import { VyryError } from '../errors.ts';
import type { ClientState, StoredIdentity } from '../store.ts';
import type { KeyPair } from './curve.ts';
import { undecryptable } from './failures.ts';

/** Earlier keys of a person that are remembered. */
const replacedMax = 20;

/** Returns the identity key pair of this account. @throws {VyryError} NO_KEYS */
export function ownIdentity({ identity }: ClientState): KeyPair {
  if (identity === undefined) throw new VyryError('NO_KEYS', 'This device has no identity key');
  return { publicKey: fromBase64(identity.publicKey), privateKey: fromBase64(identity.privateKey) };
}

/** Returns the identity key of a person, in base64, as far as this device knows it. */
export function identityOf(state: ClientState, userId: string): string | undefined {
  return userId === state.userId ? state.identity?.publicKey : recordOf(state, userId)?.publicKey;
}

/** Returns what this device knows of a person's identity. */
export function recordOf({ identities }: ClientState, userId: string): StoredIdentity | undefined {
  return identities.find((one) => one.userId === userId);
}

/**
 * Checks the identity key of a message before it is decrypted. A new key is accepted, because a person may have a new
 * device; a key that was replaced is not, because a stolen one must not come to life again.
 *
 * @throws {VyryError} UNDECRYPTABLE: key-replaced
 */
export function checkSender(state: ClientState, userId: string, publicKey: Uint8Array): void {
  const key = toBase64(publicKey);
  if (userId === state.userId && key !== state.identity?.publicKey) throw undecryptable('key-replaced');
  if (recordOf(state, userId)?.replaced.includes(key)) throw undecryptable('key-replaced');
}

/**
 * Checks the identity key that the directory answered for a recipient.
 *
 * @throws {VyryError} IDENTITY_CHANGED: another one was verified, or it is said to be that of this account
 */
export function checkRecipient(state: ClientState, userId: string, publicKey: Uint8Array): void {
  const known = identityOf(state, userId);
  const isBinding = userId === state.userId || recordOf(state, userId)?.isVerified;
  if (isBinding && known !== toBase64(publicKey))
    throw new VyryError('IDENTITY_CHANGED', 'The person has another identity key', { fields: { userId } });
}

/** Keeps the identity key of a person, and returns whether it is another one than before. */
export function keepIdentity(state: ClientState, userId: string, publicKey: Uint8Array): boolean {
  if (userId === state.userId) return false;
  const key = toBase64(publicKey);
  const record = recordOf(state, userId);
  if (record?.publicKey === key) return false;
  const replaced = record ? [...record.replaced, record.publicKey].filter((one) => one !== key) : [];
  state.identities = [
    ...state.identities.filter((one) => one !== record),
    { userId, publicKey: key, isVerified: false, replaced: replaced.slice(-replacedMax) },
  ];
  return record !== undefined;
}

/**
 * Records that a person has compared the safety number that was shown for a key, in base64. The key is the one of the
 * comparison: if another one came meanwhile, nothing is verified.
 *
 * @throws {VyryError} IDENTITY_CHANGED
 */
export function verifyIdentity(state: ClientState, userId: string, publicKey: string): void {
  const record = recordOf(state, userId);
  if (record?.publicKey !== publicKey)
    throw new VyryError('IDENTITY_CHANGED', 'The person has another identity key', { fields: { userId } });
  record.isVerified = true;
}

/** Records that the user accepts whatever identity key a person has; the next bundle decides. */
export function acceptIdentityChange(state: ClientState, userId: string): void {
  const record = recordOf(state, userId);
  if (record) record.isVerified = false;
}
