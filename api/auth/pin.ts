/** `/auth/pin`: a PIN, set by who knows the one before or, for the first one, the password. */
import { z } from 'zod';
import type { Session } from '../../adapters/redis/sessions.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { malformed, parse, pinText, secretText, typedPin } from '../schemas.ts';
import { requireStrongPin } from '../strength.ts';
import { changeCredential, type Proof, requireCredential } from './credentials.ts';

/** A new PIN and what proves the person. */
export const PinChange = z.strictObject({
  pin: pinText,
  currentPin: typedPin.optional().describe('Needed where there is a PIN'),
  currentPassword: secretText(1, 1024).optional().describe('Needed where there is no PIN yet'),
});

/** A PIN as typed. */
export const TypedPin = z.strictObject({ pin: typedPin });

/**
 * Sets or changes the PIN. Every other session of the person ends, and the owner is told.
 *
 * @throws {Failure} malformed, password-weak, credentials-wrong, rate-limited, step-not-available, unavailable
 */
export async function changePin(
  deps: ApiDeps,
  { userId, sessionId }: Session,
  body: unknown,
  caller: Caller,
): Promise<void> {
  const given = parse(PinChange, body);
  requireStrongPin(given.pin);
  await requireCredential(deps, await proofIn(deps, userId, given), caller);
  await changeCredential(deps, { userId, kind: 'pin', why: 'change', secret: given.pin, sessionId });
}

/** Tells whether a PIN is right: ten wrong ones a day, then not even the right one is. @throws {Failure} credentials-wrong, rate-limited */
export async function verifyPin(deps: ApiDeps, { userId }: Session, body: unknown, caller: Caller): Promise<void> {
  const { pin } = parse(TypedPin, body);
  await requireCredential(deps, { userId, kind: 'pin', secret: pin }, caller);
}

/** What the account can be proven by: its PIN, or the password while there is none. */
async function proofIn(
  deps: ApiDeps,
  userId: string,
  { currentPin, currentPassword }: z.output<typeof PinChange>,
): Promise<Proof> {
  const secrets = await deps.accounts.readSecrets(userId);
  if (secrets?.pin !== undefined) {
    if (currentPin === undefined) throw malformed('currentPin', 'is needed');
    return { userId, kind: 'pin', secret: currentPin };
  }
  if (secrets?.password === undefined) {
    throw new Failure('step-not-available', {
      message: 'There is no PIN and no password to prove: reset the PIN by a code',
    });
  }
  if (currentPassword === undefined) throw malformed('currentPassword', 'is needed');
  return { userId, kind: 'password', secret: currentPassword };
}
