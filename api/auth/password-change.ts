/** `PUT /auth/password`: a new password for who knows the one before. */
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { changeCredential, requireCredential, wordsOf } from '../credentials.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { requireStrongPassword } from '../strength.ts';

type Op = typeof credentialOperations.changePassword;

/**
 * Changes the password. Every other session of the person ends, and the owner is told.
 *
 * @throws {Failure} malformed, credentials-wrong, rate-limited, password-weak, unavailable
 */
export async function changePassword(
  deps: ApiDeps,
  { holder: { userId, sessionId }, body: { currentPassword, newPassword }, caller }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  await requireCredential(deps, { userId, kind: 'password', secret: currentPassword }, caller);
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  await requireStrongPassword(deps, newPassword, wordsOf(account));
  await changeCredential(deps, { userId, kind: 'password', why: 'change', secret: newPassword, sessionId });
  return { status: 204 };
}
