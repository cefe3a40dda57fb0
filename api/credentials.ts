/** What changes of passwords and PINs have in common: how one is proven, and how a new one takes effect. */
import type { Account } from '../adapters/mongo/accounts.ts';
import { executeSingleton } from '../adapters/temporal/client-calls.ts';
import { type CredentialKind, credentialChangeWorkflowId } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import { newId } from '../platform/crypto.ts';
import { type CredentialChangeInput, credentialChange } from '../workflows/credential-change.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { limitPassword, limitPin } from './limits.ts';

/** A secret that somebody gives as proof. */
export interface Proof {
  userId: string;
  kind: CredentialKind;
  secret: string;
}

/** Longest wait for a change that goes on by itself. */
const waitMs = 15_000;

/**
 * Compares a secret with that of the account. Counted as wrong before it is compared, by person and by source, and given
 * back when it was right: parallel guesses never exceed the limits. An account without one costs the same hash.
 *
 * @throws {Failure} credentials-wrong, rate-limited
 */
export async function requireCredential(deps: ApiDeps, { userId, kind, secret }: Proof, caller: Caller): Promise<void> {
  const count = kind === 'pin' ? limitPin : limitPassword;
  const consumed = await count(deps, caller, deps.limitHash('name', `user ${userId}`), newId());
  const stored = (await deps.accounts.readSecrets(userId))?.[kind];
  const isRight = await deps.passwords.verify(stored ?? (await deps.passwords.dummyHash()), secret);
  deps.events.credentialChecked({ userId, kind, isRight });
  if (!isRight) {
    const message = kind === 'pin' ? 'The PIN is wrong' : 'The password is wrong';
    throw new Failure('credentials-wrong', { message });
  }
  await consumed.refund();
}

/** A new secret and whose. */
export interface NewCredential extends Pick<CredentialChangeInput, 'userId' | 'kind' | 'why' | 'sessionId'> {
  secret: string;
  /** The same for every try of one change, when it may be made once. */
  changeId?: string;
}

/**
 * Hashes a new secret and has it take effect: the others of the person's sessions end and the owner is told, whatever
 * crashes on the way. Only the sealed hash leaves this process.
 *
 * @throws {Failure} unavailable: it goes on by itself, or nothing was changed
 */
export async function changeCredential(
  deps: Pick<ApiDeps, 'temporal' | 'passwords' | 'oneTimeSecrets'>,
  { secret, changeId = newId(), ...change }: NewCredential,
): Promise<void> {
  const hashRef = await deps.oneTimeSecrets.put(await deps.passwords.hash(secret));
  await executeSingleton(deps, credentialChange, {
    workflowId: credentialChangeWorkflowId(changeId),
    workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
    args: [{ ...change, changeId, hashRef }],
    staticSummary: `${change.why === 'reset' ? 'Reset' : 'Change'} of a ${change.kind === 'pin' ? 'PIN' : 'password'}`,
    typedSearchAttributes: userAttributesOf(change.userId),
    waitMs,
  });
  await deps.oneTimeSecrets.remove(hashRef);
}

/** The person's own words, which a password must not be made of. */
export function wordsOf({ username, fullName, email }: Account): string[] {
  return [username, fullName, email].flatMap((word) => word ?? []);
}
