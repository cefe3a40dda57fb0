/** `DELETE /registrations/{id}`. */
import { cancel } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { order } from '../workflow-calls.ts';
import { type RegistrationCaller, requireRunning } from './status.ts';

/** Ends a registration and takes back what was done. @throws {Failure} registration-closed when it is over otherwise */
export async function cancelRegistration(deps: ApiDeps, caller: RegistrationCaller): Promise<void> {
  if (caller.status.state === 'cancelled') return;
  requireRunning(caller.status);
  await order(deps, caller.registrationId, cancel, []);
}
