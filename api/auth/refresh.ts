/**
 * `POST /auth/refresh-token`: a new access token for a refresh token, which is rotated.
 *
 * No `Idempotency-Key`: a recorded request that is sent again must be detected as theft. A client that lost the answer
 * repeats the request within the grace period.
 */
import type { Rotation } from '../../adapters/redis/sessions.ts';
import type { sessionOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { refreshLife } from '../../domain/session.ts';
import { newToken, tokenHash } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import { notifyOwner } from '../notifications.ts';
import { type PersonFacts, type PersonFactsDeps, readPersonFacts } from '../person-facts.ts';
import type { HandlerInput } from '../serve.ts';
import { successorOf, tokensOf } from '../sessions.ts';

type Op = typeof sessionOperations.refreshTokens;
type RotationDeps = Pick<ApiDeps, 'events' | 'refreshCipher' | 'sessions' | 'temporal'>;
type Deps = RotationDeps & PersonFactsDeps & Pick<ApiDeps, 'config' | 'sessionLife' | 'tokens'>;

/**
 * Rotates a refresh token. A token that is sent again within 10 s, while its successor is unused, returns the same
 * successor. Later, or after the successor was used, the session ends and its user is notified, because one of the two
 * parties has stolen the token (RFC 9700 section 4.14.2).
 *
 * @throws {Failure} token-invalid: unknown, expired, used before, or its session, device or account has ended
 */
export async function refreshTokens(deps: Deps, { body: { refreshToken } }: HandlerInput<Op>): Promise<AnswerOf<Op>> {
  const presented = tokenHash(refreshToken);
  const owner = await deps.sessions.findByRefresh(presented);
  if (owner === undefined) throw new Failure('token-invalid');
  const { sessionId, userId } = owner;
  const { account, devices = [] } = (await readPersonFacts(deps, userId)) ?? {};
  if (account === undefined || account.disabledAt !== undefined) {
    await deps.sessions.end(userId, sessionId, 'suspended');
    throw new Failure('token-invalid');
  }
  const refreshMs = refreshLife(deps.sessionLife, owner.leftMs);
  const minted = newToken();
  const successor = successorOf(deps, minted, refreshMs);
  const rotation = await deps.sessions.rotate(owner, presented, successor, { roles: account.roles });
  const next = await nextToken(deps, owner, rotation);
  const device = await deviceOf(deps, owner, { rotation, devices });
  return { status: 200, body: await tokensOf(deps, { sessionId, refreshToken: next, refreshMs, account, device }) };
}

/**
 * Returns the device of a session, by the facts that were read before the rotation. If it was removed by then, the session
 * ends as well; if it is removed later, its removal ends the session.
 *
 * @throws {Failure} token-invalid
 */
async function deviceOf(
  { sessions }: Pick<ApiDeps, 'sessions'>,
  { sessionId, userId }: { sessionId: string; userId: string },
  { rotation: { deviceId }, devices }: Pick<PersonFacts, 'devices'> & { rotation: Rotation },
): Promise<PersonFacts['devices'][number] | undefined> {
  if (deviceId === undefined) return undefined;
  const device = devices.find((one) => one.deviceId === deviceId);
  if (device !== undefined) return device;
  await sessions.end(userId, sessionId);
  throw new Failure('token-invalid');
}

async function nextToken(
  deps: RotationDeps,
  { sessionId, userId }: { sessionId: string; userId: string },
  rotation: Rotation,
): Promise<string> {
  if (rotation.outcome === 'reused') {
    deps.events.refreshReused(sessionId, userId);
    await deps.sessions.end(userId, sessionId);
    void notifyOwner(deps, { userId, kind: 'session-stolen', occasion: sessionId });
  }
  if (rotation.outcome === 'reused' || rotation.outcome === 'ended') throw new Failure('token-invalid');
  if (rotation.outcome === 'rotated') deps.events.tokenRefreshed(sessionId, userId);
  return deps.refreshCipher.decryptText(rotation.encrypted);
}
