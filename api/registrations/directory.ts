/** `PUT /registrations/{id}/directory`: binds to the directory as the person. */
import { z } from 'zod';
import type { Limit } from '../../adapters/redis/rate-limits.ts';
import { Failure } from '../../domain/failures.ts';
import { usernameKey } from '../../domain/registration.ts';
import { keyedHash, newId } from '../../platform/crypto.ts';
import { authenticate, type StepAnswer } from '../../workflows/registration.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limited } from '../limits.ts';
import { parse, type Registration, secretText, text } from '../schemas.ts';
import { finalView, limitStep, type RegistrationCaller, requireStep } from './status.ts';
import { updateRegistration } from './update.ts';

/** A directory name and password, as typed. */
export const DirectoryProof = z.strictObject({ username: text(256), password: secretText(1, 1024) });

/**
 * Binds to the directory as the person.
 *
 * @throws {Failure} malformed, rate-limited, credentials-wrong, step-not-available, directory-unavailable (it goes on)
 */
export async function verifyDirectory(deps: ApiDeps, caller: RegistrationCaller, body: unknown): Promise<Registration> {
  const { username, password } = parse(DirectoryProof, body);
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
  return finalView(deps, caller.registrationId, answer.status);
}

/** Takes one of a name's tries, at whatever door; answers how to give it back. Fails closed. @throws {Failure} rate-limited */
export async function limitDirectory(
  deps: ApiDeps,
  { noteLimit }: Pick<Caller, 'noteLimit'>,
  username: string,
): Promise<() => Promise<void>> {
  const { DIRECTORY_TRIES: max, DIRECTORY_WINDOW: windowSeconds } = deps.config;
  const limit: Limit = { name: 'directory-tries', windows: [{ max, windowSeconds }] };
  const key = keyedHash(deps.hashKey, 'directory', usernameKey(username));
  const tryId = newId();
  const state = await deps.rateLimits.consume(limit, key, tryId, Date.now());
  noteLimit?.({ ...state, limit: limit.name });
  if (!state.allowed) throw limited(limit.name, state.resetSeconds);
  return () => deps.rateLimits.refund(limit, key, tryId);
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
