/** Passwords and PINs: how one is verified, and how a new one takes effect. */
import { executeSingleton } from '../adapters/temporal/client-calls.ts';
import type { Account, CredentialKind } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import { credentialChangeWorkflowId } from '../domain/workflow-ids.ts';
import { newId } from '../platform/crypto.ts';
import { type CredentialChangeInput, credentialChange } from '../workflows/credential-change.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { accountKeyOf, type LimitDeps, orRefund } from './limits/counting.ts';
import { limitPassword, limitPin } from './limits/log-ins.ts';

/** The dependencies of verifying a credential. */
export type CredentialCheckDeps = LimitDeps & Pick<ApiDeps, 'accounts' | 'passwords'>;
/** The dependencies of changing a credential. */
export type CredentialChangeDeps = Pick<ApiDeps, 'temporal' | 'passwords' | 'oneTimeSecrets'>;

/** A secret that proves the identity of a user. */
export interface Proof {
  userId: string;
  kind: CredentialKind;
  secret: string;
}

/** Longest wait for a change; after that it continues automatically. */
const waitMs = 15_000;

/**
 * Compares a secret with that of the account. It is counted as wrong before the comparison, by user and by source, and
 * refunded if it was correct, so that parallel guesses never exceed the limits. An account without a secret takes the
 * same time.
 *
 * @throws {Failure} credentials-wrong, rate-limited
 */
export async function requireCredential(
  deps: CredentialCheckDeps,
  { userId, kind, secret }: Proof,
  caller: Caller,
): Promise<void> {
  const limit = kind === 'pin' ? limitPin : limitPassword;
  const consumed = await limit(deps, caller, accountKeyOf(deps, userId));
  const isRight = await orRefund(consumed, async () => {
    const stored = (await deps.accounts.readSecrets(userId))?.[kind];
    const isOwn = await deps.passwords.verify(stored ?? (await deps.passwords.dummyHash()), secret);
    if (isOwn && stored !== undefined) await renewHash(deps, { userId, kind, secret }, stored);
    return isOwn;
  });
  deps.events.credentialChecked({ userId, kind, isRight });
  if (!isRight) {
    await consumed.settle();
    const message = kind === 'pin' ? 'The PIN is wrong' : 'The password is wrong';
    throw new Failure('credentials-wrong', { message });
  }
  await consumed.refund();
}

/** Hashes a secret anew with the current pepper, after a rotation of keys. The account stays in its epoch. */
export async function renewHash(
  { accounts, passwords }: Pick<ApiDeps, 'accounts' | 'passwords'>,
  { userId, kind, secret }: Proof,
  stored: string,
): Promise<void> {
  if (passwords.isCurrent(stored)) return;
  await accounts.replaceHash(userId, kind, { before: stored, after: await passwords.hash(secret) });
}

/** A new secret of a user. */
export interface NewCredential extends Pick<CredentialChangeInput, 'userId' | 'kind' | 'why' | 'sessionId' | 'epoch'> {
  secret: string;
  /** The same for every attempt of one change, if the change may be made only once. */
  changeId?: string;
}

/**
 * Hashes a new secret and changes it: the other sessions of the user end and the owner is notified, even after a crash.
 * Only the encrypted hash leaves this process.
 *
 * @throws {Failure} unavailable: the change continues automatically, or nothing was changed; credentials-wrong, code-expired
 *   for a PIN reset or token-invalid for a password reset: the account has left the epoch of the proof
 */
export async function changeCredential(
  deps: CredentialChangeDeps,
  { secret, changeId = newId(), ...change }: NewCredential,
): Promise<void> {
  const hashRef = await deps.oneTimeSecrets.put(await deps.passwords.hash(secret));
  const { isOutdated = false } = await executeSingleton(deps, credentialChange, {
    workflowId: credentialChangeWorkflowId(changeId),
    workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
    args: [{ ...change, changeId, hashRef }],
    staticSummary: `${change.why === 'reset' ? 'Reset' : 'Change'} of a ${change.kind === 'pin' ? 'PIN' : 'password'}`,
    typedSearchAttributes: userAttributesOf(change.userId),
    waitMs,
  });
  await deps.oneTimeSecrets.remove(hashRef);
  if (isOutdated) throw outdatedProof(change);
}

/** The failure for a proof that was begun before another change: a secret, a code or the token of a message. */
function outdatedProof({ kind, why }: Pick<NewCredential, 'kind' | 'why'>): Failure {
  const message = 'The account has changed at the same time; try again';
  if (why === 'change') return new Failure('credentials-wrong', { message });
  return kind === 'pin' ? new Failure('code-expired', { message }) : new Failure('token-invalid');
}

/** Words of the user that a password must not consist of. */
export function wordsOf({ username, fullName, email, phone }: Account): string[] {
  return [username, fullName, email, phone].flatMap((word) => word ?? []);
}
