/** `PUT /registrations/{id}/approval`: the registration lock. The identity has an account, whose PIN is required. */

import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import type { RegistrationStatus } from '../../domain/registration.ts';
import { approve } from '../../workflows/registration-messages.ts';
import { type CredentialCheckDeps, requireCredential } from '../credentials.ts';
import type { HandlerInput } from '../serve.ts';
import { finalView, isDone, limitStep, requireRunning, type StepLimitDeps, type ViewDeps } from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.submitApproval;
type Deps = CredentialCheckDeps & StepLimitDeps & UpdateDeps & ViewDeps;

/**
 * Opens the lock by the PIN of the account. All other steps are done by then, so only a holder of the number or address
 * can consume the attempts of its owner.
 *
 * @throws {Failure} malformed, step-not-available, registration-locked, rate-limited, identity-taken
 */
export async function submitApproval(
  deps: Deps,
  { holder: caller, body: { pin } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  const { lockedBy } = status;
  if (isDone(status, 'approval')) return { status: 200, body: await finalView(deps, registrationId, status) };
  requireRunning(status);
  if (lockedBy === undefined)
    throw new Failure('step-not-available', { message: 'This registration needs no approval' });
  if (pin === undefined) throw locked(status);
  await limitStep(deps, caller, 'approval');
  await requireCredential(deps, { userId: lockedBy, kind: 'pin', secret: pin }, caller).catch((err: unknown) => {
    throw err instanceof Failure && err.code === 'credentials-wrong' ? locked(status, 'The PIN is wrong') : err;
  });
  const answer = await updateRegistration(deps, registrationId, approve, []);
  deps.events.stepDone(registrationId, 'approval');
  return { status: 200, body: await finalView(deps, registrationId, answer.status) };
}

/** The failure with the seconds left to enter the PIN in this registration; the lock itself does not expire. */
function locked({ expiresAt }: RegistrationStatus, message?: string): Failure {
  const timeRemainingSeconds = Math.max(0, Math.ceil((expiresAt - Date.now()) / 1000));
  return new Failure('registration-locked', { ...(message && { message }), fields: { timeRemainingSeconds } });
}
