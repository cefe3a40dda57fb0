/** `POST /registrations`: starts a registration. */
import { z } from 'zod';
import { parseEmailAddress } from '../../adapters/email-addresses.ts';
import { type PhoneNumber, parsePhoneNumber, phoneRefusal } from '../../adapters/phone-numbers.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { type Identity, initialState, isUsername, statusOf, usernameKey } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { clientKinds } from '../../domain/verification.ts';
import { newId, newToken, tokenHash } from '../../platform/crypto.ts';
import type { RegistrationInput } from '../../workflows/registration.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { limitRegistration } from '../limits.ts';
import { malformed, parse, type Registration, text } from '../schemas.ts';
import { view } from './status.ts';

/** A new registration; what a listed directory says of the person replaces all of it. */
export const NewRegistration = z.strictObject({
  fullName: text(200).optional(),
  username: text(64).refine(isUsername, 'must be letters, digits and visible ASCII of one script').optional(),
  email: text(320).optional(),
  phone: text(40).optional(),
  locale: text(35).refine(isLocale, 'must be a BCP 47 language tag').optional(),
  client: z.enum(clientKinds).optional(),
});

/**
 * Starts a registration and answers with what to do next, before any step is done. Its workflow is started by the first step:
 * most of what strangers begin is never continued. Refused while Temporal is away, as no step could follow.
 *
 * @throws {Failure} malformed, rate-limited, idempotency-key-reused, unavailable
 */
export async function createRegistration(
  deps: ApiDeps,
  body: unknown,
  caller: Caller,
): Promise<Registration & { registrationToken: string }> {
  const given = parse(NewRegistration, body);
  const identity = identityOf(deps, given);
  const minted = { registrationId: newId(), token: newToken(), startedAt: Date.now() };
  const scope = ['registrations', caller.address];
  return idempotent(deps, { scope, caller, body: given }, minted, async ({ registrationId, token, startedAt }) => {
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
  });
}

function identityOf(deps: ApiDeps, given: z.output<typeof NewRegistration>): Identity {
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

/** A number that codes may go to. @throws {Failure} malformed */
export function phoneOf(text: string, countriesAllowed: readonly string[]): PhoneNumber {
  const number = parsePhoneNumber(text);
  const refusal = number && phoneRefusal(number, countriesAllowed);
  if (refusal === 'country-not-allowed') throw malformed('phone', 'country-not-allowed: no codes go to this country');
  if (refusal) throw malformed('phone', 'number-not-supported: no codes go to numbers of this kind');
  if (number !== undefined) return number;
  throw malformed('phone', 'must be a telephone number with country code, such as +447700900101');
}

/** One address. @throws {Failure} malformed */
export function emailOf(text: string): string {
  const email = parseEmailAddress(text);
  if (email !== undefined) return email;
  throw malformed('email', 'must be one e-mail address');
}

/** Tells whether a text is a BCP 47 language tag. */
export function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
