/**
 * Sessions: `session:{id}` HASH + TTL, `refresh:{hash}` HASH for each issued refresh token, of which only SHA-256 is
 * stored, and `sessions:{userId}` ZSET of the session ids of a user by their absolute end. A session exists only in its
 * hash: when the hash is gone, its access and refresh tokens are invalid.
 *
 * A session may belong to a device of the user (`deviceId`). `device-place:{userId}:{deviceId}` names the latest one of a
 * device.
 *
 * `known-devices:{userId}` ZSET has the clients and networks that a user has logged in from, by their last log-in.
 *
 * `user:{userId}` HASH has the generation of the sessions of a user. Each session has the generation that was valid when it
 * began. Ending all sessions begins a new generation, and a session of an earlier one is invalid whenever it is written.
 *
 * Whatever ends sessions publishes that in `sessions-ended` afterwards, so that their connections end too. A repeat publishes
 * it again. A session that expires is not published: its connections know its end.
 *
 * Terminology
 * - token family: the refresh tokens of one session, each the successor of the previous one. One of them is valid.
 * - idle timeout: how long a session lives without activity. `endsAt` is its absolute end.
 *
 * Consistency: the valid refresh token and the existence of the session are in one hash, and one script changes them.
 * The time is that of Redis, so that a process whose clock is wrong neither shortens nor lengthens anything; a given `now`,
 * in milliseconds, replaces it. When Redis is unavailable, calls throw.
 */
import type { AuthSession, ConnectionEnd } from '../../domain/session.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { createDeviceActivity, type DeviceActivity } from './device-activity.ts';
import { keyFamilies, keys } from './keys.ts';
import { type EndedSessions, sessionsEndedChannel } from './node-channel.ts';

/** A new session, which begins when it is created. */
export interface NewAuthSession
  extends Pick<AuthSession, 'sessionId' | 'userId' | 'deviceId' | 'ip' | 'userAgent' | 'roles'> {
  /** 0: the user has not authenticated enough for step-up. When the session is created, if omitted. */
  authenticatedAt?: 0;
  /** Idle timeout, in milliseconds. */
  idleMs: number;
  /** Absolute lifetime, in milliseconds. */
  lifeMs: number;
}

/** A refresh token: its SHA-256 and its lifetime in seconds. */
export interface RefreshToken {
  hash: string;
  seconds: number;
}

/** A session and its user. */
type SessionOwner = Pick<AuthSession, 'sessionId' | 'userId'>;

/** The session and user of a refresh token, and the absolute end of the session. */
interface TokenOwner extends SessionOwner {
  /** Milliseconds since the Unix epoch. */
  endsAt: number;
}

/** The successor of a refresh token, encrypted by the caller. */
interface Successor extends RefreshToken {
  encrypted: string;
}

/**
 * `rotated`: the successor is valid. `repeated`: the presented token was rotated a moment ago, and the same successor
 * is returned. `reused`: the token was not valid, so its session was ended. `ended`: its session had ended before.
 */
export interface Rotation {
  outcome: 'rotated' | 'repeated' | 'reused' | 'ended';
  /** The token to use next, encrypted; empty if there is none. */
  encrypted: string;
  /** The device of the session; absent if it has none. */
  deviceId?: string;
}

/** `bound`: the session is one of the device. `other`: it is one of another device. `ended`: there is no such session. */
type DeviceBinding = 'bound' | 'other' | 'ended';

/** The store of sessions. */
export type AuthSessions = ReturnType<typeof createAuthSessions>;

/** Activity is written at most this often, so that most session checks are a single read. */
const activityMs = 60_000;
/** How long a rotated refresh token returns its unused successor. RFC 9700 section 4.14.2 does not specify it. */
const graceMs = 10_000;
/** How long a device stays known after a log-in. */
const deviceMs = keyFamilies.knownDevices.life.seconds * 1000;
/** Devices that are remembered of a user: the newest ones. */
const devicesMax = 50;

/** Creates the store of sessions. */
export function createAuthSessions(redis: Redis) {
  const reader = createReader(redis);
  const confirm = loadScript(redis, 'session-confirm');
  const activity = createDeviceActivity(redis);
  return {
    /**
     * Stores a session and its refresh token. When all sessions of the user are ended meanwhile, it is not valid. Safe to
     * repeat: keyed by session id and token hash.
     */
    async create(session: NewAuthSession, refresh: RefreshToken, now?: number): Promise<void> {
      const { sessionId, userId, deviceId, idleMs, lifeMs } = session;
      // read first: whatever ends all sessions from here on also ends this one, even if it is written afterwards
      const [{ generation }, createdAt] = await Promise.all([readGeneration(redis, userId), now ?? timeOf(redis)]);
      const endsAt = createdAt + lifeMs;
      // listed before it exists, so that ending all sessions of the user misses none
      await redis
        .multi()
        .zadd(keys.sessions({ userId }), endsAt, sessionId)
        .zremrangebyscore(keys.sessions({ userId }), 0, createdAt)
        .pexpireat(keys.sessions({ userId }), endsAt, 'NX')
        .pexpireat(keys.sessions({ userId }), endsAt, 'GT')
        .exec();
      await redis
        .multi()
        .hset(keys.session({ sessionId }), {
          ...fieldsOf(session, createdAt),
          generation,
          endsAt,
          refresh: refresh.hash,
        })
        .pexpireat(keys.session({ sessionId }), Math.min(createdAt + idleMs, endsAt))
        .exec();
      await writeRefresh(redis, refresh, { sessionId, userId, endsAt });
      await redis.hset(keys.user({ userId }), 'lastLoginAt', createdAt);
      if (deviceId !== undefined) await activity.note(userId, deviceId, createdAt);
    },

    /**
     * Returns the session of a user in one round trip, or undefined if it has ended or belongs to another user. Records
     * activity.
     */
    async read(owner: SessionOwner, now?: number): Promise<AuthSession | undefined> {
      const [stored, valid] = await Promise.all([
        reader.read(owner, { now, recordMs: activityMs }),
        readGeneration(redis, owner.userId),
      ]);
      const session = validSession(owner, stored, valid);
      const isRecorded = session !== undefined && session.lastActivityAt === session.readAt;
      if (isRecorded && session.deviceId !== undefined) {
        await activity.note(session.userId, session.deviceId, session.readAt);
      }
      return session;
    },

    /** Records that the user of a session authenticated now. A session that has ended is not recreated. */
    async confirm(sessionId: string, now?: number): Promise<void> {
      await confirm([keys.session({ sessionId })], [now ?? '']);
    },

    ...createOverview(redis, { reader, activity }),
    ...createKnownDevices(redis),
    ...createRefreshing(redis, { reader, activity }),
    ...createSessionEnds(redis),
    ...createDeviceSessions(redis, activity),
  };
}

/** What the sessions of a user say together. */
function createOverview(redis: Redis, { reader, activity }: SessionTools) {
  return {
    list: reader.list,

    /** Returns the number of active sessions of a user. */
    async count(userId: string, now?: number): Promise<number> {
      return (await reader.list(userId, now)).length;
    },

    /**
     * Returns when a user last logged in, or was active in a session that still exists or on a device, in milliseconds since
     * the Unix epoch; undefined before the first log-in.
     */
    async lastSeenAt(userId: string): Promise<number | undefined> {
      const [loggedInAt, devices, sessions] = await Promise.all([
        redis.hget(keys.user({ userId }), 'lastLoginAt'),
        activity.read(userId),
        reader.list(userId),
      ]);
      const active = [...Object.values(devices), ...sessions.map(({ lastActivityAt }) => lastActivityAt)];
      const known = loggedInAt === null ? active : [Number(loggedInAt), ...active];
      return known.length === 0 ? undefined : Math.max(...known);
    },
  };
}

/** What the operations on sessions share. */
interface SessionTools {
  reader: ReturnType<typeof createReader>;
  activity: DeviceActivity;
}

/** The reads of sessions. */
function createReader(redis: Redis) {
  const script = loadScript(redis, 'session-read');

  /** Reads a session. Records activity, if what is recorded is at least so many milliseconds old. */
  async function read(
    { sessionId }: Pick<SessionOwner, 'sessionId'>,
    { now, recordMs }: { now?: number | undefined; recordMs?: number } = {},
  ): Promise<StoredSession | undefined> {
    return storedSessionIn(await script([keys.session({ sessionId })], [now ?? '', recordMs ?? '']));
  }

  /** Returns the active sessions of a user, newest first. */
  async function list(userId: string, now?: number): Promise<AuthSession[]> {
    const since = now ?? (await timeOf(redis));
    const ids = await redis.zrange(keys.sessions({ userId }), String(since), '+inf', 'BYSCORE');
    const valid = await readGeneration(redis, userId);
    const found = await Promise.all(
      ids.map(async (sessionId) => validSession({ sessionId, userId }, await read({ sessionId }, { now }), valid)),
    );
    return found.flatMap((session) => session ?? []).sort((a, b) => b.createdAt - a.createdAt);
  }

  return { read, list };
}

/** The operations on the sessions of devices. */
function createDeviceSessions(redis: Redis, activity: DeviceActivity) {
  const bind = loadScript(redis, 'session-device');
  const endOf = async (userId: string, deviceId: string | null, reason: ConnectionEnd): Promise<string[]> => {
    const ids = await redis.zrange(keys.sessions({ userId }), '0', '-1');
    const devices = await Promise.all(ids.map((id) => redis.hget(keys.session({ sessionId: id }), 'deviceId')));
    const own = ids.filter((_id, index) => devices[index] === deviceId);
    for (const sessionId of own) {
      await redis.del(keys.session({ sessionId }));
      await redis.zrem(keys.sessions({ userId }), sessionId);
    }
    await publishEnd(redis, { userId, reason });
    return own;
  };
  return {
    /**
     * Makes a session of a user one of a device, with a new refresh token. Safe to repeat, with another token.
     *
     * @returns the outcome, and how long the session can live, in milliseconds
     */
    async bindDevice(
      { sessionId, userId, deviceId }: { sessionId: string; userId: string; deviceId: string },
      { token, now }: { token: (leftMs: number) => Successor; now?: number },
    ): Promise<{ outcome: DeviceBinding; leftMs: number }> {
      const key = keys.session({ sessionId });
      const [ends, at] = await Promise.all([redis.hget(key, 'endsAt'), now ?? timeOf(redis)]);
      if (ends === null) return { outcome: 'ended', leftMs: 0 };
      const endsAt = Number(ends);
      const leftMs = endsAt - at;
      const { encrypted, ...refresh } = token(leftMs);
      // written before it becomes valid, so that a valid token can always be looked up
      await writeRefresh(redis, refresh, { sessionId, userId, endsAt });
      const outcome = (await bind([key], [deviceId, refresh.hash, encrypted, at])) as DeviceBinding;
      if (outcome === 'bound') await activity.note(userId, deviceId, at);
      else await redis.del(keys.refresh({ tokenHash: refresh.hash }));
      return { outcome, leftMs };
    },

    /** Ends every session of a device of a user, and returns their ids. Safe to repeat. */
    endDevice: (userId: string, deviceId: string, reason: ConnectionEnd = 'revoked'): Promise<string[]> =>
      endOf(userId, deviceId, reason),

    /** Ends every session of a user that belongs to no device, and returns their ids. Safe to repeat. */
    endDeviceless: (userId: string): Promise<string[]> => endOf(userId, null, 'revoked'),

    /** As `takePlace`, among the sessions of a device. */
    takeDevicePlace: (
      { userId, deviceId }: { userId: string; deviceId: string },
      sessionId: string,
      lifeMs: number,
    ): Promise<string | undefined> => takeKey(redis, keys.devicePlace({ userId, deviceId }), sessionId, lifeMs),
  };
}

/** The operations on the clients that a user has logged in from, each known by a keyed hash. */
function createKnownDevices(redis: Redis) {
  return {
    /** Returns whether the user has logged in from a device during the last half year. */
    async isKnownDevice(userId: string, device: string, now?: number): Promise<boolean> {
      const [seenAt, at] = await Promise.all([
        redis.zscore(keys.knownDevices({ userId }), device),
        now ?? timeOf(redis),
      ]);
      return seenAt !== null && at - Number(seenAt) < deviceMs;
    },

    /** Notes a log-in from a device. Safe to repeat. */
    async noteDevice(userId: string, device: string, now?: number): Promise<void> {
      const key = keys.knownDevices({ userId });
      const at = now ?? (await timeOf(redis));
      await redis
        .multi()
        .zadd(key, at, device)
        .zremrangebyrank(key, 0, -1 - devicesMax)
        .pexpire(key, deviceMs)
        .exec();
    },
  };
}

/** The operations on refresh tokens and on the roles of sessions. */
function createRefreshing(redis: Redis, { reader, activity }: SessionTools) {
  const rotate = loadScript(redis, 'session-rotate');
  const writeRoles = loadScript(redis, 'session-roles');
  return {
    /**
     * Returns the session of a refresh token, even of a rotated one, and how many milliseconds are left until its absolute
     * end; undefined if the token was never issued or has expired.
     */
    async findByRefresh(refreshHash: string, now?: number): Promise<(TokenOwner & { leftMs: number }) | undefined> {
      const [fields, at] = await Promise.all([
        redis.hgetall(keys.refresh({ tokenHash: refreshHash })),
        now ?? timeOf(redis),
      ]);
      const { sessionId, userId, endsAt } = fields;
      if (sessionId === undefined || userId === undefined) return undefined;
      return { sessionId, userId, endsAt: Number(endsAt), leftMs: Number(endsAt) - at };
    },

    /** Rotates the refresh token of a session, and sets the current roles of the user in the session. */
    async rotate(
      owner: TokenOwner,
      presentedHash: string,
      successor: Successor,
      { roles, now }: { roles: readonly string[]; now?: number },
    ): Promise<Rotation> {
      // the script changes an existing session only, so one that is ended after this check stays ended
      const [stored, valid] = await Promise.all([reader.read(owner), readGeneration(redis, owner.userId)]);
      const session = validSession(owner, stored, valid);
      if (session === undefined) return { outcome: 'ended', encrypted: '' };
      const { deviceId, readAt } = session;
      // written before it becomes valid, so that a valid token can always be looked up
      await writeRefresh(redis, successor, owner);
      const args = [presentedHash, successor.hash, successor.encrypted, now ?? '', graceMs, roles.join(',')];
      const [outcome, encrypted = ''] = (await rotate([keys.session(owner)], args)) as [Rotation['outcome'], string?];
      if (outcome !== 'rotated') await redis.del(keys.refresh({ tokenHash: successor.hash }));
      else if (deviceId !== undefined) await activity.note(owner.userId, deviceId, readAt);
      if (outcome === 'reused') {
        await publishEnd(redis, { userId: owner.userId, sessionId: owner.sessionId, reason: 'revoked' });
      }
      return { outcome, encrypted, ...(deviceId !== undefined && { deviceId }) };
    },

    /** Sets the roles of every active session of a user. */
    async setRoles(userId: string, roles: readonly string[]): Promise<void> {
      const ids = await redis.zrange(keys.sessions({ userId }), '0', '-1');
      for (const id of ids) await writeRoles([keys.session({ sessionId: id })], [roles.join(',')]);
    },
  };
}

/** The operations that end and count sessions. */
function createSessionEnds(redis: Redis) {
  const beginGeneration = loadScript(redis, 'session-generation');
  const endEarlier = loadScript(redis, 'session-end-earlier');
  return {
    /**
     * Ends every session of a user, except `exceptId` if given, and returns how many it ended. Also ends a session that
     * is being written meanwhile. Their refresh tokens stay stored until they expire, but are invalid. Safe to repeat.
     */
    async endAll(
      userId: string,
      { exceptId, reason = 'revoked' }: { exceptId?: string | undefined; reason?: ConnectionEnd } = {},
    ): Promise<number> {
      // first, so that a session that is missing in the list below is not valid either
      const generation = Number(await beginGeneration([keys.user({ userId })], [exceptId ?? '']));
      const ids = (await redis.zrange(keys.sessions({ userId }), '0', '-1')).filter((id) => id !== exceptId);
      const ended: string[] = [];
      for (const id of ids) {
        if ((await endEarlier([keys.session({ sessionId: id })], [generation])) === 1) ended.push(id);
      }
      await publishEnd(redis, { userId, reason });
      // last, so that a repeat after an interruption finds the sessions again
      if (ended.length > 0) await redis.zrem(keys.sessions({ userId }), ...ended);
      return ended.length;
    },

    /** Ends a session of a user; false if the user has no such session. Safe to repeat. */
    async end(userId: string, sessionId: string, reason: ConnectionEnd = 'revoked'): Promise<boolean> {
      if ((await redis.zscore(keys.sessions({ userId }), sessionId)) === null) return false;
      const ended = await redis.del(keys.session({ sessionId }));
      await publishEnd(redis, { userId, sessionId, reason });
      // last, so that a repeat after an interruption publishes it again
      await redis.zrem(keys.sessions({ userId }), sessionId);
      return ended > 0;
    },

    /**
     * Makes a session the only one of its user and returns the previous one, which the caller ends. Parallel calls end
     * each other's sessions: the last one stays.
     */
    takePlace: (userId: string, sessionId: string, lifeMs: number): Promise<string | undefined> =>
      takeKey(redis, keys.sessionPlace({ userId }), sessionId, lifeMs),
  };
}

async function publishEnd(redis: Redis, ended: EndedSessions): Promise<void> {
  await redis.publish(sessionsEndedChannel, JSON.stringify(ended));
}

async function takeKey(redis: Redis, key: string, sessionId: string, lifeMs: number): Promise<string | undefined> {
  const before = await redis.set(key, sessionId, 'PX', lifeMs, 'GET');
  return before === null || before === sessionId ? undefined : before;
}

async function writeRefresh(
  redis: Redis,
  { hash, seconds }: RefreshToken,
  { sessionId, userId, endsAt }: TokenOwner,
): Promise<void> {
  const write = loadScript(redis, 'refresh-write');
  await write([keys.refresh({ tokenHash: hash })], [sessionId, userId, endsAt, seconds]);
}

/** The valid generation of the sessions of a user, and the session of an earlier one that was kept. */
interface Generation {
  generation: number;
  kept?: string | undefined;
  /** The generation that the kept session needs. */
  keptFrom: number;
}

async function readGeneration(redis: Redis, userId: string): Promise<Generation> {
  const [generation, kept, keptFrom] = await redis.hmget(keys.user({ userId }), 'generation', 'kept', 'keptFrom');
  return { generation: Number(generation ?? 0), kept: kept ?? undefined, keptFrom: Number(keptFrom ?? 0) };
}

/** The fields of a session in the order of `session-read.lua`; numbers are texts, except those that the script made. */
type Reply = [readAt?: number, ...fields: (string | null | undefined)[]];

/** A session as it is stored, and the generation in which it began. */
interface StoredSession extends Omit<AuthSession, 'sessionId'> {
  generation: number;
}

/** Sessions of an earlier version have no generation. */
function validSession(
  { sessionId, userId }: SessionOwner,
  stored: StoredSession | undefined,
  { generation, kept, keptFrom }: Generation,
): AuthSession | undefined {
  if (stored === undefined || stored.userId !== userId) return undefined;
  const { generation: own, ...session } = stored;
  return own >= (sessionId === kept ? keptFrom : generation) ? { sessionId, ...session } : undefined;
}

/** The fields of a session that never change, and its first activity. */
function fieldsOf(session: NewAuthSession, createdAt: number): Record<string, string | number> {
  const { userId, deviceId, idleMs, ip, userAgent, roles, authenticatedAt } = session;
  return {
    userId,
    createdAt,
    lastActivityAt: createdAt,
    idleMs,
    ip,
    userAgent,
    roles: roles.join(','),
    ...(authenticatedAt !== undefined && { authenticatedAt }),
    ...(deviceId !== undefined && { deviceId }),
  };
}

function storedSessionIn(reply: unknown): StoredSession | undefined {
  const [readAt, userId, generation, createdAt, authenticatedAt, lastActivityAt, ...rest] = reply as Reply;
  if (readAt === undefined || !userId) return undefined;
  const [idleMs, endsAt, ip, userAgent, roles, deviceId] = rest;
  return {
    userId,
    ...(deviceId && { deviceId }),
    generation: Number(generation ?? 0),
    createdAt: Number(createdAt),
    authenticatedAt: Number(authenticatedAt ?? createdAt),
    lastActivityAt: Number(lastActivityAt),
    readAt,
    expiresAt: Math.min(Number(lastActivityAt) + Number(idleMs), Number(endsAt)),
    ip: ip ?? '',
    userAgent: userAgent ?? '',
    roles: roles ? roles.split(',') : [],
  };
}
