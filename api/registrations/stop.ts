/** `POST /registrations/stop`: the owner of a number or address did not start a registration. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { cancel } from '../../workflows/registration-messages.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.stopRegistrations;

/**
 * Ends every running registration that the owner of the token was warned of, once per token. The token is used at the
 * end, so that a repeat completes what failed.
 *
 * @throws {Failure} malformed, token-invalid, unavailable
 */
export async function stopRegistrations(
  deps: UpdateDeps & Pick<ApiDeps, 'registrationWarnings' | 'events'>,
  { body: { token } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const userId = await deps.registrationWarnings.whose(token);
  if (userId === undefined) throw new Failure('token-invalid');
  const warnedOf = await deps.registrationWarnings.close(userId);
  const ended = await Promise.all(warnedOf.map((registrationId) => end(deps, registrationId)));
  if (!(await deps.registrationWarnings.use(token, userId, warnedOf))) throw new Failure('token-invalid');
  deps.events.registrationsStopped({ userId, count: ended.filter(Boolean).length });
  return { status: 204 };
}

/** Ends a registration; returns false when it had already ended. */
async function end(deps: UpdateDeps, registrationId: string): Promise<boolean> {
  try {
    await updateRegistration(deps, registrationId, cancel, { reason: 'stopped-by-owner' });
    return true;
  } catch (err) {
    if (!(err instanceof Failure) || !['registration-closed', 'registration-expired'].includes(err.code)) throw err;
    return false;
  }
}
