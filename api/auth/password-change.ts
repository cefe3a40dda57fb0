/** `PUT /auth/password`: a new password for who knows the one before. */
import { z } from 'zod';
import type { Session } from '../../adapters/redis/sessions.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { parse, secretText } from '../schemas.ts';
import { requireStrongPassword } from '../strength.ts';
import { changeCredential, requireCredential, wordsOf } from './credentials.ts';

/** The password before, and the new one. */
export const PasswordChange = z.strictObject({
  currentPassword: secretText(1, 1024),
  newPassword: secretText(8, 128),
});

/**
 * Changes the password. Every other session of the person ends, and the owner is told.
 *
 * @throws {Failure} malformed, credentials-wrong, rate-limited, password-weak, unavailable
 */
export async function changePassword(
  deps: ApiDeps,
  { userId, sessionId }: Session,
  body: unknown,
  caller: Caller,
): Promise<void> {
  const { currentPassword, newPassword } = parse(PasswordChange, body);
  await requireCredential(deps, { userId, kind: 'password', secret: currentPassword }, caller);
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  await requireStrongPassword(deps, newPassword, wordsOf(account));
  await changeCredential(deps, { userId, kind: 'password', why: 'change', secret: newPassword, sessionId });
}
