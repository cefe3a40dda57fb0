/** `/auth/pin`: a PIN, verified by the current one or, for the first PIN, by the password. */
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf, BodyOf } from '../../contract/operation.ts';
import { epochOf } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import {
  type CredentialChangeDeps,
  type CredentialCheckDeps,
  changeCredential,
  type Proof,
  requireCredential,
} from '../credentials.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { requireStrongPin } from '../strength.ts';

type Change = typeof credentialOperations.changePin;
type Verify = typeof credentialOperations.verifyPin;

/**
 * Sets or changes the PIN. Every other session of the user ends, and the owner is notified.
 *
 * @throws {Failure} malformed, password-weak, credentials-wrong, rate-limited, step-not-available, unavailable
 */
export async function changePin(
  deps: CredentialCheckDeps & CredentialChangeDeps,
  { holder: { userId, sessionId }, body, caller }: HandlerInput<Change>,
): Promise<AnswerOf<Change>> {
  requireStrongPin(body.pin);
  // read before the comparison: a secret that is replaced after it proves nothing
  const epoch = epochOf((await deps.accounts.read(userId)) ?? {});
  await requireCredential(deps, await proofIn(deps, userId, body), caller);
  await changeCredential(deps, { userId, kind: 'pin', why: 'change', secret: body.pin, sessionId, epoch });
  return { status: 204 };
}

/**
 * Verifies a PIN. After ten wrong PINs in a day, even the correct one is refused.
 *
 * @throws {Failure} credentials-wrong, rate-limited
 */
export async function verifyPin(
  deps: CredentialCheckDeps,
  { holder: { userId }, body: { pin }, caller }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  await requireCredential(deps, { userId, kind: 'pin', secret: pin }, caller);
  return { status: 204 };
}

/** Returns the required proof: the PIN or, while there is none, the password. */
async function proofIn(
  { accounts }: Pick<ApiDeps, 'accounts'>,
  userId: string,
  { currentPin, currentPassword }: BodyOf<Change>,
): Promise<Proof> {
  const secrets = await accounts.readSecrets(userId);
  if (secrets?.pin !== undefined) {
    if (currentPin === undefined) throw malformed('currentPin', 'is required');
    return { userId, kind: 'pin', secret: currentPin };
  }
  if (secrets?.password === undefined) {
    throw new Failure('step-not-available', {
      message: 'The account has no PIN and no password; reset the PIN by a code',
    });
  }
  if (currentPassword === undefined) throw malformed('currentPassword', 'is required');
  return { userId, kind: 'password', secret: currentPassword };
}
