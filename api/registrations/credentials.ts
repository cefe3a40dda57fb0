/** `PUT /registrations/{id}/credentials`: sets a password, a PIN or both for the account. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { setCredentials } from '../../workflows/registration-messages.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { ownWordFailure, requireStrongPassword, requireStrongPin, type StrengthDeps } from '../strength.ts';
import { finalView, isDone, limitStep, requireStep, type StepLimitDeps, type ViewDeps } from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.submitCredentials;
type Deps = StrengthDeps & StepLimitDeps & UpdateDeps & ViewDeps & Pick<ApiDeps, 'policy' | 'oneTimeSecrets'>;

/**
 * Sets a password, a PIN or both for the account. This is often the last step, so a repeat after a lost answer arrives
 * when the registration has ended: with the same `Idempotency-Key` it gets the same answer.
 *
 * @throws {Failure} password-weak, step-not-available, identity-taken, unavailable
 */
export async function submitCredentials(
  deps: Deps,
  { holder: caller, body: { password, pin }, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  const mayBeRepeat = caller.idempotencyKey !== undefined && isDone(status, 'credentials');
  if (!mayBeRepeat) requireStep(deps, caller, 'credentials');
  // counted before the password is judged, because that costs more than anything else here
  await limitStep(deps, caller, 'credentials');
  if (password !== undefined) await requireStrongPassword(deps, password, []);
  if (pin !== undefined) requireStrongPin(pin);
  const credentialsRef = await deps.oneTimeSecrets.put({ password, pin });
  let answer = await updateRegistration(deps, registrationId, setCredentials, { credentialsRef }, minted.id);
  // an earlier attempt of the same request was refused, or its secret has expired; send the new one
  if (answer.outcome === 'lost' || answer.outcome === 'own-word') {
    answer = await updateRegistration(deps, registrationId, setCredentials, { credentialsRef });
  }
  await deps.oneTimeSecrets.remove(credentialsRef);
  if (answer.outcome === 'own-word') throw ownWordFailure();
  if (answer.outcome === 'lost') {
    throw new Failure('unavailable', { message: 'The credentials were not stored; repeat the request' });
  }
  deps.events.stepDone(registrationId, 'credentials');
  return { status: 200, body: await finalView(deps, registrationId, answer.status) };
}
