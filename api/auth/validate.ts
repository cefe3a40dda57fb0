/** An access token, validated for another server. */
import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { requireToken } from '../guards.ts';
import { parse, secretText } from '../schemas.ts';

/** A token as it was given out. */
export const GivenToken = z.strictObject({ accessToken: secretText(1, 8192) });

/** Whose a token is. */
export type ValidToken = {
  userId: string;
  sessionId: string;
  /** As they are now. */
  roles: string[];
  /** The end of the token, ISO 8601. */
  expiresAt: string;
};

/**
 * Tells whose a token is, by its living session: what a request with it as its bearer would be told.
 *
 * @throws {Failure} malformed, unauthenticated, token-invalid
 */
export async function validateToken(deps: Pick<ApiDeps, 'tokens' | 'sessions'>, body: unknown): Promise<ValidToken> {
  const { accessToken } = parse(GivenToken, body);
  const { session, expiresAt } = await requireToken(deps, `Bearer ${accessToken}`);
  const { userId, sessionId, roles } = session;
  return { userId, sessionId, roles, expiresAt: new Date(expiresAt).toISOString() };
}
