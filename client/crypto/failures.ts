/** Why the encryption refuses something. The texts are fixed: no key, text or secret reaches an error. */
import { VyryError } from '../errors.ts';

const reasons = {
  malformed: 'It is not what the protocol says',
  'no-session': 'No session opens it',
  'unknown-key': 'It was made with a key that this device does not have',
  'key-used': 'The handshake was used before',
  'key-replaced': 'The identity key of its sender was replaced',
  repeated: 'It was opened before, or is too old',
  'too-far': 'Too many messages before it are missing',
  changed: 'It was changed, or made for another device',
} as const;

/** Why a message cannot be decrypted. */
export type UndecryptableReason = keyof typeof reasons;

/** Returns the error of a message that cannot be decrypted; `fields.reason` says why. */
export function undecryptable(reason: UndecryptableReason): VyryError {
  return new VyryError('UNDECRYPTABLE', `The message cannot be decrypted. ${reasons[reason]}`, { fields: { reason } });
}

/** Returns the error of a key bundle that must not be used. */
export function badBundle(problem: string): VyryError {
  return new VyryError('BUNDLE_INVALID', `The keys of the other device cannot be used: ${problem}`);
}

/** Returns the reason of an error of `undecryptable`, or undefined for another error. */
export function reasonOf(err: unknown): UndecryptableReason | undefined {
  if (!(err instanceof VyryError) || err.code !== 'UNDECRYPTABLE') return undefined;
  return err.fields.reason as UndecryptableReason;
}
