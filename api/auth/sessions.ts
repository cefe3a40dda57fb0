/** The sessions of a user: listed, read and ended. */
import type { sessionOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { AuthSession } from '../../domain/session.ts';
import { openCursor, signCursor } from '../cursors.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { sessionView } from '../views.ts';

type Ops = typeof sessionOperations;

/**
 * Ends the calling session, or every session of its user and with them every outstanding proof: codes, recoveries, log-ins
 * under way. Access and refresh tokens are invalid at once.
 */
export async function logOut(
  { accounts, sessions, events }: Pick<ApiDeps, 'accounts' | 'sessions' | 'events'>,
  { holder: { sessionId, userId }, body }: HandlerInput<Ops['logOut']>,
): Promise<AnswerOf<Ops['logOut']>> {
  const { everywhere = false } = body ?? {};
  if (everywhere) {
    // first: a log-in that is proven before it is refused, or its session ends below
    await accounts.raiseEpoch(userId);
    await sessions.endAll(userId, { reason: 'loggedOut' });
  } else await sessions.end(userId, sessionId, 'loggedOut');
  events.loggedOut({ sessionId, userId, everywhere });
  return { status: 204 };
}

/** Returns the calling session. */
export async function readSession(
  _deps: unknown,
  { holder }: HandlerInput<Ops['readSession']>,
): Promise<AnswerOf<Ops['readSession']>> {
  return { status: 200, body: sessionView(holder) };
}

/**
 * Lists the active sessions of the calling user, the newest first. A page continues after the last session of the page
 * before, also when that one has ended in the meantime.
 *
 * @throws {Failure} malformed
 */
export async function listSessions(
  { sessions, hashKey }: Pick<ApiDeps, 'sessions' | 'hashKey'>,
  { holder, query: { limit, cursor } }: HandlerInput<Ops['listSessions']>,
): Promise<AnswerOf<Ops['listSessions']>> {
  const scope = ['sessions', holder.userId];
  const last = cursor === undefined ? undefined : openCursor(hashKey, cursor, scope);
  const all = (await sessions.list(holder.userId))
    .map((session) => ({ session, position: positionOf(session) }))
    .sort((a, b) => (a.position < b.position ? 1 : -1));
  const rest = all.filter(({ position }) => last === undefined || position < last);
  const page = rest.slice(0, limit);
  const end = rest.length > limit ? page.at(-1) : undefined;
  return {
    status: 200,
    body: {
      items: page.map(({ session }) => ({
        ...sessionView(session),
        isCurrent: session.sessionId === holder.sessionId,
      })),
      nextCursor: end === undefined ? null : signCursor(hashKey, end.position, scope),
    },
  };
}

/** Sorts by time of creation; the id makes it unique. */
function positionOf({ createdAt, sessionId }: AuthSession): string {
  return `${String(createdAt).padStart(16, '0')}-${sessionId}`;
}

/** Ends one session of the calling user. @throws {Failure} not-found: there is none, or it is another user's */
export async function endSession(
  { sessions, events }: Pick<ApiDeps, 'sessions' | 'events'>,
  { holder: { userId }, params: { sessionId } }: HandlerInput<Ops['endSession']>,
): Promise<AnswerOf<Ops['endSession']>> {
  if (!(await sessions.end(userId, sessionId))) throw new Failure('not-found');
  events.sessionEnded({ sessionId, userId, why: 'revoked' });
  return { status: 204 };
}
