/** `PUT /auth/password`: a new password, verified by the current one. */
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { epochOf } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import {
  type CredentialChangeDeps,
  type CredentialCheckDeps,
  changeCredential,
  requireCredential,
  wordsOf,
} from '../credentials.ts';
import type { HandlerInput } from '../serve.ts';
import { requireStrongPassword, type StrengthDeps } from '../strength.ts';

type Op = typeof credentialOperations.changePassword;

/**
 * Changes the password. Every other session of the user ends, and the owner is notified.
 *
 * @throws {Failure} malformed, credentials-wrong, rate-limited, password-weak, unavailable
 */
export async function changePassword(
  deps: CredentialCheckDeps & CredentialChangeDeps & StrengthDeps,
  { holder: { userId, sessionId }, body: { currentPassword, newPassword }, caller }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  // read before the comparison: a password that is replaced after it proves nothing
  const account = await deps.accounts.read(userId);
  await requireCredential(deps, { userId, kind: 'password', secret: currentPassword }, caller);
  if (account === undefined) throw new Failure('not-found');
  await requireStrongPassword(deps, newPassword, wordsOf(account));
  const change = { userId, kind: 'password', why: 'change', secret: newPassword, sessionId } as const;
  await changeCredential(deps, { ...change, epoch: epochOf(account) });
  return { status: 204 };
}
