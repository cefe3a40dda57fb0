/** `POST /registrations`: starts a registration. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { NewRegistration, registrationOperations, StartedRegistration } from '../../contract/registrations.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { type Identity, initialState, statusOf, usernameKey } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { tokenHash } from '../../platform/crypto.ts';
import type { RegistrationInput } from '../../workflows/registration.ts';
import { emailOf, phoneOf } from '../addresses.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitRegistration } from '../limits.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput, Minted } from '../serve.ts';
import { view } from './status.ts';

type Op = typeof registrationOperations.createRegistration;

/**
 * Starts a registration and answers with what to do next, before any step is done.
 *
 * @throws {Failure} malformed, rate-limited, unavailable
 */
export async function createRegistration(
  deps: ApiDeps,
  { body, caller, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 201, body: await startRegistration(deps, body, caller, minted) };
}

/**
 * Stores a new registration. Its first step starts the workflow, because most registrations that strangers begin are never
 * continued. Refused while Temporal is unavailable, as no step could follow. Safe to repeat with the same minted values.
 *
 * @throws {Failure} malformed, rate-limited, unavailable
 */
export async function startRegistration(
  deps: ApiDeps,
  given: NewRegistration,
  caller: Caller,
  { id: registrationId, token, at: startedAt }: Minted,
): Promise<StartedRegistration> {
  const identity = identityOf(deps, given);
  await deps.reachTemporal();
  await limitRegistration(deps, caller, registrationId);
  const locale = languageFor(given.locale, caller.acceptLanguage);
  const start: RegistrationInput = {
    registrationId,
    tokenHash: tokenHash(token),
    policy: [...deps.policy],
    rules: deps.rules,
    identity,
    startedAt,
    ...(locale && { locale }),
    ...(given.client && { client: given.client }),
  };
  const status = statusOf(initialState(start));
  await deps.registrationStarts.create(registrationId, { status, tokenHash: start.tokenHash, start });
  deps.events.registrationStarted(registrationId);
  return { ...view(deps, registrationId, status, undefined), registrationToken: token };
}

function identityOf(deps: ApiDeps, given: NewRegistration): Identity {
  const hasDirectory = deps.policy.includes('directory');
  const number = given.phone === undefined ? undefined : phoneOf(given.phone, deps.config.COUNTRIES_ALLOWED);
  const email = given.email === undefined ? undefined : emailOf(given.email);
  if (!hasDirectory && !number && !email) throw malformed('phone', 'phone or email is needed');
  const identity: Identity = {
    ...(given.username && { username: usernameKey(given.username) }),
    ...(given.fullName && { fullName: given.fullName }),
    ...(email && { email }),
    ...(number && { phone: number.e164, callingCode: number.callingCode }),
    ...(number?.country && { country: number.country }),
  };
  return { ...identity, limitKeys: limitKeysOf(identity, deps.limitHash) };
}
