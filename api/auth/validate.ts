/** Validation of an access token for another server. */
import type { tokenOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { requireToken, type SessionDeps } from '../authenticate.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof tokenOperations.validateToken;

/**
 * Returns the user and session of a token while the session is active.
 *
 * @throws {Failure} unauthenticated, token-invalid
 */
export async function validateToken(
  deps: SessionDeps,
  { body: { accessToken } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { session, expiresAt } = await requireToken(deps, `Bearer ${accessToken}`);
  const { userId, sessionId, roles } = session;
  return { status: 200, body: { userId, sessionId, roles, expiresAt: new Date(expiresAt).toISOString() } };
}
