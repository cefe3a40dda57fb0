/** Sessions from the inside: what a person has, and how they end. */
import { z } from 'zod';
import type { Session as StoredSession } from '../../adapters/redis/sessions.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import { pageLimit, parse, Session } from '../schemas.ts';
import { sessionView } from '../sessions.ts';

/** How far a log-out goes. */
export const LogOut = z.strictObject({
  everywhere: z.boolean().optional().describe('Ends every session of the person'),
});

/** One page of a list. */
export const PageQuery = z.strictObject({
  limit: pageLimit,
  cursor: z.string().max(64).optional(),
});

/** Sessions, the newest first. */
export const SessionPage = z
  .object({ items: z.array(Session.extend({ isCurrent: z.boolean() })), nextCursor: z.string().nullable() })
  .meta({ id: 'SessionPage' });

/** Ends the session that asks, or every session of its person. Access and refresh tokens are worth nothing at once. */
export async function logOut(deps: ApiDeps, session: StoredSession, body: unknown): Promise<void> {
  const { everywhere = false } = parse(LogOut, body ?? {});
  const { sessionId, userId } = session;
  if (everywhere) await deps.sessions.endAll(userId);
  else await deps.sessions.end(userId, sessionId);
  deps.events.loggedOut({ sessionId, userId, everywhere });
}

/** The living sessions of the person that asks. */
export async function listSessions(
  deps: ApiDeps,
  session: StoredSession,
  query: unknown,
): Promise<z.output<typeof SessionPage>> {
  const { limit, cursor } = parse(PageQuery, query);
  const all = await deps.sessions.list(session.userId, Date.now());
  const begin = cursor === undefined ? 0 : all.findIndex(({ sessionId }) => sessionId === cursor) + 1;
  const page = all.slice(begin, begin + limit);
  const hasMore = begin + limit < all.length;
  return {
    items: page.map((own) => ({ ...sessionView(own), isCurrent: own.sessionId === session.sessionId })),
    nextCursor: hasMore ? (page.at(-1)?.sessionId ?? null) : null,
  };
}

/** Ends one session of the person that asks. @throws {Failure} not-found: there is none, or it is somebody else's */
export async function endSession(deps: ApiDeps, { userId }: StoredSession, sessionId: string): Promise<void> {
  if (!(await deps.sessions.end(userId, sessionId))) throw new Failure('not-found');
  deps.events.sessionEnded({ sessionId, userId, why: 'revoked' });
}
