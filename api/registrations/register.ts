/** `POST /auth/register`, and the code of a registration at `POST /auth/verify`: the short form of a registration. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { Registration, registrationOperations } from '../../contract/registrations.ts';
import type { Tokens } from '../../contract/schemas.ts';
import type { HandlerInput, Once } from '../serve.ts';
import { type CodeCheckDeps, type CodeSendDeps, confirmCodeOf, requestCodeOf } from './code.ts';
import { type StartDeps, startRegistration } from './create.ts';
import { beginRegistrationSession, type RegistrationSessionDeps } from './session.ts';
import { type RegistrationCaller, readStatus } from './status.ts';

type Op = typeof registrationOperations.register;

/** The dependencies of verifying the code of a registration and beginning its session. */
export type RegistrationVerifyDeps = CodeCheckDeps & RegistrationSessionDeps;

/**
 * Starts a registration and sends its code at once, unless its policy requires another step first.
 *
 * @throws {Failure} as `startRegistration` and `requestCodeOf`
 */
export async function register(
  deps: StartDeps & CodeSendDeps,
  { body, caller, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { channel, ...person } = body;
  const started = await startRegistration(deps, person, caller, minted);
  const { registrationId, registrationToken } = started;
  const status = await readStatus(deps, registrationId);
  const isOpen = status.steps.some(({ name, status: step }) => name === 'code' && step === 'open');
  if (!isOpen) return { status: 201, body: started };
  const chosen = channel ?? (person.phone === undefined ? 'email' : 'sms');
  const registration = { ...caller, registrationId, status };
  const sent = await requestCodeOf(deps, registration, { channel: chosen }, minted.id);
  return { status: 201, body: { ...sent, registrationToken } };
}

/**
 * Verifies the code of a registration; after its last step, begins its session.
 *
 * @throws {Failure} as `confirmCodeOf` and `beginRegistrationSession`
 */
export async function verifyRegistration(
  deps: RegistrationVerifyDeps,
  caller: RegistrationCaller,
  code: string,
  once: Once,
): Promise<Registration | Tokens> {
  const confirmed = await confirmCodeOf(deps, caller, code);
  if (confirmed.state !== 'completed') return confirmed;
  const status = await readStatus(deps, caller.registrationId);
  return once((minted) => beginRegistrationSession(deps, { ...caller, status }, minted));
}
