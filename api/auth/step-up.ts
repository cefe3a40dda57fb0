/** `POST /auth/step-up`: the person of a session proves again who they are (RFC 9470). */
import { z } from 'zod';
import type { Session } from '../../adapters/redis/sessions.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { parse, secretText, typedPin } from '../schemas.ts';
import { requireCredential } from './credentials.ts';

/** What proves the person. */
export const StepUp = z
  .strictObject({ password: secretText(1, 1024).optional(), pin: typedPin.optional() })
  .refine(({ password, pin }) => (password === undefined) !== (pin === undefined), {
    path: ['password'],
    message: 'password or pin is needed, and not both',
  });

/**
 * Makes the session as good as one that has just begun, for `STEP_UP_SECONDS`.
 *
 * @throws {Failure} malformed, credentials-wrong, rate-limited
 */
export async function stepUp(
  deps: ApiDeps,
  { userId, sessionId }: Session,
  body: unknown,
  caller: Caller,
): Promise<void> {
  const { password, pin } = parse(StepUp, body);
  const proof =
    pin === undefined ? { kind: 'password' as const, secret: password ?? '' } : { kind: 'pin' as const, secret: pin };
  await requireCredential(deps, { userId, ...proof }, caller);
  await deps.sessions.confirm(sessionId, Date.now());
}
