/** `DELETE /registrations/{id}`. */

import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { cancel } from '../../workflows/registration-messages.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { requireRunning } from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.cancelRegistration;

/** Cancels a registration and compensates its steps. @throws {Failure} registration-closed when it ended otherwise */
export async function cancelRegistration(
  deps: UpdateDeps & Pick<ApiDeps, 'registrations'>,
  { holder: caller }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  if (caller.status.state === 'cancelled') return { status: 204 };
  requireRunning(caller.status);
  await updateRegistration(deps, caller.registrationId, cancel, undefined).catch(async (err: unknown) => {
    // a parallel request may have cancelled it
    const isClosed = err instanceof Failure && err.code === 'registration-closed';
    const stored = isClosed ? await deps.registrations.read(caller.registrationId) : undefined;
    if (stored?.status.state !== 'cancelled') throw err;
  });
  return { status: 204 };
}
