/**
 * Sessions: `session:{id}` HASH + TTL, `refresh:{hash}` HASH for each refresh token that was given out, of which only
 * SHA-256 is stored, and `sessions:{userId}` ZSET of a person's session ids by their last possible end.
 * A session exists only in its hash: when that is gone, its access and refresh tokens are worth nothing.
 *
 * Terminology
 * - family: the refresh tokens of one session, each the successor of the one before. One of them is live.
 * - idle life: how long a session lives without activity; `endsAt` is its end however active it is.
 *
 * Consistency: what decides (which refresh token is live, whether a session lives) is in the one hash and changes by one
 * script. Away: throws.
 */
import { loadScript, type Redis } from './connect.ts';

/** A session as it is stored. Instants are milliseconds. */
export interface Session {
  sessionId: string;
  userId: string;
  createdAt: number;
  /** When the person last proved who they are: by the log-in that began it, or since. */
  authenticatedAt: number;
  lastActivityAt: number;
  /** Its end if nothing more happens in it. */
  expiresAt: number;
  ip: string;
  userAgent: string;
  roles: string[];
}

/** A session that begins. */
export interface NewSession extends Omit<Session, 'authenticatedAt' | 'lastActivityAt' | 'expiresAt'> {
  /** Life without activity, in milliseconds. */
  idleMs: number;
  /** Its end in any case. */
  endsAt: number;
}

/** A refresh token by its SHA-256 and its life. */
export interface RefreshToken {
  hash: string;
  seconds: number;
}

/** Whose a refresh token is, and when its session ends in any case. */
export interface TokenOwner {
  sessionId: string;
  userId: string;
  /** Milliseconds since the Unix epoch. */
  endsAt: number;
}

/** The successor of a refresh token, sealed by whoever made it. */
export interface Successor extends RefreshToken {
  encrypted: string;
}

/**
 * `rotated`: the successor is live. `repeated`: the presented token was rotated a moment ago, and this is the successor it
 * got then. `reused`: it was not live, and its session has ended. `ended`: its session had ended.
 */
export interface Rotation {
  outcome: 'rotated' | 'repeated' | 'reused' | 'ended';
  /** The token to go on with, as it was sealed; empty when there is none. */
  encrypted: string;
}

export type Sessions = ReturnType<typeof createSessions>;

/** Activity is noted at most this often, so that a session check is one read. */
const activityMs = 60_000;
/** How long a refresh token that was rotated comes to its unused successor. RFC 9700 section 4.14.2 leaves it open. */
const graceMs = 10_000;

/** Creates the store of sessions. */
export function createSessions(redis: Redis) {
  const touch = loadScript(redis, 'session-touch');
  const confirm = loadScript(redis, 'session-confirm');
  return {
    /** Stores a session and its refresh token. Safe to repeat: keyed by the session's id and the token's hash. */
    async create(session: NewSession, refresh: RefreshToken): Promise<void> {
      const { sessionId, userId, roles, createdAt, endsAt, idleMs, ip, userAgent } = session;
      const fields = { userId, createdAt, lastActivityAt: createdAt, idleMs, endsAt, ip, userAgent };
      // listed before it lives: whoever ends all sessions of the person misses none
      await redis
        .multi()
        .zadd(listKey(userId), endsAt, sessionId)
        .zremrangebyscore(listKey(userId), 0, createdAt)
        .pexpireat(listKey(userId), endsAt, 'NX')
        .pexpireat(listKey(userId), endsAt, 'GT')
        .exec();
      await redis
        .multi()
        .hset(sessionKey(sessionId), { ...fields, roles: roles.join(','), refresh: refresh.hash })
        .pexpireat(sessionKey(sessionId), Math.min(createdAt + idleMs, endsAt))
        .exec();
      await writeRefresh(redis, refresh, { sessionId, userId, endsAt });
      await redis.hset(`user:${userId}`, 'lastLoginAt', createdAt);
    },

    /** The session, or undefined when it ended. */
    async read(sessionId: string, now: number): Promise<Session | undefined> {
      const fields = await redis.hgetall(sessionKey(sessionId));
      const session = sessionIn(sessionId, fields);
      if (session === undefined || now - session.lastActivityAt < activityMs) return session;
      await touch([sessionKey(sessionId)], [now]);
      return sessionIn(sessionId, { ...fields, lastActivityAt: String(now) });
    },

    /** Notes that the person has proven who they are, at an instant; never brings a dead session back. */
    async confirm(sessionId: string, at: number): Promise<void> {
      await confirm([sessionKey(sessionId)], [at]);
    },

    /** The living sessions of a person, the newest first. */
    async list(userId: string, now: number): Promise<Session[]> {
      const ids = await redis.zrange(listKey(userId), String(now), '+inf', 'BYSCORE');
      const found = await Promise.all(ids.map(async (id) => sessionIn(id, await redis.hgetall(sessionKey(id)))));
      return found.flatMap((session) => session ?? []).sort((a, b) => b.createdAt - a.createdAt);
    },

    ...createRefreshing(redis),
    ...createSessionEnds(redis),
  };
}

/** What refresh tokens do, and what is written anew when they do. */
function createRefreshing(redis: Redis) {
  const rotate = loadScript(redis, 'session-rotate');
  const writeRoles = loadScript(redis, 'session-roles');
  return {
    /** Whose session a refresh token belongs to, also when it is no longer live; undefined when it was never given out. */
    async findByRefresh(refreshHash: string): Promise<TokenOwner | undefined> {
      const { sessionId, userId, endsAt } = await redis.hgetall(`refresh:${refreshHash}`);
      if (sessionId === undefined || userId === undefined) return undefined;
      return { sessionId, userId, endsAt: Number(endsAt) };
    },

    /** Rotates the refresh token of a session, and gives the session the roles its person has now. */
    async rotate(
      owner: TokenOwner,
      presentedHash: string,
      successor: Successor,
      { roles, now }: { roles: readonly string[]; now: number },
    ): Promise<Rotation> {
      // before it is live: a token that is live can be looked up
      await writeRefresh(redis, successor, owner);
      const args = [presentedHash, successor.hash, successor.encrypted, now, graceMs, roles.join(',')];
      const [outcome, encrypted = ''] = (await rotate([sessionKey(owner.sessionId)], args)) as [
        Rotation['outcome'],
        string?,
      ];
      if (outcome !== 'rotated') await redis.del(`refresh:${successor.hash}`);
      return { outcome, encrypted };
    },

    /** Gives every living session of a person these roles. */
    async setRoles(userId: string, roles: readonly string[]): Promise<void> {
      const ids = await redis.zrange(listKey(userId), '0', '-1');
      for (const id of ids) await writeRoles([sessionKey(id)], [roles.join(',')]);
    },
  };
}

/** What ends sessions, and counts those that have not ended. */
function createSessionEnds(redis: Redis) {
  return {
    /**
     * Ends every session of a person but one, if one is named; answers how many it ended. Their refresh tokens stay known
     * for their life, and worth nothing. Safe to repeat.
     */
    async endAll(userId: string, exceptId?: string): Promise<number> {
      const ids = (await redis.zrange(listKey(userId), '0', '-1')).filter((id) => id !== exceptId);
      let ended = 0;
      for (const id of ids) ended += await redis.del(sessionKey(id));
      // last: what is cut short is found again by a repeat
      if (ids.length > 0) await redis.zrem(listKey(userId), ...ids);
      return ended;
    },

    /** Ends a session of a person; false when the person has no such session. Safe to repeat. */
    async end(userId: string, sessionId: string): Promise<boolean> {
      if ((await redis.zscore(listKey(userId), sessionId)) === null) return false;
      const ended = await redis.del(sessionKey(sessionId));
      await redis.zrem(listKey(userId), sessionId);
      return ended > 0;
    },

    /**
     * Makes a session the only one of its person, and answers the one that was before. Of parallel calls each ends
     * another's session: the last one stays.
     */
    async takePlace(userId: string, sessionId: string, endsAt: number): Promise<string | undefined> {
      const before = await redis.set(`session-place:${userId}`, sessionId, 'PXAT', endsAt, 'GET');
      return before === null || before === sessionId ? undefined : before;
    },

    /** The number of living sessions of a person. */
    async count(userId: string, now: number): Promise<number> {
      const ids = await redis.zrange(listKey(userId), String(now), '+inf', 'BYSCORE');
      const lives = await Promise.all(ids.map((id) => redis.exists(sessionKey(id))));
      return lives.filter((isThere) => isThere === 1).length;
    },
  };
}

async function writeRefresh(redis: Redis, { hash, seconds }: RefreshToken, owner: TokenOwner): Promise<void> {
  await redis
    .multi()
    .hset(`refresh:${hash}`, { ...owner })
    .expire(`refresh:${hash}`, seconds)
    .exec();
}

function sessionIn(sessionId: string, fields: Record<string, string>): Session | undefined {
  if (fields.userId === undefined) return undefined;
  const lastActivityAt = Number(fields.lastActivityAt);
  return {
    sessionId,
    userId: fields.userId,
    createdAt: Number(fields.createdAt),
    authenticatedAt: Number(fields.authenticatedAt ?? fields.createdAt),
    lastActivityAt,
    expiresAt: Math.min(lastActivityAt + Number(fields.idleMs), Number(fields.endsAt)),
    ip: fields.ip ?? '',
    userAgent: fields.userAgent ?? '',
    roles: fields.roles ? fields.roles.split(',') : [],
  };
}

function sessionKey(sessionId: string): string {
  return `session:${sessionId}`;
}

function listKey(userId: string): string {
  return `sessions:${userId}`;
}
