/** `POST /auth/login/verify`, the same as `/auth/verify`: a code, and the one log-in or registration that it is for. */
import { z } from 'zod';
import type { ApiDeps, Caller } from '../deps.ts';
import { requireRegistration } from '../guards.ts';
import { malformed, parse, Registration, Tokens, text } from '../schemas.ts';
import { LogInProof, verifyLogIn } from './log-in.ts';
import { verifyRegistration } from './register.ts';

/** A code, and what it is for. */
export const CodeOf = LogInProof.extend({
  loginId: text(64).optional(),
  registrationId: text(64).optional().describe('In place of loginId, with the token of the registration'),
});

/** Tokens, or a registration whose policy has more steps. */
export const Verified = z.union([Tokens, Registration]).meta({ id: 'Verified' });

/**
 * Proves a code, of a log-in or of a registration, whose token the caller holds.
 *
 * @throws {Failure} as `verifyLogIn`, `requireRegistration` and `verifyRegistration`
 */
export async function verifyCodeOf(
  deps: ApiDeps,
  body: unknown,
  { authorization, ...caller }: Caller & { authorization: string | undefined },
): Promise<z.output<typeof Verified>> {
  const { loginId, registrationId, code } = parse(CodeOf, body);
  if (loginId !== undefined && registrationId === undefined) return verifyLogIn(deps, { loginId, code }, caller);
  if (registrationId === undefined) throw malformed('loginId', 'is needed');
  if (loginId !== undefined) throw malformed('registrationId', 'is not possible beside loginId');
  const { status } = await requireRegistration(deps, registrationId, authorization);
  return verifyRegistration(deps, { ...caller, registrationId, status }, code);
}
