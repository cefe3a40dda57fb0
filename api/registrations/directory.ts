/** `PUT /registrations/{id}/directory`: binds to the directory as the person. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { authenticate, type StepAnswer } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { limitDirectory } from '../limits.ts';
import type { HandlerInput } from '../serve.ts';
import { finalView, limitStep, type RegistrationCaller, requireStep } from './status.ts';
import { updateRegistration } from './update.ts';

type Op = typeof registrationOperations.verifyDirectory;

/**
 * Binds to the directory as the person.
 *
 * @throws {Failure} malformed, rate-limited, credentials-wrong, step-not-available, directory-unavailable (it goes on)
 */
export async function verifyDirectory(
  deps: ApiDeps,
  { holder: caller, body: { username, password } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  requireStep(deps, caller, 'directory');
  await limitStep(deps, caller, 'directory');
  const refund = await limitDirectory(deps, caller, username);
  const answer = await prove(deps, caller, username, password).catch(async (err: unknown) => {
    await refund();
    throw err;
  });
  if (answer.outcome === 'refused') throw new Failure('credentials-wrong');
  await refund();
  if (answer.outcome === 'somebody-else') {
    throw new Failure('step-not-available', { message: 'The directory step was done as somebody else' });
  }
  if (answer.outcome === 'waiting') throw new Failure('directory-unavailable');
  if (answer.outcome === 'lost')
    throw new Failure('unavailable', { message: 'The directory step was not done; repeat it' });
  deps.events.stepDone(caller.registrationId, 'directory');
  return { status: 200, body: await finalView(deps, caller.registrationId, answer.status) };
}

async function prove(
  deps: ApiDeps,
  { registrationId }: RegistrationCaller,
  username: string,
  password: string,
): Promise<StepAnswer> {
  const passwordRef = await deps.oneTimeSecrets.put(password);
  const answer = await updateRegistration(deps, registrationId, authenticate, [{ username, passwordRef }]);
  // a step that is parked tries again with it, as long as it lives
  if (answer.outcome !== 'waiting') await deps.oneTimeSecrets.remove(passwordRef);
  return answer;
}
