/** `PUT /registrations/{id}/directory`: binds to the directory as the user. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { authenticate, type StepAnswer } from '../../workflows/registration-messages.ts';
import type { ApiDeps } from '../deps.ts';
import { andConsume, type LimitDeps, limited, orRefund } from '../limits/counting.ts';
import { type DirectoryLimitDeps, limitDirectory, limitDirectorySource } from '../limits/log-ins.ts';
import type { HandlerInput } from '../serve.ts';
import {
  finalView,
  limitStep,
  type RegistrationCaller,
  requireStep,
  type StepLimitDeps,
  type ViewDeps,
} from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.verifyDirectory;
type BindDeps = UpdateDeps & Pick<ApiDeps, 'directorySecrets'>;
type Deps = BindDeps & LimitDeps & DirectoryLimitDeps & StepLimitDeps & ViewDeps & Pick<ApiDeps, 'policy' | 'events'>;

/**
 * Binds to the directory as the user.
 *
 * @throws {Failure} malformed, rate-limited, credentials-wrong, step-not-available, directory-unavailable (the bind
 *   continues automatically)
 */
export async function verifyDirectory(
  deps: Deps,
  { holder: caller, body: { username, password } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  requireStep(deps, caller, 'directory');
  await limitStep(deps, caller, 'directory');
  const named = await limitDirectory(deps, caller, username);
  const consumed = await andConsume(named, () => limitDirectorySource(deps, caller, newId()));
  const answer = await orRefund(consumed, () => bind(deps, caller, username, password));
  if (answer.outcome === 'refused') throw new Failure('credentials-wrong');
  await consumed.refund();
  if (answer.outcome === 'limited') throw limited('directory-tries', answer.retryAfterSeconds);
  if (answer.outcome === 'somebody-else') {
    throw new Failure('step-not-available', { message: 'The directory step was done as another user' });
  }
  if (answer.outcome === 'waiting') throw new Failure('directory-unavailable');
  if (answer.outcome === 'lost')
    throw new Failure('unavailable', { message: 'The directory step was not done; repeat it' });
  deps.events.stepDone(caller.registrationId, 'directory');
  return { status: 200, body: await finalView(deps, caller.registrationId, answer.status) };
}

async function bind(
  deps: BindDeps,
  { registrationId }: RegistrationCaller,
  username: string,
  password: string,
): Promise<StepAnswer> {
  const passwordRef = await deps.directorySecrets.put(password);
  const answer = await updateRegistration(deps, registrationId, authenticate, { username, passwordRef });
  // a step that waits for the directory tries again with the secret until it expires
  if (answer.outcome !== 'waiting') await deps.directorySecrets.remove(passwordRef);
  return answer;
}
