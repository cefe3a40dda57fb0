/** `POST /registrations`: starts a registration. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { NewRegistration, registrationOperations, StartedRegistration } from '../../contract/registrations.ts';
import { type ContactIdentity, pseudonymsOf } from '../../domain/identity.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { initialState, statusOf } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { pseudonymOf } from '../../platform/audit.ts';
import { tokenHash } from '../../platform/crypto.ts';
import type { RegistrationInput } from '../../workflows/registration-messages.ts';
import { emailOf, phoneOf, usernameOf } from '../addresses.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import type { LimitDeps } from '../limits/counting.ts';
import { limitRegistration } from '../limits/log-ins.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput, Minted } from '../serve.ts';
import { view } from './status.ts';

type Op = typeof registrationOperations.createRegistration;

/** The dependencies of starting a registration. */
export type StartDeps = LimitDeps & Pick<ApiDeps, 'policy' | 'rules' | 'reachTemporal' | 'registrationStarts'>;

/**
 * Starts a registration and returns its state before the first step.
 *
 * @throws {Failure} malformed, rate-limited, unavailable
 */
export async function createRegistration(
  deps: StartDeps,
  { body, caller, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 201, body: await startRegistration(deps, body, caller, minted) };
}

/**
 * Stores a new registration. Its first step starts the workflow, because most registrations of strangers are never
 * continued. Refused while Temporal is unavailable, because no step could follow. Safe to repeat with the same minted
 * values.
 *
 * @throws {Failure} malformed, rate-limited, unavailable
 */
export async function startRegistration(
  deps: StartDeps,
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

function identityOf(deps: Pick<ApiDeps, 'policy' | 'config' | 'limitHash'>, given: NewRegistration): ContactIdentity {
  const hasDirectory = deps.policy.includes('directory');
  const number = given.phone === undefined ? undefined : phoneOf(given.phone, deps.config.COUNTRIES_ALLOWED);
  const email = given.email === undefined ? undefined : emailOf(given.email);
  if (!hasDirectory && !number && !email) throw malformed('phone', 'phone or email is required');
  const identity: ContactIdentity = {
    ...(given.username && { username: usernameOf(given.username) }),
    ...(given.fullName && { fullName: given.fullName }),
    ...(email && { email }),
    ...(number && { phone: number.e164, callingCode: number.callingCode }),
    ...(number?.country && { country: number.country }),
  };
  const pseudonymKey = deps.config.KEYS.key('pseudonym');
  const pseudonyms = pseudonymsOf(identity, (name) => pseudonymOf(name, pseudonymKey));
  return { ...identity, limitKeys: limitKeysOf(identity, deps.limitHash), pseudonyms };
}
