/** The signatures of the keys that a device sends. */
import type { PqPreKey, SignedPreKey } from '../contract/keys.ts';
import { Failure } from '../domain/failures.ts';
import { verifySignatures } from './signatures.ts';

/** The signed keys in a request; all of them by the identity key of the account. */
export interface GivenKeys {
  signedPreKey?: SignedPreKey | undefined;
  pqLastResortPreKey?: PqPreKey | undefined;
  pqPreKeys?: readonly PqPreKey[] | undefined;
}

/** Details of a refusal; more would only repeat the input. */
const detailsMax = 20;

/**
 * Requires that an identity key signed every key.
 *
 * @param given the keys, by the place in the body that has them; empty for the body itself
 * @throws {Failure} malformed, with the path of each signature that is not one of the identity key
 */
export async function requireSignatures(
  identityKey: string,
  given: readonly { path: string; keys: GivenKeys }[],
): Promise<void> {
  const signed = given.flatMap(({ path, keys }) =>
    signedIn(keys).map(([name, { publicKey, signature }]) => ({
      path: [path, name, 'signature'].filter(Boolean).join('.'),
      publicKey: Buffer.from(publicKey, 'base64'),
      signature: Buffer.from(signature, 'base64'),
    })),
  );
  const failed = await verifySignatures(Buffer.from(identityKey, 'base64'), signed);
  if (failed.length === 0) return;
  const message = 'must be a signature of the public key by the identity key';
  throw new Failure('malformed', { details: failed.slice(0, detailsMax).map((path) => ({ path, message })) });
}

function signedIn({ signedPreKey, pqLastResortPreKey, pqPreKeys = [] }: GivenKeys): [string, SignedPreKey][] {
  const named: [string, SignedPreKey | undefined][] = [
    ['signedPreKey', signedPreKey],
    ['pqLastResortPreKey', pqLastResortPreKey],
    ...pqPreKeys.map((key, index): [string, PqPreKey] => [`pqPreKeys.${index}`, key]),
  ];
  return named.filter((entry): entry is [string, SignedPreKey] => entry[1] !== undefined);
}
