/** `POST /auth/login/verify` and `/auth/verify`: the code of a log-in or a registration. */
import type { sessionOperations } from '../contract/auth.ts';
import type { AnswerOf } from '../contract/operation.ts';
import { type LogInVerifyDeps, verifyLogIn } from './auth/log-in.ts';
import { requireRegistration } from './authenticate.ts';
import { malformed } from './parse.ts';
import { type RegistrationVerifyDeps, verifyRegistration } from './registrations/register.ts';
import type { HandlerInput } from './serve.ts';

type Op = typeof sessionOperations.verify;

/**
 * Verifies the code of a log-in, or of a registration by its token.
 *
 * @throws {Failure} malformed, and as `verifyLogIn`, `requireRegistration` and `verifyRegistration`
 */
export async function verify(
  deps: LogInVerifyDeps & RegistrationVerifyDeps,
  { body: { loginId, registrationId, device, ...proof }, caller, once, authorization }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  if (loginId !== undefined && registrationId === undefined) {
    return { status: 200, body: await verifyLogIn(deps, { loginId, device, ...proof }, caller, once) };
  }
  if (registrationId === undefined) throw malformed('loginId', 'is required');
  if (loginId !== undefined) throw malformed('registrationId', 'must not be combined with loginId');
  if (proof.pin !== undefined || proof.password !== undefined) {
    throw malformed('pin', 'is only for a log-in; use the approval of the registration');
  }
  if (device !== undefined) throw malformed('device', 'is only for a log-in; use the step device of the registration');
  const { status } = await requireRegistration(deps, registrationId, authorization);
  const registration = { ...caller, registrationId, status };
  return { status: 200, body: await verifyRegistration(deps, registration, proof.code, once) };
}
