/** `DELETE /registrations/{id}`. */

import { Failure } from '../../domain/failures.ts';
import { cancel } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { type RegistrationCaller, requireRunning } from './status.ts';
import { updateRegistration } from './update.ts';

/** Ends a registration and takes back what was done. @throws {Failure} registration-closed when it is over otherwise */
export async function cancelRegistration(deps: ApiDeps, caller: RegistrationCaller): Promise<void> {
  if (caller.status.state === 'cancelled') return;
  requireRunning(caller.status);
  await updateRegistration(deps, caller.registrationId, cancel, [undefined]).catch(async (err: unknown) => {
    // an order given at the same time may have closed it
    const isClosed = err instanceof Failure && err.code === 'registration-closed';
    const stored = isClosed ? await deps.registrations.read(caller.registrationId) : undefined;
    if (stored?.status.state !== 'cancelled') throw err;
  });
}
