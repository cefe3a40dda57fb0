/** `POST /registrations/{id}/session`: the session of a completed registration. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import type { Tokens } from '../../contract/schemas.ts';
import { epochOf, epochOfRegistration } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput, Minted } from '../serve.ts';
import { openSession, requireEnabled, type SessionOpenDeps } from '../sessions.ts';
import type { RegistrationCaller } from './status.ts';

type Op = typeof registrationOperations.createRegistrationSession;

/** The dependencies of beginning the session of a registration. */
export type RegistrationSessionDeps = SessionOpenDeps & Pick<ApiDeps, 'registrations'>;

/** Begins the session of a completed registration. @throws {Failure} as `beginRegistrationSession` */
export async function createRegistrationSession(
  deps: RegistrationSessionDeps,
  { holder, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 201, body: await beginRegistrationSession(deps, holder, minted) };
}

/**
 * Begins the session of a completed registration, once, unless the credentials, the contact or the state of the account
 * have changed since. Safe to repeat with the same minted values, which return the
 * same tokens.
 *
 * @throws {Failure} registration-unfinished, session-already-taken, account-disabled
 */
export async function beginRegistrationSession(
  deps: RegistrationSessionDeps,
  caller: RegistrationCaller,
  minted: Minted,
): Promise<Tokens> {
  const { registrationId, status } = caller;
  const { userId } = status;
  if (status.state !== 'completed' || userId === undefined) throw new Failure('registration-unfinished');
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  requireEnabled(account);
  const epoch = epochOfRegistration(account, registrationId);
  if (epochOf(account) !== epoch) {
    throw new Failure('session-already-taken', { message: 'The account has changed since; log in' });
  }
  // claimed before the session exists: one of several parallel requests wins, and a repeat with the same id continues
  if (!(await deps.registrations.takeSession(registrationId, minted.id))) {
    throw new Failure('session-already-taken');
  }
  const device = (await deps.devices.read(userId))?.devices.find(({ addedBy }) => addedBy === registrationId);
  const proof = { epoch, outdated: 'session-already-taken' } as const;
  return openSession(deps, account, minted, { ...caller, proof, isFirst: epoch === 0, ...(device && { device }) });
}
