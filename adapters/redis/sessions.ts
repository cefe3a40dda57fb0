/**
 * Sessions: `session:{id}` HASH + TTL, `refresh:{hash}` HASH for the refresh token, of which only SHA-256 is stored, and
 * `sessions:{userId}` ZSET of a person's session ids by their end.
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
      // listed before it lives: whoever ends all sessions of the person misses none
      await redis
        .multi()
        .zadd(listKey(session.userId), session.expiresAt, session.sessionId)
        .zremrangebyscore(listKey(session.userId), 0, session.createdAt)
        .expire(listKey(session.userId), seconds, 'NX')
        .expire(listKey(session.userId), seconds, 'GT')
        .exec();
      await redis
        .multi()
        .hset(sessionKey(session.sessionId), { ...fields, roles: roles.join(','), refresh: refreshHash })
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

    ...createSessionEnds(redis),
  };
}

/** What ends sessions, and counts those that have not ended. */
function createSessionEnds(redis: Redis) {
  return {
    /** Ends every session of a person, with its refresh token; answers how many it ended. Safe to repeat. */
    async endAll(userId: string): Promise<number> {
      const ids = await redis.zrange(listKey(userId), '0', '-1');
      let ended = 0;
      for (const id of ids) {
        const refreshHash = await redis.hget(sessionKey(id), 'refresh');
        if (refreshHash) await redis.del(`refresh:${refreshHash}`);
        ended += await redis.del(sessionKey(id));
      }
      // last: what is cut short is found again by a repeat
      if (ids.length > 0) await redis.zrem(listKey(userId), ...ids);
      return ended;
    },

    /** Ends one session, with its refresh token. Safe to repeat. */
    async end(userId: string, sessionId: string, refreshHash: string): Promise<void> {
      await redis.del(`refresh:${refreshHash}`);
      await redis.del(sessionKey(sessionId));
      await redis.zrem(listKey(userId), sessionId);
    },

    /** The number of living sessions of a person. */
    async count(userId: string, now: number): Promise<number> {
      return redis.zcount(listKey(userId), String(now), '+inf');
    },
  };
}

function sessionKey(sessionId: string): string {
  return `session:${sessionId}`;
}

function listKey(userId: string): string {
  return `sessions:${userId}`;
}
