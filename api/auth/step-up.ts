/** `POST /auth/step-up`: the user of a session authenticates again (RFC 9470). */
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { type CredentialCheckDeps, requireCredential } from '../credentials.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof credentialOperations.stepUp;

/**
 * Records a recent authentication of the session, valid for `STEP_UP_SECONDS`.
 *
 * @throws {Failure} credentials-wrong, rate-limited
 */
export async function stepUp(
  deps: CredentialCheckDeps & Pick<ApiDeps, 'sessions'>,
  { holder: { userId, sessionId }, body: { password, pin }, caller }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const proof =
    pin === undefined ? { kind: 'password' as const, secret: password ?? '' } : { kind: 'pin' as const, secret: pin };
  await requireCredential(deps, { userId, ...proof }, caller);
  await deps.sessions.confirm(sessionId);
  return { status: 204 };
}
