/** `POST /registrations`: starts a registration. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { z } from 'zod';
import { parseEmailAddress } from '../../adapters/email-addresses.ts';
import { type PhoneNumber, parsePhoneNumber, phoneRefusal } from '../../adapters/phone-numbers.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import {
  type Identity,
  isUsername,
  type RegistrationFacts,
  type RegistrationStatus,
  registrationWorkflowId,
  statusOf,
  usernameKey,
} from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { clientKinds } from '../../domain/verification.ts';
import { newId, newToken, tokenHash } from '../../platform/crypto.ts';
import { type RegistrationInput, registration } from '../../workflows/registration.ts';
import { searchAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { guardRegistration } from '../limits.ts';
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

/** Temporal is asked to start a flow within this when it seems to be there, and within the other when not. */
const startMs = 10_000;
const startAwayMs = 1000;

/**
 * Starts a registration and answers with what to do next, before any step is done.
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
    const guarded = await guardRegistration(deps, caller, registrationId);
    const facts = firstFacts(deps, identity, startedAt);
    const status = statusOf(facts);
    const locale = languageFor(given.locale, caller.acceptLanguage);
    // stored before it is started: whoever sees the flow can read it; safe to repeat, by id and version
    await deps.registrations.write(registrationId, tokenHash(token), status);
    const wishes = { ...(locale && { locale }), ...(given.client && { client: given.client }) };
    await startWorkflow(deps, { registrationId, tokenHash: tokenHash(token), ...wishes }, facts, status).catch(
      async (err: unknown) => {
        await guarded.giveBack();
        throw err;
      },
    );
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

function phoneOf(text: string, countriesAllowed: readonly string[]): PhoneNumber {
  const number = parsePhoneNumber(text);
  const refusal = number && phoneRefusal(number, countriesAllowed);
  if (refusal === 'country-not-allowed') throw malformed('phone', 'country-not-allowed: no codes go to this country');
  if (refusal) throw malformed('phone', 'number-not-supported: no codes go to numbers of this kind');
  if (number !== undefined) return number;
  throw malformed('phone', 'must be a telephone number with country code, such as +447700900101');
}

function emailOf(text: string): string {
  const email = parseEmailAddress(text);
  if (email !== undefined) return email;
  throw malformed('email', 'must be one e-mail address');
}

function firstFacts({ policy, rules }: ApiDeps, identity: Identity, startedAt: number): RegistrationFacts {
  const expiresAt = startedAt + rules.ttlSeconds * 1000;
  return { policy, rules, identity, startedAt, expiresAt, done: new Set(), sends: [], version: 0 };
}

async function startWorkflow(
  { temporal, registrations }: ApiDeps,
  ids: Pick<RegistrationInput, 'registrationId' | 'tokenHash' | 'locale' | 'client'>,
  facts: RegistrationFacts,
  status: RegistrationStatus,
): Promise<void> {
  const { policy, rules, identity, startedAt } = facts;
  const deadline = Date.now() + ((await isReachable(temporal)) ? startMs : startAwayMs);
  try {
    await temporal.withDeadline(deadline, () =>
      temporal.workflow.start(registration, {
        taskQueue: 'registration',
        workflowId: registrationWorkflowId(ids.registrationId),
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowTaskTimeout: '5s',
        args: [{ ...ids, policy: [...policy], rules, identity, startedAt }],
        typedSearchAttributes: searchAttributesOf(facts, status).filter((pair) => pair.value !== null) as never,
        staticSummary: `Registration: ${policy.join(', ')}`,
      }),
    );
  } catch (err) {
    // an earlier try of the same request has started it
    if (err instanceof WorkflowExecutionAlreadyStartedError) return;
    await registrations.remove(ids.registrationId);
    throw err;
  }
}

/** gRPC connectivity: 2 is READY, 0 is IDLE (never used, or idle for long). https://grpc.github.io/grpc/core/md_doc_connectivity-semantics-and-api.html */
async function isReachable(temporal: ApiDeps['temporal']): Promise<boolean> {
  const connection = temporal.connection as {
    client?: { getChannel(): { getConnectivityState(try_: boolean): number } };
  };
  return connection.client?.getChannel().getConnectivityState(true) === 2;
}

function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
