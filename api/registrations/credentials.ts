/** `PUT /registrations/{id}/credentials`: keeps a password, a PIN or both for the account. */
import { z } from 'zod';
import { Failure } from '../../domain/failures.ts';
import { setCredentials } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { parse, type Registration, secretText } from '../schemas.ts';
import { requireStrongPassword, requireStrongPin } from '../strength.ts';
import { order } from '../workflow-calls.ts';
import { finalView, type RegistrationCaller, requireStep, takeStepTry } from './status.ts';

/** At least one of the two; their strength is judged by the operation. */
export const Credentials = z
  .strictObject({
    password: secretText(8, 128).optional(),
    pin: z
      .string()
      .regex(/^\d{4,20}$/, 'must be 4 to 20 digits')
      .optional(),
  })
  .refine((given) => given.password !== undefined || given.pin !== undefined, 'password or pin is needed');

/**
 * Keeps a password, a PIN or both for the account.
 *
 * @throws {Failure} malformed, password-weak, step-not-available, identity-taken
 */
export async function giveCredentials(deps: ApiDeps, caller: RegistrationCaller, body: unknown): Promise<Registration> {
  const { password, pin } = parse(Credentials, body);
  requireStep(deps, caller, 'credentials');
  if (password !== undefined) requireStrongPassword(password, []);
  if (pin !== undefined) requireStrongPin(pin);
  await takeStepTry(deps, caller, 'credentials');
  const credentialsSeal = await deps.seals.put({ password, pin });
  const answer = await order(deps, caller.registrationId, setCredentials, [{ credentialsSeal }]);
  if (answer.outcome === 'lost') throw new Failure('unavailable', { message: 'The credentials were not kept; repeat' });
  deps.events.stepDone(caller.registrationId, 'credentials');
  return finalView(deps, caller.registrationId, answer.status);
}
