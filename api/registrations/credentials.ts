/** `PUT /registrations/{id}/credentials`: keeps a password, a PIN or both for the account. */
import { z } from 'zod';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { setCredentials } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { parse, pinText, type Registration, secretText } from '../schemas.ts';
import { requireStrongPassword, requireStrongPin } from '../strength.ts';
import { finalView, isDone, limitStep, type RegistrationCaller, requireStep } from './status.ts';
import { updateRegistration } from './update.ts';

/** At least one of the two; their strength is judged by the operation. */
export const Credentials = z
  .strictObject({
    password: secretText(8, 128).optional(),
    pin: pinText.optional(),
  })
  .refine((given) => given.password !== undefined || given.pin !== undefined, 'password or pin is needed');

/**
 * Keeps a password, a PIN or both for the account. As this is often the last step, a repeat whose first answer was lost
 * comes when the registration is over: with the same `Idempotency-Key` it has that answer.
 *
 * @throws {Failure} malformed, password-weak, step-not-available, identity-taken
 */
export async function submitCredentials(
  deps: ApiDeps,
  caller: RegistrationCaller,
  body: unknown,
): Promise<Registration> {
  const { password, pin } = parse(Credentials, body);
  const { registrationId, status } = caller;
  const scope = ['credentials', registrationId];
  // the key alone tells a repeat: not even a keyed hash of a secret is kept with it
  return idempotent(deps, { scope, caller, body: {} }, { updateId: newId() }, async ({ updateId }) => {
    const mayBeRepeat = caller.idempotencyKey !== undefined && isDone(status, 'credentials');
    if (!mayBeRepeat) requireStep(deps, caller, 'credentials');
    if (password !== undefined) await requireStrongPassword(deps, password, []);
    if (pin !== undefined) requireStrongPin(pin);
    await limitStep(deps, caller, 'credentials');
    const credentialsRef = await deps.oneTimeSecrets.put({ password, pin });
    let answer = await updateRegistration(deps, registrationId, setCredentials, [{ credentialsRef }], updateId);
    // an earlier try of the same request has outlived its seal; this one is new
    if (answer.outcome === 'lost')
      answer = await updateRegistration(deps, registrationId, setCredentials, [{ credentialsRef }]);
    await deps.oneTimeSecrets.remove(credentialsRef);
    if (answer.outcome === 'lost') {
      throw new Failure('unavailable', { message: 'The credentials were not kept; repeat' });
    }
    deps.events.stepDone(registrationId, 'credentials');
    return finalView(deps, registrationId, answer.status);
  });
}
