/** `/auth/pin`: a PIN, set by who knows the one before or, for the first one, the password. */
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf, BodyOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { changeCredential, type Proof, requireCredential } from '../credentials.ts';
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
  deps: ApiDeps,
  { holder: { userId, sessionId }, body, caller }: HandlerInput<Change>,
): Promise<AnswerOf<Change>> {
  requireStrongPin(body.pin);
  await requireCredential(deps, await proofIn(deps, userId, body), caller);
  await changeCredential(deps, { userId, kind: 'pin', why: 'change', secret: body.pin, sessionId });
  return { status: 204 };
}

/** Verifies a PIN. After ten wrong ones in a day not even the right one is accepted. @throws {Failure} credentials-wrong, rate-limited */
export async function verifyPin(
  deps: ApiDeps,
  { holder: { userId }, body: { pin }, caller }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  await requireCredential(deps, { userId, kind: 'pin', secret: pin }, caller);
  return { status: 204 };
}

/** What the account can be proven by: its PIN, or the password while there is none. */
async function proofIn(deps: ApiDeps, userId: string, { currentPin, currentPassword }: BodyOf<Change>): Promise<Proof> {
  const secrets = await deps.accounts.readSecrets(userId);
  if (secrets?.pin !== undefined) {
    if (currentPin === undefined) throw malformed('currentPin', 'is needed');
    return { userId, kind: 'pin', secret: currentPin };
  }
  if (secrets?.password === undefined) {
    throw new Failure('step-not-available', {
      message: 'There is no PIN and no password to prove: reset the PIN by a code',
    });
  }
  if (currentPassword === undefined) throw malformed('currentPassword', 'is needed');
  return { userId, kind: 'password', secret: currentPassword };
}
