/** `POST /auth/login/verify` and `/auth/verify`: a code, and the log-in or registration that it belongs to. */
import type { sessionOperations } from '../contract/auth.ts';
import type { AnswerOf } from '../contract/operation.ts';
import { verifyLogIn } from './auth/log-in.ts';
import { requireRegistration } from './authenticate.ts';
import type { ApiDeps } from './deps.ts';
import { malformed } from './parse.ts';
import { verifyRegistration } from './registrations/register.ts';
import type { HandlerInput } from './serve.ts';

type Op = typeof sessionOperations.verify;

/**
 * Verifies the code of a log-in, or of a registration whose token the caller has.
 *
 * @throws {Failure} malformed, and as `verifyLogIn`, `requireRegistration` and `verifyRegistration`
 */
export async function verify(
  deps: ApiDeps,
  { body: { loginId, registrationId, code }, caller, minted, authorization }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  if (loginId !== undefined && registrationId === undefined) {
    return { status: 200, body: await verifyLogIn(deps, { loginId, code }, caller, minted) };
  }
  if (registrationId === undefined) throw malformed('loginId', 'is needed');
  if (loginId !== undefined) throw malformed('registrationId', 'is not possible beside loginId');
  const { status } = await requireRegistration(deps, registrationId, authorization);
  const registration = { ...caller, registrationId, status };
  return { status: 200, body: await verifyRegistration(deps, registration, code, minted) };
}
