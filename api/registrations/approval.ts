/** `PUT /registrations/{id}/approval`: the registration lock. The identity has an account, which asks for its PIN. */

import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import type { RegistrationStatus } from '../../domain/registration.ts';
import { approve } from '../../workflows/registration.ts';
import { requireCredential } from '../credentials.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { finalView, isDone, limitStep, requireRunning } from './status.ts';
import { updateRegistration } from './update.ts';

type Op = typeof registrationOperations.submitApproval;

/**
 * Opens the lock by the PIN of the account. All other steps are done by then, so nobody without the number or address can
 * use up the tries of its owner.
 *
 * @throws {Failure} malformed, step-not-available, registration-locked, rate-limited, identity-taken
 */
export async function submitApproval(
  deps: ApiDeps,
  { holder: caller, body: { pin } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  const { lockedBy } = status;
  if (isDone(status, 'approval')) return { status: 200, body: await finalView(deps, registrationId, status) };
  requireRunning(status);
  if (lockedBy === undefined) throw new Failure('step-not-available', { message: 'Nothing has to be approved' });
  if (pin === undefined) throw locked(status);
  await limitStep(deps, caller, 'approval');
  await requireCredential(deps, { userId: lockedBy, kind: 'pin', secret: pin }, caller).catch((err: unknown) => {
    throw err instanceof Failure && err.code === 'credentials-wrong' ? locked(status, 'The PIN is wrong') : err;
  });
  const answer = await updateRegistration(deps, registrationId, approve, []);
  deps.events.stepDone(registrationId, 'approval');
  return { status: 200, body: await finalView(deps, registrationId, answer.status) };
}

/** With the seconds that are left to give the PIN in this registration; the lock itself has no end. */
function locked({ expiresAt }: RegistrationStatus, message?: string): Failure {
  const timeRemainingSeconds = Math.max(0, Math.ceil((expiresAt - Date.now()) / 1000));
  return new Failure('registration-locked', { ...(message && { message }), fields: { timeRemainingSeconds } });
}
