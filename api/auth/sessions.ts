/** The sessions of a user: listed, read and ended. */
import type { sessionOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
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
    await sessions.endAll(userId);
  } else await sessions.end(userId, sessionId);
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

/** Lists the active sessions of the calling user, the newest first. */
export async function listSessions(
  { sessions }: Pick<ApiDeps, 'sessions'>,
  { holder, query: { limit, cursor } }: HandlerInput<Ops['listSessions']>,
): Promise<AnswerOf<Ops['listSessions']>> {
  const all = await sessions.list(holder.userId, Date.now());
  const begin = cursor === undefined ? 0 : all.findIndex(({ sessionId }) => sessionId === cursor) + 1;
  const page = all.slice(begin, begin + limit);
  const hasMore = begin + limit < all.length;
  return {
    status: 200,
    body: {
      items: page.map((own) => ({ ...sessionView(own), isCurrent: own.sessionId === holder.sessionId })),
      nextCursor: hasMore ? (page.at(-1)?.sessionId ?? null) : null,
    },
  };
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
