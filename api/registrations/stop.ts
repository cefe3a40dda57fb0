/** `POST /registrations/stop`: the owner of a number or address says "not me". */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { cancel } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { updateRegistration } from './update.ts';

type Op = typeof registrationOperations.stopRegistrations;

/**
 * Ends every running registration that the owner of the token was warned of, once a token. What fails on the way is left to
 * a repeat: the token is used up at the end.
 *
 * @throws {Failure} malformed, token-invalid, unavailable
 */
export async function stopRegistrations(deps: ApiDeps, { body: { token } }: HandlerInput<Op>): Promise<AnswerOf<Op>> {
  const userId = await deps.registrationWarnings.whose(token);
  if (userId === undefined) throw new Failure('token-invalid');
  const warnedOf = await deps.registrationWarnings.close(userId);
  const ended = await Promise.all(warnedOf.map((registrationId) => end(deps, registrationId)));
  if (!(await deps.registrationWarnings.use(token, userId, warnedOf))) throw new Failure('token-invalid');
  deps.events.registrationsStopped({ userId, count: ended.filter(Boolean).length });
  return { status: 204 };
}

/** Ends a registration; false when it was over. */
async function end(deps: ApiDeps, registrationId: string): Promise<boolean> {
  try {
    await updateRegistration(deps, registrationId, cancel, [{ reason: 'stopped-by-owner' }]);
    return true;
  } catch (err) {
    if (!(err instanceof Failure) || !['registration-closed', 'registration-expired'].includes(err.code)) throw err;
    return false;
  }
}
