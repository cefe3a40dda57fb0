/**
 * Sessions: `session:{id}` HASH + TTL, and `refresh:{hash}` HASH for the refresh token, of which only SHA-256 is stored.
 * A session exists only here: when the key is gone, its access tokens are worth nothing.
 */
import { loadScript, type Redis } from './connect.ts';

/** A session as it is stored. Instants are milliseconds. */
export interface Session {
  sessionId: string;
  userId: string;
  createdAt: number;
  lastActivityAt: number;
  expiresAt: number;
  ip: string;
  userAgent: string;
  roles: string[];
}

export type Sessions = ReturnType<typeof createSessions>;

/** Activity is noted at most this often, so that a session check is one read. */
const activityMs = 60_000;

/** Creates the store of sessions. */
export function createSessions(redis: Redis) {
  const touch = loadScript(redis, 'session-touch');
  return {
    /** Stores a session and its refresh token. Safe to repeat: keyed by the session's id and the token's hash. */
    async create(session: Session, refreshHash: string): Promise<void> {
      const { roles, ...fields } = session;
      const seconds = Math.ceil((session.expiresAt - session.createdAt) / 1000);
      await redis
        .multi()
        .hset(sessionKey(session.sessionId), { ...fields, roles: roles.join(',') })
        .expire(sessionKey(session.sessionId), seconds)
        .exec();
      await redis
        .multi()
        .hset(`refresh:${refreshHash}`, { sessionId: session.sessionId, userId: session.userId, state: 'live' })
        .expire(`refresh:${refreshHash}`, seconds)
        .exec();
      await redis.hset(`user:${session.userId}`, 'lastLoginAt', session.createdAt);
    },

    /** The session, or undefined when it ended. */
    async read(sessionId: string, now: number): Promise<Session | undefined> {
      const fields = await redis.hgetall(sessionKey(sessionId));
      if (fields.userId === undefined) return undefined;
      const session: Session = {
        sessionId,
        userId: fields.userId,
        createdAt: Number(fields.createdAt),
        lastActivityAt: Number(fields.lastActivityAt),
        expiresAt: Number(fields.expiresAt),
        ip: fields.ip ?? '',
        userAgent: fields.userAgent ?? '',
        roles: fields.roles ? fields.roles.split(',') : [],
      };
      if (now - session.lastActivityAt < activityMs) return session;
      await touch([sessionKey(sessionId)], [now]);
      return { ...session, lastActivityAt: now };
    },
  };
}

function sessionKey(sessionId: string): string {
  return `session:${sessionId}`;
}
