/** `POST /auth/register` and `POST /auth/verify` of a registration: the short form of api/registrations/. */
import { z } from 'zod';
import { Failure } from '../../domain/failures.ts';
import { channels } from '../../domain/verification.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { sendCode, verifyCode } from '../registrations/code.ts';
import { createRegistration, NewRegistration } from '../registrations/create.ts';
import type { RegistrationCaller } from '../registrations/status.ts';
import { parse, type Registration, type StartedRegistration, type Tokens } from '../schemas.ts';
import { createRegistrationSession } from '../sessions.ts';

/** A person, and the way their code goes. */
export const ShortRegistration = NewRegistration.extend({
  channel: z.enum(channels).optional().describe('By default SMS where there is a number, else e-mail'),
});

/**
 * Starts a registration and sends its code at once, where its policy asks for no other step before.
 *
 * @throws {Failure} as `createRegistration` and `sendCode`
 */
export async function register(
  deps: ApiDeps,
  body: unknown,
  caller: Caller,
): Promise<z.output<typeof StartedRegistration>> {
  const { channel, ...person } = parse(ShortRegistration, body);
  const started = await createRegistration(deps, person, caller);
  const { registrationId, registrationToken } = started;
  const stored = await deps.registrations.read(registrationId);
  if (stored === undefined) throw new Failure('not-found');
  const { status } = stored;
  const isOpen = status.steps.some(({ name, status: step }) => name === 'code' && step === 'open');
  if (!isOpen) return started;
  const chosen = channel ?? (person.phone === undefined ? 'email' : 'sms');
  const sent = await sendCode(deps, { ...caller, registrationId, status }, { channel: chosen });
  return { ...sent, registrationToken };
}

/**
 * Proves the code of a registration; with its last step comes its session.
 *
 * @throws {Failure} as `verifyCode` and `createRegistrationSession`
 */
export async function verifyRegistration(
  deps: ApiDeps,
  caller: RegistrationCaller,
  code: unknown,
): Promise<Registration | z.output<typeof Tokens>> {
  const proven = await verifyCode(deps, caller, { code });
  if (proven.state !== 'completed') return proven;
  const stored = await deps.registrations.read(caller.registrationId);
  if (stored === undefined) throw new Failure('not-found');
  return createRegistrationSession(deps, { ...caller, status: stored.status });
}
